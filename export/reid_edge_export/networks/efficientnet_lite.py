"""EfficientNet-Lite 0 to 2 as embedders: the pooled 1280 features before the ImageNet classifier (Tan & Le 2019; Lite: no
squeeze-and-excitation, ReLU6). Modules carry the key layout of efficientnet_lite_pytorch; TensorFlow's SAME padding.
"""

from __future__ import annotations

import math
from pathlib import Path

import torch.nn.functional as F
from torch import Tensor, nn

from reid_edge_export.weights import read_checkpoint

# (repeats, kernel, stride, expansion, output channels) of Lite0; Lite scales all but the first and last stage's repeats.
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
_STEM, _HEAD, _NORM_EPSILON = 32, 1280, 1e-3
_CLASSIFIER = ("_fc.weight", "_fc.bias")


def build(width: float, depth: float, size: int, pool: str) -> nn.Module:
    """The network with random weights; `pool` is "mean" or "gem" (p = 3)."""
    return EfficientNetLite(width, depth, size, pool)


def read_state(path: Path, network: nn.Module) -> dict[str, Tensor]:
    """Weights of an official checkpoint without the ImageNet classifier."""
    return {key: value for key, value in read_checkpoint(path).items() if key not in _CLASSIFIER}


class EfficientNetLite(nn.Module):
    """image float32 [B, 3, S, S] (RGB, 0..255 minus 127, over 128) -> embedding float32 [B, 1280], not normalised."""

    def __init__(self, width: float, depth: float, size: int, pool: str) -> None:
        super().__init__()
        self.pool = pool
        self._conv_stem = _SameConv(3, _STEM, 3, 2, size)
        self._bn0 = nn.BatchNorm2d(_STEM, eps=_NORM_EPSILON)
        self._blocks = nn.ModuleList()
        size, inputs = math.ceil(size / 2), _STEM
        for index, (repeats, kernel, stride, expansion, channels) in enumerate(_STAGES):
            scaled = repeats if index in (0, len(_STAGES) - 1) else math.ceil(depth * repeats)
            outputs = _round_to_eight(width * channels)
            for repeat in range(scaled):
                step = stride if repeat == 0 else 1
                self._blocks.append(_InvertedResidual(inputs, outputs, kernel, step, expansion, size))
                size, inputs = math.ceil(size / step), outputs
        self._conv_head = nn.Conv2d(inputs, _HEAD, 1, bias=False)
        self._bn1 = nn.BatchNorm2d(_HEAD, eps=_NORM_EPSILON)

    def forward(self, image: Tensor) -> Tensor:  # noqa: D102
        x = F.relu6(self._bn0(self._conv_stem(image)))
        for block in self._blocks:
            x = block(x)
        x = F.relu6(self._bn1(self._conv_head(x)))
        if self.pool == "gem":
            return (x * x * x).mean((2, 3)).clamp(min=1e-4).pow(1 / 3)
        return x.mean((2, 3))


class _SameConv(nn.Conv2d):
    """A convolution padded as TensorFlow's SAME for one fixed input size: the odd pixel goes right and below."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, size: int, groups: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, stride, groups=groups, bias=False)
        total = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
        self.same = (total // 2, total - total // 2)

    def forward(self, x: Tensor) -> Tensor:
        before, after = self.same
        if before == after:
            return F.conv2d(x, self.weight, None, self.stride, before, 1, self.groups)
        return super().forward(F.pad(x, (before, after, before, after)))


class _InvertedResidual(nn.Module):
    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int, size: int) -> None:
        super().__init__()
        middle = inputs * expansion
        self.expand, self.skip = expansion != 1, stride == 1 and inputs == outputs
        if self.expand:
            self._expand_conv = nn.Conv2d(inputs, middle, 1, bias=False)
            self._bn0 = nn.BatchNorm2d(middle, eps=_NORM_EPSILON)
        self._depthwise_conv = _SameConv(middle, middle, kernel, stride, size, groups=middle)
        self._bn1 = nn.BatchNorm2d(middle, eps=_NORM_EPSILON)
        self._project_conv = nn.Conv2d(middle, outputs, 1, bias=False)
        self._bn2 = nn.BatchNorm2d(outputs, eps=_NORM_EPSILON)

    def forward(self, entry: Tensor) -> Tensor:
        x = F.relu6(self._bn0(self._expand_conv(entry))) if self.expand else entry
        x = F.relu6(self._bn1(self._depthwise_conv(x)))
        x = self._bn2(self._project_conv(x))
        return x + entry if self.skip else x


def _round_to_eight(channels: float) -> int:
    """Scaled channels as a multiple of 8 that is not more than 10 % below (TensorFlow's round_filters)."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded
