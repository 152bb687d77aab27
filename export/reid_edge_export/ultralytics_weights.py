"""The tensors of a network that Ultralytics wrote: a checkpoint, which is a pickle of whole modules, or an ONNX file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from reid_edge.errors import UsageError

# Modules whose classes the pickle may name. What it builds are inert stand-ins under those names, never the classes.
_INERT = ("ultralytics.", "torch.nn.modules.")


class _StandIn:
    """An object of the pickle: its attributes and nothing that could run."""

    def __init__(self, *_: Any) -> None: ...


def read_ultralytics_checkpoint(path: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint (.pt) by name, those of the running mean (EMA) where it holds both; nothing in it is executed.

    Raises:
        UsageError: the file is missing or damaged, wants to run code, or holds no network.
    """
    try:
        unknown = torch.serialization.get_unsafe_globals_in_checkpoint(path)
        refused = sorted(name for name in unknown if not name.startswith(_INERT))
        if refused:
            raise UsageError(
                f"{path}: names {refused[0]}, which no checkpoint of a network needs; it may want to run code.",
                "Do not use this file; fetch the checkpoint from where Ultralytics publishes it.",
            )
        with torch.serialization.safe_globals([(_StandIn, name) for name in unknown]):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror or error}).", "Check the path and the permissions.") from error
    except UsageError:
        raise
    except Exception as error:  # a damaged file fails in many ways
        raise UsageError(f"{path}: is not a checkpoint of Ultralytics, or is damaged.", "Fetch the file again.") from error
    if isinstance(content, dict):
        content = next((content[part] for part in ("ema", "model") if content.get(part) is not None), content)
    state = content if isinstance(content, dict) else dict(_tensors(content))
    if not state or not all(isinstance(key, str) and isinstance(value, Tensor) for key, value in state.items()):
        raise UsageError(f"{path}: holds no network.", "Give a checkpoint that Ultralytics' training or download made.")
    return {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}


def read_ultralytics_onnx(path: Path) -> dict[str, Tensor]:
    """The named weights of an exported ONNX file, whose batch norms are already folded.

    Raises:
        UsageError: the file is missing or damaged, or does not name its weights.
    """
    import onnx

    try:
        constants = onnx.load(path, load_external_data=False).graph.initializer
        named = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in constants if tensor.name.startswith("model.")}
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror or error}).", "Check the path and the permissions.") from error
    except Exception as error:  # protobuf's DecodeError has no stable home, and a damaged graph fails in many ways
        raise UsageError(f"{path}: is not a readable ONNX file.", "Fetch the file again.") from error
    if not named:
        raise UsageError(f"{path}: does not name its weights as Ultralytics does.", "Give the checkpoint (.pt) instead.")
    return {key: torch.from_numpy(value.copy()) for key, value in named.items()}


def _tensors(root: Any) -> Iterator[tuple[str, Tensor]]:
    """The tensors of a module and of those inside it, by their path; each module is visited once."""
    waiting, seen = [("", root)], set()
    while waiting:
        prefix, module = waiting.pop()
        if not isinstance(module, _StandIn) or id(module) in seen:
            continue
        seen.add(id(module))
        for kind in ("_parameters", "_buffers"):
            for name, value in _named(module, kind):
                if isinstance(value, Tensor):
                    yield prefix + name, value.detach()
        waiting += [(f"{prefix}{name}.", child) for name, child in _named(module, "_modules")]


def _named(module: _StandIn, kind: str) -> list[tuple[str, Any]]:
    values = vars(module).get(kind)
    return [(str(name), value) for name, value in values.items()] if isinstance(values, dict) else []
