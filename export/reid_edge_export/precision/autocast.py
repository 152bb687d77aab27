"""A graph that computes in float16 between float32 inputs and outputs, by AutoCast of NVIDIA's ModelOpt.

AutoCast runs the graph on some inputs and leaves in float32 the nodes whose values are too large for float16, such as the places of
keypoints in a flattened photo, and the shape arithmetic around them.
"""

from __future__ import annotations

import contextlib
import logging
import re
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from reid_edge.errors import UsageError
from reid_edge.installation import install_command
from reid_edge_export.precision import nodes_kept

# AutoCast holds every intermediate value of every input that it measures: gigabytes for a large photo, of which it is given one. Of
# smaller ones the first and the last are the most different that it can be given.
_LARGE = 2_000_000  # values of one input

# Beyond this, in float32, a value and what is computed of it stay in float32: the default of AutoCast, 7 bits below the largest float16.
_LARGEST = 512.0


def to_float16(
    model: onnx.ModelProto, inputs: Sequence[Mapping[str, NDArray[Any]]], kept: tuple[str, ...] = ()
) -> onnx.ModelProto:
    """A float16 graph with the float32 inputs and outputs of `model`, which stays as it is.

    Args:
        model: a float32 graph.
        inputs: real inputs; the first and the last are run to measure the values.
        kept: what stays float32, see `nodes_kept`.

    Raises:
        UsageError: ModelOpt is not installed.
    """
    with _quiet():
        try:
            from modelopt.onnx.autocast import convert_to_mixed_precision
        except ImportError as error:
            raise UsageError(
                f"Exporting in fp16 needs NVIDIA ModelOpt, which cannot be imported ({str(error).splitlines()[0]}).",
                install_command("export"),
            ) from error
        with tempfile.TemporaryDirectory() as folder:
            onnx.save(model, Path(folder) / "network.onnx")
            measured = Path(folder) / "inputs"
            measured.mkdir()
            few = len(inputs) == 1 or sum(array.size for array in inputs[0].values()) > _LARGE
            for index, arrays in enumerate(inputs[:1] if few else [inputs[0], inputs[-1]]):
                np.savez(measured / f"{index}.npz", **arrays)  # type: ignore[arg-type]  # numpy's stub takes the names for options
            converted: onnx.ModelProto = convert_to_mixed_precision(
                str(Path(folder) / "network.onnx"),
                low_precision_type="fp16",
                keep_io_types=True,
                data_max=_LARGEST,
                calibration_data=str(measured),
                nodes_to_exclude=[f"^{re.escape(name)}$" for name in nodes_kept(model, kept)],
                opset=next(entry.version for entry in model.opset_import if entry.domain == ""),
            )
    return converted


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence ModelOpt, which logs every node on a handler of its own."""
    disabled = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
