"""U2-Net and its kin: the foreground animal as a saliency map (Qin et al. 2020, "U2-Net", Pattern Recognition 106; ISNet: Qin
et al., "Highly Accurate Dichotomous Image Segmentation", ECCV 2022).

Modules carry the official names. The batch norms are folded into the convolutions: in the published ONNX files they already
are, and those of a checkpoint are folded when it is read.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reid_edge.errors import UsageError
from reid_edge_export.weights import read_checkpoint, read_onnx_convolutions

# Depth and input, middle and output channels; depth 0 is the dilated block at the bottom of the U.
Stage = tuple[int, int, int, int]
_NORM_EPSILON = 1e-5


def build(encoder: tuple[Stage, ...], decoder: tuple[Stage, ...], stem: int, size: int, finest: int = 1) -> nn.Module:
    """The network with random weights: with `stem` channels, ISNet, which starts at half the size; with 0, U2-Net.

    `finest` is the decoder stage that answers. Each was trained to answer alone (sec. 3.3); the first works at full size, which is more
    than half of all arithmetic, and the second at half the size.
    """
    multiple = 64 if stem else 32
    if size % multiple:
        raise UsageError(f"U2-Net: size is {size}.", f"Give a multiple of {multiple}.")
    if not 1 <= finest <= len(decoder):
        raise UsageError(f"U2-Net: finest is {finest}.", f"Give a stage of the decoder, 1 to {len(decoder)}.")
    return U2Net(encoder, decoder, stem, finest)


def condition(network: U2Net) -> None:
    """Make random weights answer yes and no: no convolution weakens its input, and four fifths of the answers to noise are yes."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            nn.init.zeros_(module.bias)
    last = network.get_submodule(f"side{network.finest}") if network.answers_alone else network.outconv
    # The contrast and the grain of a photo.
    answers = network.logits(F.interpolate(0.2 * torch.randn(1, 3, 32, 32), scale_factor=4.0, mode="bilinear"))
    gain = 2.0 / answers.std()
    last.weight.mul_(gain)
    last.bias.copy_(-gain * answers.quantile(0.2))


def read_state(path: Path, network: nn.Module) -> dict[str, Tensor]:
    """Weights of an official checkpoint, or of a published ONNX file: its convolutions in graph order are `network`'s in turn."""
    if path.suffix == ".onnx":
        return read_onnx_convolutions(path, [name for name, module in network.named_modules() if isinstance(module, nn.Conv2d)])
    return _fold_norms(read_checkpoint(path))


class U2Net(nn.Module):
    """image float32 [B, 3, S, S] (RGB, normalised) -> saliency float32 [B, 1, S, S], 0 to 1."""

    def __init__(self, encoder: tuple[Stage, ...], decoder: tuple[Stage, ...], stem: int, finest: int) -> None:
        super().__init__()
        self.depth, self.stem, self.finest = len(encoder), stem, finest
        self.answers_alone = bool(stem) or finest > 1  # the map of one stage, not the fusion of all maps
        if stem:
            self.conv_in = nn.Conv2d(3, stem, 3, 2, 1)
        names = [f"stage{level}" for level in range(1, self.depth + 1)] + [
            f"stage{level}d" for level in range(self.depth - 1, 0, -1)
        ]
        for name, (depth, *channels) in zip(names, (*encoder, *decoder), strict=True):
            self.add_module(name, _ResidualU(depth, *channels) if depth else _DilatedResidualU(*channels))
        # The maps that answer, finest first: the decoder's, then the bottom's. ISNet has the coarser ones for its training only.
        for side, stage in enumerate((*decoder[::-1], encoder[-1]), 1):
            self.add_module(f"side{side}", nn.Conv2d(stage[-1], 1, 3, padding=1))
        if not stem:
            self.outconv = nn.Conv2d(self.depth, 1, 1)

    def forward(self, image: Tensor) -> Tensor:  # noqa: D102
        return torch.sigmoid(self.logits(image))

    def logits(self, image: Tensor) -> Tensor:
        """The saliency before the sigmoid."""
        x = self.conv_in(image) if self.stem else image
        stages: list[Tensor] = []
        for level in range(1, self.depth + 1):
            x = self.get_submodule(f"stage{level}")(_halve(x) if stages else x)
            stages.append(x)
        maps = [x]
        for level in range(self.depth - 1, self.finest - 1, -1):
            skip = stages[level - 1]
            x = self.get_submodule(f"stage{level}d")(torch.cat((_enlarge(x, skip), skip), 1))
            maps.append(x)
        if self.answers_alone:
            return _enlarge(self.get_submodule(f"side{self.finest}")(x), image)
        sides = [self.get_submodule(f"side{side}")(x) for side, x in enumerate(reversed(maps), 1)]
        return self.outconv(torch.cat([_enlarge(side, sides[0]) for side in sides], 1))


class _ConvRelu(nn.Module):
    def __init__(self, inputs: int, outputs: int, dilation: int = 1) -> None:
        super().__init__()
        self.conv_s1 = nn.Conv2d(inputs, outputs, 3, padding=dilation, dilation=dilation)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.conv_s1(x))


class _ResidualU(nn.Module):
    """RSU-L: a U-Net of `depth` levels whose output is added to its input."""

    def __init__(self, depth: int, inputs: int, middle: int, outputs: int) -> None:
        super().__init__()
        self.depth = depth
        self.rebnconvin = _ConvRelu(inputs, outputs)
        for level in range(1, depth):
            self.add_module(f"rebnconv{level}", _ConvRelu(outputs if level == 1 else middle, middle))
        self.add_module(f"rebnconv{depth}", _ConvRelu(middle, middle, dilation=2))
        for level in range(depth - 1, 0, -1):
            self.add_module(f"rebnconv{level}d", _ConvRelu(2 * middle, outputs if level == 1 else middle))

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

    def __init__(self, inputs: int, middle: int, outputs: int) -> None:
        super().__init__()
        self.rebnconvin = _ConvRelu(inputs, outputs)
        self.rebnconv1 = _ConvRelu(outputs, middle)
        self.rebnconv2 = _ConvRelu(middle, middle, dilation=2)
        self.rebnconv3 = _ConvRelu(middle, middle, dilation=4)
        self.rebnconv4 = _ConvRelu(middle, middle, dilation=8)
        self.rebnconv3d = _ConvRelu(2 * middle, middle, dilation=4)
        self.rebnconv2d = _ConvRelu(2 * middle, middle, dilation=2)
        self.rebnconv1d = _ConvRelu(2 * middle, outputs)

    def forward(self, x: Tensor) -> Tensor:
        entry = self.rebnconvin(x)
        first = self.rebnconv1(entry)
        second = self.rebnconv2(first)
        third = self.rebnconv3(second)
        x = self.rebnconv3d(torch.cat((self.rebnconv4(third), third), 1))
        x = self.rebnconv2d(torch.cat((x, second), 1))
        return self.rebnconv1d(torch.cat((x, first), 1)) + entry


def _fold_norms(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights with every batch norm `bn_s1` folded into the convolution `conv_s1` before it; odd keys stay as they are."""
    folded = {key: value for key, value in state.items() if ".bn_s1." not in key}
    for key in state:
        if not key.endswith(".bn_s1.running_var"):
            continue
        block = key.removesuffix(".bn_s1.running_var")
        parts = [
            f"{block}.{part}" for part in ("conv_s1.weight", "conv_s1.bias", "bn_s1.weight", "bn_s1.bias", "bn_s1.running_mean")
        ]
        if not all(part in state and len(state[part]) == len(state[key]) for part in parts):
            folded[key] = state[key]  # of another network: named when this one is filled
            continue
        weight, bias, gain, shift, mean = (state[part] for part in parts)
        gain = gain / torch.sqrt(state[key] + _NORM_EPSILON)
        folded[parts[0]], folded[parts[1]] = weight * gain[:, None, None, None], (bias - mean) * gain + shift
    return folded


def _halve(x: Tensor) -> Tensor:
    return F.max_pool2d(x, 2, stride=2)


def _enlarge(x: Tensor, like: Tensor) -> Tensor:
    """`x` at the size of `like`; every level is an exact half, so the factor is a whole constant."""
    factor = like.shape[2] // x.shape[2]
    return x if factor == 1 else F.interpolate(x, scale_factor=float(factor), mode="bilinear", align_corners=False)
