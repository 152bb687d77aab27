"""The networks in PyTorch, one module each: `load_network` gives one with its weights, ready to run or to export.

Each module here offers `build(**layout, **parameters)`, the network with random weights, and `read_state(path, network)`, the
weights of an official file under that network's keys. Where random weights answer nothing that could be compared, a module also
offers `condition(network)`, an embedder's `condition(network, photos)`, which changes them in place. Torch is imported by those modules
only.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reid_edge.errors import UsageError
from reid_edge.installation import install_command
from reid_edge_export.catalogue import Network, network_named, resolve_parameters
from reid_edge_export.weight_files import obtain

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import nn


def load_network(name: str, weights: Path | None = None, **parameters: Any) -> nn.Module:
    """The network `name` in eval mode, with the inputs and outputs of its ONNX graph.

    Args:
        name: a name of the catalogue.
        weights: a file in the official key layout; None fetches the catalogue's source.
        parameters: in place of the catalogue's defaults.

    Raises:
        UsageError: unknown name or parameter, no torch here, or weights that are not this network's.
    """
    network = network_named(name)
    resolved = resolve_parameters(network, parameters)
    return build_network(network, resolved, obtain(network.source) if weights is None else weights)


def build_network(
    network: Network, parameters: dict[str, Any], weights: Path | None, photos: Sequence[NDArray[np.float32]] = ()
) -> nn.Module:
    """The network in eval mode with the weights of the file `weights`, or with random ones, the same each time, for None.

    Args:
        network: of the catalogue.
        parameters: the network's, resolved.
        weights: a file or folder, or None.
        photos: inputs float32 [1, 3, H, W] of the network, whose statistics the norms of an embedder with random weights take.
    """
    try:
        module = importlib.import_module(f"{__name__}.{network.module}")
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "onnx", "safetensors"):
            raise
        raise UsageError(f"Exporting needs {error.name}, which is not installed.", install_command("export")) from error
    import torch

    from reid_edge_export.weights import fill

    with torch.random.fork_rng(devices=()), torch.no_grad():
        torch.manual_seed(0)
        built = module.build(**network.layout, **parameters)
        if weights is not None:
            fill(built, module.read_state(weights, built), str(weights))
        elif hasattr(module, "condition"):
            module.condition(built, *([photos] if network.task == "embedding" else []))
    return built.eval()
