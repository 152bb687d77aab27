"""MiewID, the embedder of Wildbook: EfficientNetV2-M features, generalised mean pooling, batch norm (Otarashvili et al. 2024,
"Multispecies Animal Re-ID Using a Large Community-Curated Dataset"). Written here, so that no code of a model hub is run.

Keys are those of the published model.safetensors: `backbone.*` (timm), `backbone.global_pool.p`, `bn.*`; its `final.*`, the head of
its training, is left out. Checkpoints of the training code call the pooling `pooling.p`.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from reid_edge_export.networks import timm_backbone
from reid_edge_export.networks.checkpoint_keys import MARGIN_HEADS, read_unwrapped
from reid_edge_export.networks.conditioning import Photos, settle

DIMENSION = 2152
_FLOOR = 1e-6  # smallest activation that is pooled, as in the original
_POOLING = "backbone.global_pool.p"


def build(size: int) -> nn.Module:
    """The network with random weights, for photos of `size` pixels per side."""
    return MiewID(size)


def condition(network: MiewID, photos: Photos = ()) -> None:
    """Make random weights answer with embeddings that tell photos apart."""
    settle(network, network.size, photos)


def read_state(path: Path, network: nn.Module) -> dict[str, Tensor]:
    """Weights of the published file or of a checkpoint of the training code, without the head."""
    return own_keys(read_unwrapped(path, (), (*MARGIN_HEADS, "backbone.classifier.")))


def own_keys(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """`state` with the pooling's exponent under the key of the published file."""
    return {_POOLING if key in ("pooling.p", "global_pool.p") else key: value for key, value in state.items()}


class MiewID(nn.Module):
    """image float32 [B, 3, S, S] (RGB, normalised) -> embedding float32 [B, 2152], not normalised."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        self.backbone = timm_backbone.create("efficientnetv2_rw_m", size)
        self.backbone.global_pool = GeneralisedMean()
        self.bn = nn.BatchNorm1d(DIMENSION)

    def forward(self, image: Tensor) -> Tensor:  # noqa: D102
        return self.bn(self.backbone(image))


class GeneralisedMean(nn.Module):
    """x float32 [B, C, H, W] -> float32 [B, C], the mean of x**p over the places, to the power of 1/p (Radenović et al. 2018)."""

    def __init__(self) -> None:
        super().__init__()
        self.p = nn.Parameter(torch.full((1,), 3.0))

    def forward(self, x: Tensor) -> Tensor:  # noqa: D102
        return x.clamp(min=_FLOOR).pow(self.p).mean((2, 3)).pow(1 / self.p)
