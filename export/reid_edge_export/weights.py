"""Reading weights without running code, and putting them into a network with every mismatch named."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor, nn

from reid_edge.errors import UsageError

_SHOWN = 8  # names listed of each kind of mismatch
_WRAPPERS = ("module.", "_orig_mod.")


def read_checkpoint(path: Path, *parts: str) -> dict[str, Tensor]:
    """The tensors of a checkpoint by name; nothing in it is ever executed.

    The format (safetensors, NumPy's npz, PyTorch's own) is recognised by the content, not by the file's name.

    Args:
        path: the file.
        parts: names under which the tensors may lie, instead of at the top.

    Returns:
        The tensors without BatchNorm's counters, and without the prefix that a wrapper (DataParallel, torch.compile) put before all.

    Raises:
        UsageError: the file is missing, damaged, holds something other than named tensors, or wants to run code.
    """
    try:
        state = _read_tensors(path)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror or error}).", "Check the path and the permissions.") from error
    except Exception as error:  # a damaged file fails in many ways: zlib, struct, index and unpickling errors among them
        raise UsageError(
            f"{path}: is not a checkpoint of plain tensors, or is damaged.",
            "Safetensors, npz and files that torch.load(weights_only=True) accepts are read; fetch the file again or save its state_dict.",
        ) from error
    if isinstance(state, dict):
        state = next((state[part] for part in parts if part in state), state)
    if not isinstance(state, dict) or not state or not all(isinstance(value, Tensor) for value in state.values()):
        raise UsageError(f"{path}: holds no dictionary of tensors.", "Save the network's state_dict alone.")
    for prefix in _WRAPPERS:
        if all(key.startswith(prefix) for key in state):
            state = {key.removeprefix(prefix): value for key, value in state.items()}
    return {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}


def _read_tensors(path: Path) -> Any:
    with path.open("rb") as file:
        beginning = file.read(9)
    if beginning[8:] == b"{":  # eight bytes of length, then a JSON object
        return safetensors.torch.load_file(path)
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            is_numpy = all(name.endswith(".npy") for name in archive.namelist())
        if is_numpy:
            with np.load(path, allow_pickle=False) as arrays:
                return {name: torch.from_numpy(arrays[name]) for name in arrays.files}
    return torch.load(path, map_location="cpu", weights_only=True)


def read_onnx_convolutions(path: Path, names: Sequence[str]) -> dict[str, Tensor]:
    """Weight and bias of every convolution of an ONNX file in graph order, under `names`.

    Raises:
        UsageError: the file is no ONNX file or holds another number of convolutions.
    """
    import onnx

    try:
        graph = onnx.load(path, load_external_data=False).graph
        constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
        found = [[constants[name] for name in node.input[1:]] for node in graph.node if node.op_type == "Conv"]
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror or error}).", "Check the path and the permissions.") from error
    except Exception as error:  # protobuf's DecodeError has no stable home, and a damaged graph fails in many ways
        raise UsageError(f"{path}: is not a readable ONNX file.", "Fetch the file again.") from error
    if len(found) != len(names) or not all(len(parts) == 2 for parts in found):
        raise UsageError(
            f"{path}: holds {len(found)} convolutions where the network has {len(names)}.", "This is the file of another network."
        )
    parts = ("weight", "bias")
    return {
        f"{name}.{part}": torch.from_numpy(value.copy())
        for name, values in zip(names, found, strict=True)
        for part, value in zip(parts, values, strict=True)
    }


def fill(network: nn.Module, state: dict[str, Tensor], origin: str) -> None:
    """Put `state` into `network` completely.

    Raises:
        UsageError: keys are missing, unexpected or of another shape; each is named.
    """
    expected = {key: value for key, value in network.state_dict().items() if not key.endswith("num_batches_tracked")}
    shared = expected.keys() & state.keys()
    mismatches = {
        "missing": sorted(expected.keys() - state.keys()),
        "unexpected": sorted(state.keys() - expected.keys()),
        "of another shape": [
            f"{key} {list(state[key].shape)} instead of {list(expected[key].shape)}"
            for key in sorted(shared)
            if state[key].shape != expected[key].shape
        ],
    }
    if any(mismatches.values()):
        listed = "; ".join(f"{kind}: {_listing(names)}" for kind, names in mismatches.items() if names)
        raise UsageError(f"{origin}: does not fit the network ({listed}).", "Give the checkpoint of this very network.")
    network.load_state_dict({key: value.float() for key, value in state.items()}, strict=False)


def _listing(names: list[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
