"""XFeat keypoints and descriptors with detection, suppression and sampling in the graph (Potje et al., CVPR 2024).

Modules carry the official names. Differences from the original are of form only: the number of keypoints K is fixed and a
non-positive score marks an empty slot, where the original returns lists of different lengths.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reid_edge_export.peaks import check_options
from reid_edge_export.weights import read_checkpoint

_CELL = 8  # pixels per side of one cell of the feature map
_SUPPRESSION = 5  # pixels per side of the window in which only the largest heat survives
_NORM_FLOOR = 1e-4  # smallest norm divided by; lies within the range of float16


def build(keypoints: int, size: int) -> nn.Module:
    """The network with random weights and `keypoints` slots; the graph takes any size, `size` is what photos are brought to."""
    check_options("xfeat", keypoints, size)
    return XFeat(keypoints)


def read_state(path: Path, network: nn.Module) -> dict[str, Tensor]:
    """Weights of an official checkpoint without the fine matcher, which only the semi-dense mode uses."""
    return {key: value for key, value in read_checkpoint(path).items() if not key.startswith("fine_matcher.")}


class XFeat(nn.Module):
    """image [B, 1, H, W] (grey, 0 to 1; H and W multiples of 32), mask [B, 1, H, W] (above 0.5: keypoints allowed), float32.

    Gives keypoints float32 [B, K, 2] (x, y pixels of the image), scores float32 [B, K] in falling order (0 or less: empty slot)
    and descriptors float32 [B, K, 64] of norm 1.
    """

    def __init__(self, keypoints: int) -> None:
        super().__init__()
        self.keypoints = keypoints
        self.norm = nn.InstanceNorm2d(1)
        self.skip1 = nn.Sequential(nn.AvgPool2d(4, stride=4), nn.Conv2d(1, 24, 1))
        self.block1 = nn.Sequential(_Layer(1, 4), _Layer(4, 8, stride=2), _Layer(8, 8), _Layer(8, 24, stride=2))
        self.block2 = nn.Sequential(_Layer(24, 24), _Layer(24, 24))
        self.block3 = nn.Sequential(_Layer(24, 64, stride=2), _Layer(64, 64), _Layer(64, 64, 1))
        self.block4 = nn.Sequential(_Layer(64, 64, stride=2), _Layer(64, 64), _Layer(64, 64))
        self.block5 = nn.Sequential(_Layer(64, 128, stride=2), _Layer(128, 128), _Layer(128, 128), _Layer(128, 64, 1))
        self.block_fusion = nn.Sequential(_Layer(64, 64), _Layer(64, 64), nn.Conv2d(64, 64, 1))
        self.heatmap_head = nn.Sequential(_Layer(64, 64, 1), _Layer(64, 64, 1), nn.Conv2d(64, 1, 1), nn.Sigmoid())
        self.keypoint_head = nn.Sequential(_Layer(64, 64, 1), _Layer(64, 64, 1), _Layer(64, 64, 1), nn.Conv2d(64, 65, 1))

    def forward(self, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:  # noqa: D102
        height, width = image.shape[2:]
        features, logits, reliability = self._backbone(self.norm(image))

        heat = F.pixel_shuffle(F.softmax(logits, 1)[:, : _CELL**2], _CELL)
        peak = heat == F.max_pool2d(heat, _SUPPRESSION, stride=1, padding=_SUPPRESSION // 2)
        score = heat * _enlarge(reliability, height, width) * (peak & (mask > 0.5)).to(heat.dtype)
        # The original samples the heat with a grid that puts the last row and column outside the map, where it reads 0.
        score = F.pad(score[:, :, :-1, :-1], (0, 1, 0, 1))

        scores, index = score.flatten(1).topk(self.keypoints, dim=1)
        position = index.to(image.dtype)  # exact: below 2**24 pixels
        row = torch.floor((position + 0.5) / width)
        keypoints = torch.stack((position - row * width, row), -1)
        extent = torch.stack((torch.full_like(scores, width - 1), torch.full_like(scores, height - 1)), -1)
        grid = (2 * keypoints / extent - 1).unsqueeze(2)
        sampled = F.grid_sample(_unit(features, 1), grid, mode="bicubic", align_corners=False)
        return keypoints, scores, _unit(sampled.squeeze(3).transpose(1, 2), 2)

    def _backbone(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features [B, 64, h, w], keypoint logits [B, 65, h, w] and reliability [B, 1, h, w] in cells of 8 pixels."""
        eighth = self.block3(self.block2(self.block1(x) + self.skip1(x)))
        sixteenth = self.block4(eighth)
        thirtysecond = self.block5(sixteenth)
        features = self.block_fusion(
            eighth
            + F.interpolate(sixteenth, scale_factor=2.0, mode="bilinear", align_corners=False)
            + F.interpolate(thirtysecond, scale_factor=4.0, mode="bilinear", align_corners=False)
        )
        return features, self.keypoint_head(F.pixel_unshuffle(x, _CELL)), self.heatmap_head(features)


class _Layer(nn.Module):
    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> None:
        super().__init__()
        self.layer = nn.Sequential(
            nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False),
            nn.BatchNorm2d(outputs, affine=False),
            nn.ReLU(),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)


def _enlarge(cells: Tensor, height: int, width: int) -> Tensor:
    """Cells [B, 1, h, w] sampled bilinearly at every pixel, on the grid of the original (2x / (W - 1) - 1, zeros outside).

    Bilinear sampling is separable, so two small matrix products do what a GridSample of H x W points would.
    """
    rows, columns = _weights(cells.shape[2], height, cells), _weights(cells.shape[3], width, cells)
    return rows @ cells @ columns.transpose(0, 1)


def _weights(cells: int, pixels: int, like: Tensor) -> Tensor:
    """Interpolation weights [pixels, cells]."""
    at = torch.arange(pixels, device=like.device, dtype=like.dtype) * (cells / (pixels - 1)) - 0.5
    return F.relu(1 - (at[:, None] - torch.arange(cells, device=like.device, dtype=like.dtype)[None]).abs())


def _unit(x: Tensor, axis: int) -> Tensor:
    return F.normalize(x, dim=axis, eps=_NORM_FLOOR)
