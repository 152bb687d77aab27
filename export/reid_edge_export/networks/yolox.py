"""YOLOX-Nano, a detector of COCO's classes whose boxes are decoded in the graph, written from its published description (Ge et al., 2021,
"YOLOX: Exceeding YOLO Series in 2021").

The batch norms are folded into the convolutions, as in the published ONNX file, and modules stand in the order of its graph.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reid_edge.errors import UsageError
from reid_edge_export.weights import read_onnx_convolutions

_STRIDES = (8, 16, 32)  # pixels of the input per cell of the three maps that answer
_CLASSES = 80
_GREY = 114.0  # what the authors fill a letterbox with; photos come with it subtracted, so that the filling is 0
_HEAD = 64


def build(size: int) -> nn.Module:
    """The network with random weights.

    Raises:
        UsageError: `size` is not a multiple of 32.
    """
    if size % _STRIDES[-1]:
        raise UsageError(f"YOLOX: size is {size}.", f"Give a multiple of {_STRIDES[-1]}.")
    return Yolox(size)


def condition(network: Yolox) -> None:
    """Make random weights answer differently at different places: every convolution gives mean 0 and deviation 1 on noise."""

    def even_out(convolution: nn.Conv2d, _: tuple[Tensor], out: Tensor) -> Tensor:
        mean, gain = out.mean(), 1.0 / out.std()
        convolution.weight.mul_(gain)
        convolution.bias.copy_((convolution.bias - mean) * gain)
        return (out - mean) * gain

    hooks = [module.register_forward_hook(even_out) for module in network.modules() if isinstance(module, nn.Conv2d)]
    grain = torch.randn(1, 3, network.size // 8, network.size // 8)  # the contrast and the grain of a photo
    network(50 * F.interpolate(grain, scale_factor=8.0, mode="bilinear"))
    for hook in hooks:
        hook.remove()


def read_state(path: Path, network: nn.Module) -> dict[str, Tensor]:
    """Weights of the published ONNX file, whose network takes blue, green and red."""
    state = read_onnx_convolutions(path, [name for name, module in network.named_modules() if isinstance(module, nn.Conv2d)])
    weight = state["stem.conv.weight"]
    state["stem.conv.weight"] = weight.unflatten(1, (4, 3)).flip(2).flatten(1, 2)
    return state


class Yolox(nn.Module):
    """image float32 [B, 3, S, S] (RGB, 0 to 255 less 114, letterboxed) -> boxes and scores, before suppression.

    boxes float32 [B, N, 4], (x0, y0, x1, y1) in pixels of the input, one for each of the N cells of three maps; scores [B, N, 80], 0 to 1.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        self.stem = _Conv(12, 16, 3)
        self.dark2 = nn.Sequential(_Separable(16, 32, 2), _Stage(32, 32, 1))
        self.dark3 = nn.Sequential(_Separable(32, 64, 2), _Stage(64, 64, 3))
        self.dark4 = nn.Sequential(_Separable(64, 128, 2), _Stage(128, 128, 3))
        self.dark5 = nn.Sequential(_Separable(128, 256, 2), _Pyramid(256), _Stage(256, 256, 1, False))
        self.lateral, self.p4 = _Conv(256, 128), _Stage(256, 128, 1, False)
        self.reduce, self.p3 = _Conv(128, 64), _Stage(128, 64, 1, False)
        self.down3, self.n3 = _Separable(64, 64, 2), _Stage(128, 128, 1, False)
        self.down4, self.n4 = _Separable(128, 128, 2), _Stage(256, 256, 1, False)
        self.heads = nn.ModuleList(_Head(channels) for channels in (64, 128, 256))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:  # noqa: D102
        pixels = image + _GREY
        parts = [pixels[:, :, row::2, column::2] for column in (0, 1) for row in (0, 1)]
        eighth = self.dark3(self.dark2(self.stem(torch.cat(parts, 1))))
        sixteenth = self.dark4(eighth)
        top = self.lateral(self.dark5(sixteenth))
        middle = self.reduce(self.p4(torch.cat((_enlarged(top), sixteenth), 1)))
        fine = self.p3(torch.cat((_enlarged(middle), eighth), 1))
        middle = self.n3(torch.cat((self.down3(fine), middle), 1))
        coarse = self.n4(torch.cat((self.down4(middle), top), 1))
        answers = [head(x, stride) for head, x, stride in zip(self.heads, (fine, middle, coarse), _STRIDES, strict=True)]
        boxes, scores = zip(*answers, strict=True)
        return torch.cat(boxes, 1), torch.cat(scores, 1)


class _Conv(nn.Module):
    """A convolution with its batch norm folded in, then SiLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups)

    def forward(self, x: Tensor) -> Tensor:
        return F.silu(self.conv(x))


class _Separable(nn.Sequential):
    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__(_Conv(inputs, inputs, 3, stride, inputs), _Conv(inputs, outputs))


class _Bottleneck(nn.Module):
    def __init__(self, channels: int, added: bool) -> None:
        super().__init__()
        self.body, self.added = nn.Sequential(_Conv(channels, channels), _Separable(channels, channels)), added

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x) if self.added else self.body(x)


class _Stage(nn.Module):
    """A chain of bottlenecks on half of the channels, beside a convolution to the other half."""

    def __init__(self, inputs: int, outputs: int, repeats: int, added: bool = True) -> None:
        super().__init__()
        half = outputs // 2
        self.one, self.other = _Conv(inputs, half), _Conv(inputs, half)
        self.chain = nn.Sequential(*(_Bottleneck(half, added) for _ in range(repeats)))
        self.joined = _Conv(2 * half, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.joined(torch.cat((self.chain(self.one(x)), self.other(x)), 1))


class _Pyramid(nn.Module):
    """The map beside its maxima over 5, 9 and 13 cells."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.joined = _Conv(channels, channels // 2), _Conv(2 * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        return self.joined(torch.cat((x, *(F.max_pool2d(x, side, 1, side // 2) for side in (5, 9, 13))), 1))


class _Head(nn.Module):
    """Boxes [B, h w, 4] in pixels of the input and scores [B, h w, 80] of one map."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.stem = _Conv(channels, _HEAD)
        self.classing, self.classes = (
            nn.Sequential(_Separable(_HEAD, _HEAD), _Separable(_HEAD, _HEAD)),
            nn.Conv2d(_HEAD, _CLASSES, 1),
        )
        self.placing, self.places = nn.Sequential(_Separable(_HEAD, _HEAD), _Separable(_HEAD, _HEAD)), nn.Conv2d(_HEAD, 4, 1)
        self.anything = nn.Conv2d(_HEAD, 1, 1)

    def forward(self, x: Tensor, stride: int) -> tuple[Tensor, Tensor]:
        x = self.stem(x)
        classes, placed = self.classes(self.classing(x)), self.placing(x)
        place, anything = self.places(placed), self.anything(placed)
        scores = (torch.sigmoid(classes) * torch.sigmoid(anything)).flatten(2).transpose(1, 2)
        height, width = x.shape[2:]
        rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        cells = torch.stack((columns, rows)).to(x.dtype)
        middles, halves = (place[:, :2] + cells) * stride, torch.exp(place[:, 2:]) * (stride / 2)
        return torch.cat((middles - halves, middles + halves), 1).flatten(2).transpose(1, 2), scores


def _enlarged(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="nearest")
