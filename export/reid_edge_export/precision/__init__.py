"""Precision as a property of the ONNX file: how a network computes is decided when it is exported, not when it is loaded.

`fp32` is what is traced. `autocast` makes fp16 of it, `int8` the two kinds of int8, calibrated on photos of the user's choice;
`diagnosis` names the node to blame where the answers differ too much.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from reid_edge.errors import UsageError
from reid_edge.suggestions import did_you_mean

if TYPE_CHECKING:
    from onnx import ModelProto

Rounding = Literal["fp32", "fp16", "int8"]


@dataclass(frozen=True)
class Precision:
    """How a network computes.

    Attributes:
        name: on the command line, in a recipe and in the file's metadata.
        computes: what its matrix products and convolutions work on, as a pack's manifest says it.
        method: how the graph is made, for the metadata; empty for the graph as it is traced.
    """

    name: str
    computes: Rounding
    method: str = ""


PRECISIONS: Mapping[str, Precision] = {
    precision.name: precision
    for precision in (
        Precision("fp32", "fp32"),
        Precision("fp16", "fp16", "AutoCast: float16 between float32 inputs and outputs"),
        Precision("int8-cpu", "int8", "QDQ: activations uint8 asymmetric, weights int8 symmetric per channel, MinMax"),
        Precision("int8-tensorrt", "int8", "QDQ: activations int8 symmetric, weights int8 symmetric per channel, MinMax"),
    )
}


def precision_named(name: str) -> Precision:
    """The precision of that name.

    Raises:
        UsageError: there is none; the nearest names are offered.
    """
    if name in PRECISIONS:
        return PRECISIONS[name]
    hint = did_you_mean(name, PRECISIONS, f"Choose among {', '.join(PRECISIONS)}.", 2)
    raise UsageError(f"There is no precision named {name!r}.", hint)


def nodes_kept(model: ModelProto, kept: tuple[str, ...]) -> list[str]:
    """The names of the nodes that `kept` means: an operator's name means its nodes, any other entry is the beginning of the names
    of weights and means the nodes that take them."""
    weights = {tensor.name for tensor in model.graph.initializer if tensor.name.startswith(kept)} if kept else set()
    return [node.name for node in model.graph.node if node.op_type in kept or weights.intersection(node.input)]
