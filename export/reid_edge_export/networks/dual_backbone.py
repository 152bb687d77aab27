"""The dual backbone: MegaDescriptor-L-384 and MiewID, a batch norm behind each, concatenated (AnimalCLEF 2025, second place,
"Meta-Algorithm for Open-Set Animal Re-ID", section 3.6).

One image serves both. It comes at MiewID's size and with ImageNet's mean and standard deviation, which both were fine-tuned with;
for MegaDescriptor the graph shrinks it to 384 pixels, bilinearly and without antialiasing, which at a factor of 384 / 440
changes little.

Keys: `megadescriptor.*` (timm's Swin, in its former or present layout), `miewid.*` (as in miewid.py), `megadescriptor_bn.*` and
`miewid_bn.*`. The class centres of the margin loss, `arcface.*` or `final.*`, are left out.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reid_edge_export.networks import miewid, timm_backbone
from reid_edge_export.networks.checkpoint_keys import CLASSIFIERS, MARGIN_HEADS, read_unwrapped
from reid_edge_export.networks.conditioning import Photos, settle

_HEADS = (*MARGIN_HEADS, "miewid.final.", "miewid.backbone.classifier.", *(f"megadescriptor.{head}" for head in CLASSIFIERS))


def build(architecture: str, shrunk: int, size: int) -> nn.Module:
    """The network with random weights: timm's `architecture` at `shrunk` pixels per side beside MiewID at `size`."""
    return DualBackbone(architecture, shrunk, size)


def condition(network: DualBackbone, photos: Photos = ()) -> None:
    """Make random weights answer with embeddings that tell photos apart."""
    settle(network, network.miewid.size, photos)


def read_state(path: Path, network: nn.Module) -> dict[str, Tensor]:
    """Weights of a training run, without the class centres."""
    state = read_unwrapped(path, (), _HEADS)
    parts: dict[str, dict[str, Tensor]] = {"": {}, "megadescriptor.": {}, "miewid.": {}}
    for key, value in state.items():
        part = next((name for name in ("megadescriptor.", "miewid.") if key.startswith(name)), "")
        parts[part][key.removeprefix(part)] = value
    parts["megadescriptor."] = timm_backbone.to_timm_keys(parts["megadescriptor."], network.megadescriptor)
    parts["miewid."] = miewid.own_keys(parts["miewid."])
    return {f"{part}{key}": value for part, values in parts.items() for key, value in values.items()}


class DualBackbone(nn.Module):
    """image float32 [B, 3, S, S] (RGB, ImageNet's mean and deviation) -> embedding float32 [B, D1 + 2152], not normalised."""

    def __init__(self, architecture: str, shrunk: int, size: int) -> None:
        super().__init__()
        self.shrunk = shrunk
        self.megadescriptor = timm_backbone.create(architecture, shrunk)
        self.miewid = miewid.build(size)
        self.megadescriptor_bn = nn.BatchNorm1d(self.megadescriptor.num_features)
        self.miewid_bn = nn.BatchNorm1d(miewid.DIMENSION)

    def forward(self, image: Tensor) -> Tensor:  # noqa: D102
        small = F.interpolate(image, (self.shrunk, self.shrunk), mode="bilinear", align_corners=False)
        parts = (self.megadescriptor_bn(self.megadescriptor(small)), self.miewid_bn(self.miewid(image)))
        return torch.cat(parts, 1)
