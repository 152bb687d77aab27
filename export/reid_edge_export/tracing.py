"""From weights to a traced graph: load a network, trace it once, and run it in PyTorch, for any precision to be compared with."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from reid_edge.errors import EngineError, ReidEdgeError, UsageError
from reid_edge_export.catalogue import Network, network_with
from reid_edge_export.networks import build_network
from reid_edge_export.progress import Say, step
from reid_edge_export.weight_files import obtain, sha256_of

if TYPE_CHECKING:
    from onnx import ModelProto
    from torch import nn


@dataclass(frozen=True)
class TracedNetwork:
    """A network as a float32 graph, with PyTorch's outputs to compare any precision with.

    Attributes:
        network: of the catalogue.
        parameters: of the network, resolved.
        graph: opset 18, float32, its batch dynamic.
        inputs: one set of arrays by input name per photo, or per pair of photos.
        expected: PyTorch's outputs by name for each of them.
        random: whether the weights are.
        address, sha256: origin of the weights and hash of their file; empty for new random ones.
    """

    network: Network
    parameters: Mapping[str, Any]
    graph: ModelProto
    inputs: Sequence[Mapping[str, NDArray[Any]]]
    expected: Sequence[Mapping[str, NDArray[Any]]]
    random: bool
    address: str
    sha256: str


def trace_network(
    name: str,
    *,
    images: Sequence[NDArray[np.uint8]],
    weights: Path | None = None,
    random: bool = False,
    accept_terms: bool = False,
    say: Say | None = None,
    parameters: Mapping[str, Any] | None = None,
) -> TracedNetwork:
    """Load a network, trace it and run it in PyTorch; see `export.export_network` for arguments and errors."""
    network, resolved = network_with(name, parameters or {})
    if network.terms and not (accept_terms or random):
        raise UsageError(f"{name}: {network.terms}", "If your use is within these terms, add --accept-terms.")
    if network.module == "own_onnx":
        weights = Path(network.layout["file"])
    by_itself = network.module == "own_torch" and weights is None  # the user's function gives it with its weights
    file = obtain(network.source) if weights is None and not (random or by_itself) else weights
    sha256 = "" if file is None else sha256_of(file)
    address = "random" if file is None else f"file:{file.name}"
    if sha256 and sha256 == network.source.sha256:
        address = network.source.address
    from reid_edge_export import parity, samples

    with step(say, f"{name}: preparing inputs from {len(images)} photos"):
        inputs = samples.make_inputs(network, resolved, images, random)
    if network.module == "own_onnx":
        from reid_edge_export.networks.own_onnx import read_graph

        model = read_graph(network, resolved)
        expected = parity.run_onnx(model.SerializeToString(), network, inputs)
        return TracedNetwork(network, resolved, model, inputs, expected, random, address, sha256)
    module = build_network(network, resolved, file, [arrays["image"] for arrays in inputs] if network.task == "embedding" else ())
    with step(say, f"{name}: tracing"):
        model = _traced(module, network, resolved)
    with step(say, f"{name}: running PyTorch on {len(inputs)} sets of inputs"):
        expected = parity.run_torch(module, network, inputs)
    if by_itself and not random:
        address, sha256 = network.source.address, _hash_of_weights(model)
    return TracedNetwork(network, resolved, model, inputs, expected, random, address, sha256)


def _traced(module: nn.Module, network: Network, resolved: Mapping[str, Any]) -> ModelProto:
    from reid_edge_export import graph

    try:
        return graph.trace(module, network, resolved)
    except ReidEdgeError:
        raise
    except Exception as error:
        if network.module != "own_torch":
            raise
        first = (str(error.__cause__ or error).strip().splitlines() or [""])[0]
        raise EngineError(
            f"{network.name}: torch.export cannot trace the network ({first}).", "Rewrite the part of its forward that it names."
        ) from error


def _hash_of_weights(model: ModelProto) -> str:
    """The sha256 of the weights of a graph, in the order of their names."""
    digest = hashlib.sha256()
    for tensor in sorted(model.graph.initializer, key=lambda each: each.name):
        digest.update(tensor.SerializeToString(deterministic=True))
    return digest.hexdigest()
