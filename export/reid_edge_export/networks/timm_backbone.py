"""Networks of the timm library as embedders: the pooled features before the classifier (Wightman 2019, "PyTorch Image Models").

This is the one place that imports timm.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from reid_edge.errors import UsageError
from reid_edge.installation import install_command
from reid_edge.suggestions import similar
from reid_edge_export.networks.checkpoint_keys import CLASSIFIERS, MARGIN_HEADS, read_unwrapped
from reid_edge_export.networks.conditioning import Photos, settle
from reid_edge_export.networks.torchvision_stand_in import forget, without_torchvision

# Weights that timm's readers would resample to fit another patch or window; here a misfit is named, as that of any other weight.
_NOT_RESAMPLED = ("patch_embed.proj.weight", "relative_position_bias_table")


@dataclass(frozen=True)
class Facts:
    """What timm says about a model.

    Attributes:
        size: pixels per side of its input.
        dimension: of its pooled features.
        mean, std: per channel, of pixels of 0 to 1.
        licence: of its weights as timm writes it, "" where it states none.
        file: the repository and the file of its weights, ORG/NAME/FILE; "" where it has none.
    """

    size: int
    dimension: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    licence: str
    file: str


def build(architecture: str, size: int, outputs: int = 0) -> nn.Module:
    """The network with random weights; see `create`."""
    return TimmEmbedder(architecture, size, outputs)


def condition(network: TimmEmbedder, photos: Photos = ()) -> None:
    """Make random weights answer with embeddings that tell photos apart."""
    settle(network, network.size, photos)


def read_state(path: Path, network: TimmEmbedder) -> dict[str, Tensor]:
    """Weights of a file of timm's, of the model's first authors' or of a training run around it; a classifier is left out.

    Position embeddings of another input size are resampled, as timm does; nothing else changes its shape.
    """
    heads = MARGIN_HEADS if network.model.num_classes else (*CLASSIFIERS, *MARGIN_HEADS)
    state = to_timm_keys(read_unwrapped(path, ("backbone.",), heads), network.model)
    return {f"model.{key}": value for key, value in state.items()}


class TimmEmbedder(nn.Module):
    """image float32 [B, 3, S, S] (RGB, normalised) -> embedding float32 [B, D], not normalised; timm's own keys behind `model.`."""

    def __init__(self, architecture: str, size: int, outputs: int) -> None:
        super().__init__()
        self.size = size
        self.model = create(architecture, size, outputs)

    def forward(self, image: Tensor) -> Tensor:  # noqa: D102
        return self.model(image)


def create(architecture: str, size: int, outputs: int = 0) -> nn.Module:
    """A model of timm with random weights.

    Args:
        architecture: timm's name, with or without the tag of its weights.
        size: pixels per side of the input.
        outputs: 0 for the pooled features, else the width of the classifier or projection that is kept.

    Raises:
        UsageError: timm is not here, has no such model, or cannot build it for this size.
    """
    timm = import_timm()
    configuration = _configuration(timm, architecture)
    options = {"img_size": size} if configuration is not None and configuration.fixed_input_size else {}
    try:
        model: nn.Module = timm.create_model(architecture, pretrained=False, num_classes=outputs, **options)
    except (AssertionError, RuntimeError, TypeError, ValueError) as error:
        raise UsageError(
            f"{architecture}: timm cannot build it for {size} px ({error}).", "Leave out the size to take its own."
        ) from error
    patch = getattr(getattr(model, "patch_embed", None), "patch_size", None)
    if patch is not None and size % patch[0]:
        raise UsageError(f"{architecture}: size is {size}.", f"Give a multiple of {patch[0]}.")
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.AdaptiveAvgPool2d) and child.output_size in (1, (1, 1)):
                setattr(parent, name, _GlobalMean())
    return model


class _GlobalMean(nn.Module):
    """x [B, C, H, W] -> [B, C, 1, 1]: what adaptive pooling to one place gives, which is exported as a Gather with computed indices
    where the layer before it leaves its channels last.
    """

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3), keepdim=True)


def to_timm_keys(state: Mapping[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """`state` in timm's present layout of `model`, by timm's own reader of the layouts that this model has had."""
    convert = getattr(sys.modules[type(model).__module__], "checkpoint_filter_fn", None)
    if convert is None:
        return dict(state)
    try:
        converted: dict[str, Tensor] = convert(dict(state), model)
    except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError):
        return dict(state)  # of another network: its keys are named when this one is filled
    return {key: state[key] if key in state and key.endswith(_NOT_RESAMPLED) else value for key, value in converted.items()}


@functools.lru_cache
def facts(architecture: str) -> Facts:
    """What timm says about a model; its weights are not made.

    Raises:
        UsageError: timm is not here, has no such model, or its input is not square.
    """
    timm = import_timm()
    configuration = _configuration(timm, architecture)
    if configuration is None:
        raise UsageError(f"timm says nothing about the input of {architecture!r}.", "Choose a model with published weights.")
    height, width = configuration.input_size[1:]
    if height != width:
        raise UsageError(f"timm:{architecture} takes {width} x {height} px.", "Choose a model with a square input.")
    with torch.device("meta"):
        network = timm.create_model(architecture, pretrained=False, num_classes=0)
    repository, file = configuration.hf_hub_id, configuration.hf_hub_filename or "model.safetensors"
    return Facts(
        size=height,
        dimension=getattr(network, "head_hidden_size", None) or network.num_features,
        mean=tuple(configuration.mean),
        std=tuple(configuration.std),
        licence=configuration.license or "",
        file=f"{repository}/{file}" if repository else "",
    )


def import_timm() -> ModuleType:
    """Timm; its backbones need no torchvision, so one that is missing or does not fit torch is no hindrance.

    Raises:
        UsageError: timm, or what its backbones need, is missing.
    """
    try:
        import timm
    except Exception as error:  # a torchvision built for another torch fails while it is loaded, in more than one way
        if isinstance(error, ModuleNotFoundError) and error.name == "timm":
            raise UsageError("This network needs timm, which is not installed.", install_command("timm")) from error
        forget("timm")
        try:
            with without_torchvision():
                import timm
        except ImportError as missing:
            raise UsageError(f"This network needs {missing.name}, which is not installed.", install_command("timm")) from missing
    return timm


def _configuration(timm: ModuleType, architecture: str) -> Any:
    """What timm has registered for a model and its weights; None for a model without weights."""
    name = architecture.partition(".")[0]
    if not timm.is_model(name):
        near = similar(name, timm.list_models())
        offered = f"Did you mean {' or '.join(f'timm:{model}' for model in near)}?" if near else "See timm.list_models()."
        raise UsageError(f"timm has no model named {name!r}.", offered)
    try:
        return timm.get_pretrained_cfg(architecture)
    except RuntimeError as error:
        tags = ", ".join(known.partition(".")[2] for known in timm.list_pretrained(f"{name}.*"))
        raise UsageError(f"timm has no weights named {architecture!r}.", f"Those of {name}: {tags or 'none'}.") from error
