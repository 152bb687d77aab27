"""SuperPoint keypoints and descriptors, detection and sampling in the graph (DeTone et al., CVPR workshops 2018).

Modules carry the official names. Suppression and sampling are those of the release with SuperGlue, on which matchers are trained,
with a detection threshold of 0.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reid_edge_export.peaks import check_options, strongest, survives_suppression, without_border
from reid_edge_export.weights import read_checkpoint

_CELL = 8  # pixels per side of one cell of the maps
_DESCRIPTOR = 256
_RADIUS = 4  # pixels: of the suppression
_BORDER = 4  # pixels along each side without keypoints
_NORM_FLOOR = 1e-4  # smallest norm divided by; lies within the range of float16
# (name, channels in and out) of the encoder; the first layers of the stages 2 to 4 see a map of half the size.
_ENCODER = (
    *(("conv1a", 1, 64), ("conv1b", 64, 64), ("conv2a", 64, 64), ("conv2b", 64, 64)),
    *(("conv3a", 64, 128), ("conv3b", 128, 128), ("conv4a", 128, 128), ("conv4b", 128, 128)),
)


def build(keypoints: int, size: int) -> nn.Module:
    """The network with random weights and `keypoints` slots; the graph takes any size, `size` is what photos are brought to."""
    check_options("superpoint", keypoints, size)
    return SuperPoint(keypoints)


def read_state(path: Path, network: nn.Module) -> dict[str, Tensor]:
    """Weights of the official checkpoint."""
    return read_checkpoint(path)


class SuperPoint(nn.Module):
    """image [B, 1, H, W] (grey, 0 to 1; H and W multiples of 32), mask [B, 1, H, W] (above 0.5: keypoints allowed), float32.

    Gives keypoints float32 [B, K, 2] (x, y pixels of the image), scores float32 [B, K] in falling order (0 or less: empty slot)
    and descriptors float32 [B, K, 256] of norm 1.
    """

    def __init__(self, keypoints: int) -> None:
        super().__init__()
        self.keypoints = keypoints
        for name, inputs, outputs in (*_ENCODER, ("convPa", 128, 256), ("convDa", 128, 256)):
            self.add_module(name, nn.Conv2d(inputs, outputs, 3, padding=1))
        self.convPb, self.convDb = nn.Conv2d(256, _CELL**2 + 1, 1), nn.Conv2d(256, _DESCRIPTOR, 1)

    def forward(self, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:  # noqa: D102
        x = image
        for name, _, _ in _ENCODER:
            x = F.relu(self.get_submodule(name)(F.max_pool2d(x, 2) if name in ("conv2a", "conv3a", "conv4a") else x))
        logits = self.convPb(F.relu(self.convPa(x)))  # per cell its 64 pixels and "no keypoint here"
        heat = F.pixel_shuffle(F.softmax(logits, 1)[:, : _CELL**2], _CELL)
        allowed = survives_suppression(heat, _RADIUS) & (mask > 0.5)
        scores, _, keypoints = strongest(without_border(heat * allowed.to(heat.dtype), _BORDER), self.keypoints)
        features = F.normalize(self.convDb(F.relu(self.convDa(x))), dim=1, eps=_NORM_FLOOR)
        sampled = F.grid_sample(features, _grid(keypoints, image), mode="bilinear", align_corners=True)
        return keypoints, scores, F.normalize(sampled.squeeze(3).transpose(1, 2), dim=2, eps=_NORM_FLOOR)


def _grid(keypoints: Tensor, image: Tensor) -> Tensor:
    """Keypoints [B, K, 2] on the grid of the cells [B, K, 1, 2], laid out as the original does: 1 lies beyond the last cell."""
    height, width = image.shape[2:]
    first, last = _CELL / 2 - 0.5, _CELL / 2 + 0.5
    x, y = (keypoints[..., 0] - first) / (width - last), (keypoints[..., 1] - first) / (height - last)
    return (2 * torch.stack((x, y), 2) - 1).unsqueeze(2)
