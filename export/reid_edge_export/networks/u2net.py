"""U2-Net-p: the foreground animal as a saliency map (Qin et al. 2020, "U2-Net", Pattern Recognition 106, small variant).

Modules carry the official names. The batch norms are already folded into the convolutions, because the weights that can be
had come as an ONNX file in which they are.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reid_edge.errors import UsageError
from reid_edge_export.weights import read_onnx_convolutions

# (name, depth, output channels of the stage); depth 0 is the dilated block at the bottom of the U.
_ENCODER = (("stage1", 7, 3), ("stage2", 6, 64), ("stage3", 5, 64), ("stage4", 4, 64), ("stage5", 0, 64), ("stage6", 0, 64))
_DECODER = (("stage5d", 0, 128), ("stage4d", 4, 128), ("stage3d", 5, 128), ("stage2d", 6, 128), ("stage1d", 7, 128))
_MIDDLE, _WIDTH = 16, 64


def build(size: int) -> nn.Module:
    """The network with random weights; it fits every `size` that is a multiple of 32."""
    if size % 32:
        raise UsageError(f"u2netp: size is {size}.", "Give a multiple of 32.")
    return U2NetP()


def read_state(path: Path, network: nn.Module) -> dict[str, Tensor]:
    """Weights of the published ONNX file: its convolutions in graph order are those of `network` in definition order."""
    names = [name for name, module in network.named_modules() if isinstance(module, nn.Conv2d)]
    return read_onnx_convolutions(path, names)


class U2NetP(nn.Module):
    """image float32 [B, 3, S, S] (RGB, ImageNet mean and std; S a multiple of 32) -> saliency float32 [B, 1, S, S], 0 to 1."""

    def __init__(self) -> None:
        super().__init__()
        for name, depth, channels in (*_ENCODER, *_DECODER):
            self.add_module(name, _ResidualU(depth, channels) if depth else _DilatedResidualU(channels))
        for side in range(1, 7):
            self.add_module(f"side{side}", nn.Conv2d(_WIDTH, 1, 3, padding=1))
        self.outconv = nn.Conv2d(6, 1, 1)

    def forward(self, image: Tensor) -> Tensor:  # noqa: D102
        stages: list[Tensor] = []
        x = image
        for name, _, _ in _ENCODER:
            x = self.get_submodule(name)(_halve(x) if stages else x)
            stages.append(x)
        maps = [x]
        for (name, _, _), skip in zip(_DECODER, reversed(stages[:-1]), strict=True):
            x = self.get_submodule(name)(torch.cat((_enlarge(x, skip), skip), 1))
            maps.append(x)
        sides = [self.get_submodule(f"side{side}")(x) for side, x in enumerate(reversed(maps), 1)]
        return torch.sigmoid(self.outconv(torch.cat([_enlarge(side, sides[0]) for side in sides], 1)))


class _ConvRelu(nn.Module):
    def __init__(self, inputs: int, outputs: int, dilation: int = 1) -> None:
        super().__init__()
        self.conv_s1 = nn.Conv2d(inputs, outputs, 3, padding=dilation, dilation=dilation)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.conv_s1(x))


class _ResidualU(nn.Module):
    """RSU-L: a U-Net of `depth` levels whose output is added to its input."""

    def __init__(self, depth: int, inputs: int) -> None:
        super().__init__()
        self.depth = depth
        self.rebnconvin = _ConvRelu(inputs, _WIDTH)
        for level in range(1, depth):
            self.add_module(f"rebnconv{level}", _ConvRelu(_WIDTH if level == 1 else _MIDDLE, _MIDDLE))
        self.add_module(f"rebnconv{depth}", _ConvRelu(_MIDDLE, _MIDDLE, dilation=2))
        for level in range(depth - 1, 0, -1):
            self.add_module(f"rebnconv{level}d", _ConvRelu(2 * _MIDDLE, _WIDTH if level == 1 else _MIDDLE))

    def forward(self, x: Tensor) -> Tensor:
        entry = self.rebnconvin(x)
        levels: list[Tensor] = []
        x = entry
        for level in range(1, self.depth):
            x = self.get_submodule(f"rebnconv{level}")(_halve(x) if levels else x)
            levels.append(x)
        x = self.get_submodule(f"rebnconv{self.depth}")(x)
        for level in range(self.depth - 1, 0, -1):
            skip = levels[level - 1]
            x = self.get_submodule(f"rebnconv{level}d")(torch.cat((_enlarge(x, skip), skip), 1))
        return x + entry


class _DilatedResidualU(nn.Module):
    """RSU-4F: dilation in place of pooling, for the smallest maps."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.rebnconvin = _ConvRelu(inputs, _WIDTH)
        self.rebnconv1 = _ConvRelu(_WIDTH, _MIDDLE)
        self.rebnconv2 = _ConvRelu(_MIDDLE, _MIDDLE, dilation=2)
        self.rebnconv3 = _ConvRelu(_MIDDLE, _MIDDLE, dilation=4)
        self.rebnconv4 = _ConvRelu(_MIDDLE, _MIDDLE, dilation=8)
        self.rebnconv3d = _ConvRelu(2 * _MIDDLE, _MIDDLE, dilation=4)
        self.rebnconv2d = _ConvRelu(2 * _MIDDLE, _MIDDLE, dilation=2)
        self.rebnconv1d = _ConvRelu(2 * _MIDDLE, _WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        entry = self.rebnconvin(x)
        first = self.rebnconv1(entry)
        second = self.rebnconv2(first)
        third = self.rebnconv3(second)
        x = self.rebnconv3d(torch.cat((self.rebnconv4(third), third), 1))
        x = self.rebnconv2d(torch.cat((x, second), 1))
        return self.rebnconv1d(torch.cat((x, first), 1)) + entry


def _halve(x: Tensor) -> Tensor:
    return F.max_pool2d(x, 2, stride=2)


def _enlarge(x: Tensor, like: Tensor) -> Tensor:
    """`x` at the size of `like`; every level of a multiple of 32 is an exact half, so the factor is a whole constant."""
    factor = like.shape[2] // x.shape[2]
    return x if factor == 1 else F.interpolate(x, scale_factor=float(factor), mode="bilinear", align_corners=False)
