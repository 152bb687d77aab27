"""A backbone with an embedding trained by ArcFace (Deng et al., CVPR 2019): pooled features -> linear -> batch norm.

Keys: `backbone.*` (timm's; for ResNet-50 also torchvision's), `embedding.weight`, `embedding.bias` (a linear layer without one counts
as 0) and `bn.*`. The class centres of the margin loss, `arcface.*`, `final.*` or `head.*`, are left out.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from reid_edge_export.networks import timm_backbone
from reid_edge_export.networks.checkpoint_keys import CLASSIFIERS, MARGIN_HEADS, read_unwrapped
from reid_edge_export.networks.conditioning import Photos, settle

_HEADS = (*MARGIN_HEADS, *CLASSIFIERS, *(f"backbone.{head}" for head in CLASSIFIERS))


def build(architecture: str, dimension: int, size: int) -> nn.Module:
    """The network with random weights: timm's `architecture` with an embedding of `dimension`."""
    return ArcFaceEmbedder(architecture, dimension, size)


def condition(network: ArcFaceEmbedder, photos: Photos = ()) -> None:
    """Make random weights answer with embeddings that tell photos apart."""
    settle(network, network.size, photos)


def read_state(path: Path, network: nn.Module) -> dict[str, Tensor]:
    """Weights of a training run, without the class centres."""
    state = read_unwrapped(path, (), _HEADS)
    if "embedding.weight" in state:
        state.setdefault("embedding.bias", torch.zeros(len(state["embedding.weight"])))
    return state


class ArcFaceEmbedder(nn.Module):
    """image float32 [B, 3, S, S] (RGB, normalised) -> embedding float32 [B, D], not normalised."""

    def __init__(self, architecture: str, dimension: int, size: int) -> None:
        super().__init__()
        self.size = size
        self.backbone = timm_backbone.create(architecture, size)
        self.embedding = nn.Linear(self.backbone.num_features, dimension)
        self.bn = nn.BatchNorm1d(dimension)

    def forward(self, image: Tensor) -> Tensor:  # noqa: D102
        return self.bn(self.embedding(self.backbone(image)))
