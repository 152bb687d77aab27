"""EdgePoint2: few, small convolutions for keypoints at full resolution and compact descriptors (Yao et al., 2025, "EdgePoint2: Compact
Descriptors for Superior Efficiency and Accuracy").

Modules carry the official names. Differences from the original are of form only: the number of keypoints K is fixed and a score of 0 marks
an empty slot; the score of a keypoint is the sigmoid of the network's own, which keeps their order.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reid_edge_export.peaks import check_options, is_largest, strongest, to_grid, without_border
from reid_edge_export.weights import read_checkpoint

_RADIUS, _BORDER = 2, 4  # pixels: only the largest score within the radius is a keypoint, and none is on the border
_LEAST = -5.0  # the authors' least score
_NORM_FLOOR = 1e-4  # smallest norm divided by; lies within the range of float16


def build(widths: tuple[int, int, int, int], dimension: int, detector: int, keypoints: int, size: int) -> nn.Module:
    """The network with random weights; `widths` are the authors' c1 to c4, `detector` their cdetect."""
    check_options("edgepoint2", keypoints, size)
    return EdgePoint2(widths, dimension, detector, keypoints)


def read_state(path: Path, network: nn.Module) -> dict[str, Tensor]:
    """Weights of an official checkpoint."""
    return read_checkpoint(path)


class EdgePoint2(nn.Module):
    """image [B, 1, H, W] (grey, 0 to 1; H and W multiples of 32), mask [B, 1, H, W] (above 0.5: keypoints allowed), float32.

    Gives keypoints float32 [B, K, 2] (x, y pixels of the image), scores float32 [B, K], 0 to 1 in falling order (0: empty slot), and
    descriptors float32 [B, K, D] of norm 1.
    """

    def __init__(self, widths: tuple[int, int, int, int], dimension: int, detector: int, keypoints: int) -> None:
        super().__init__()
        first, second, third, fourth = widths
        together = second + third + fourth
        self.keypoints = keypoints
        self.norm = nn.InstanceNorm2d(1)
        self.block1 = nn.Sequential(_Layer(1, first, 4, 2), _Layer(first, second), _Residual(second, second))
        self.block2, self.block3 = _Residual(second, third), _Residual(third, fourth)
        self.desc_head = nn.Sequential(
            nn.Conv2d(together, together, 1), _Layer(together, together, groups=together // 16), nn.Conv2d(together, dimension, 1)
        )
        self.conv1, self.conv2, self.conv3 = (nn.Conv2d(width, detector, 1) for width in (second, third, fourth))
        self.score_head = nn.Sequential(
            nn.Conv2d(detector, detector, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(detector, detector, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(detector, 4, 3, padding=1),
            nn.PixelShuffle(2),
        )

    def forward(self, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:  # noqa: D102
        descriptors, score = self.maps(image)
        chance = torch.sigmoid(score)
        allowed = is_largest(score, _RADIUS) & (score > _LEAST) & (mask > 0.5)
        scores, _, keypoints = strongest(without_border(chance * allowed.to(chance.dtype), _BORDER), self.keypoints)
        # Descriptors have half the resolution and lie between the pixels' middles as these do.
        sampled = F.grid_sample(descriptors, to_grid(keypoints, image).unsqueeze(2), mode="bilinear", align_corners=False)
        return keypoints, scores, F.normalize(sampled.squeeze(3).transpose(1, 2), dim=2, eps=_NORM_FLOOR)

    def maps(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Descriptors [B, D, H / 4, W / 4] of any length, and scores [B, 1, H, W] of any value."""
        half = self.block1(self.norm(image))
        quarter = F.avg_pool2d(half, 2)
        eighth = self.block2(F.avg_pool2d(quarter, 2))
        thirtysecond = self.block3(F.avg_pool2d(eighth, 4))
        descriptors = self.desc_head(torch.cat((quarter, _enlarged(eighth, 2), _enlarged(thirtysecond, 8)), 1))
        score = self.conv1(half) + _enlarged(self.conv2(eighth), 4) + _enlarged(self.conv3(thirtysecond), 16)
        return descriptors, self.score_head(score)


class _Layer(nn.Module):
    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.layer = nn.Sequential(
            nn.Conv2d(inputs, outputs, kernel, stride, padding=1, groups=groups, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)


class _Residual(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.layer = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.layer(x) + self.skip(x))


def _enlarged(cells: Tensor, factor: int) -> Tensor:
    return F.interpolate(cells, scale_factor=float(factor), mode="bilinear", align_corners=False)
