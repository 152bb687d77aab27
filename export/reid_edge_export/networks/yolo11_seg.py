"""YOLO11-seg, instances as boxes, scores and masks, written from its published description (Ultralytics, 2024).

Modules carry the names of the published weights, `model.N` for step N. The batch norms are folded into the convolutions: in a
published ONNX file they already are, and those of a checkpoint are folded when it is read.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reid_edge.errors import UsageError
from reid_edge_export.ultralytics_weights import read_ultralytics_checkpoint, read_ultralytics_onnx
from reid_edge_export.weights import read_checkpoint

_STRIDES = (8, 16, 32)  # pixels of the input per cell of the three maps that answer
_BINS = 16  # of the distance from a cell's centre to one side of the box, in strides (Li et al., "Generalized Focal Loss", 2020)
_COEFFICIENTS = 32
_HEAD_CHANNELS = 64  # of one attention head
_NORM_EPSILON = 1e-3  # of every published checkpoint


def build(depth: float, width: float, most: int, deep: bool, size: int, classes: int) -> nn.Module:
    """The network with random weights; `depth`, `width` and `most` are the published depth, width and max_channels.

    `deep` says that every C3k2 is of nested blocks, as in the sizes m, l and x.
    """
    if size % _STRIDES[-1]:
        raise UsageError(f"YOLO11-seg: size is {size}.", f"Give a multiple of {_STRIDES[-1]}.")
    return Yolo11Seg(depth, width, most, deep, size, classes)


def condition(network: Yolo11Seg) -> None:
    """Make random weights answer differently at different places: every convolution gives mean 0 and deviation 1 on noise.

    What is added to its own input gives a tenth of that, or rounding errors would grow from block to block.
    """
    branches = [block.cv2.conv for block in network.modules() if isinstance(block, _Bottleneck)]
    for block in network.modules():
        if isinstance(block, _AttentionBlock):
            branches += [block.attn.proj.conv, block.ffn[1].conv]

    def even_out(convolution: nn.Conv2d, _: tuple[Tensor], out: Tensor) -> Tensor:
        mean, gain = out.mean(), (0.1 if convolution in branches else 1.0) / out.std()
        convolution.weight.mul_(gain)
        convolution.bias.copy_((convolution.bias - mean) * gain)
        return (out - mean) * gain

    convolutions = [module for module in network.modules() if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d))]
    hooks = [convolution.register_forward_hook(even_out) for convolution in convolutions]
    # The contrast and the grain of a photo.
    grain = torch.randn(1, 3, network.size // 8, network.size // 8)
    network(0.5 + 0.2 * F.interpolate(grain, scale_factor=8.0, mode="bilinear"))
    for hook in hooks:
        hook.remove()


def read_state(path: Path, network: nn.Module) -> dict[str, Tensor]:
    """Weights of an Ultralytics checkpoint, of a dictionary of its tensors, or of an ONNX file that Ultralytics exported."""
    if path.suffix == ".onnx":
        state = read_ultralytics_onnx(path)
    elif path.suffix == ".pt":
        state = read_ultralytics_checkpoint(path)
    else:
        state = read_checkpoint(path, "state_dict", "model")
    # The whole numbers 0 to 15, the same in every file, are the network's own.
    return {key: value for key, value in _fold_norms(state).items() if not key.endswith(".dfl.conv.weight")}


class Yolo11Seg(nn.Module):
    """image float32 [B, 3, S, S] (RGB, 0 to 1, letterboxed) -> boxes, scores, coefficients and prototypes, before suppression.

    boxes float32 [B, N, 4], (x0, y0, x1, y1) in pixels of the input, one for each of the N cells of three maps; scores
    [B, N, classes], 0 to 1; coefficients [B, N, 32] and prototypes [B, 32, S / 4, S / 4]: the sigmoid of their product is the
    mask of a cell, valid inside its box (Bolya et al., "YOLACT", ICCV 2019).
    """

    def __init__(self, depth: float, width: float, most: int, deep: bool, size: int, classes: int) -> None:
        super().__init__()
        self.size = size
        repeats = max(round(2 * depth), 1)

        def channels(nominal: int) -> int:
            return -(-int(min(nominal, most) * width) // 8) * 8

        c64, c128, c256, c512, c1024 = (channels(nominal) for nominal in (64, 128, 256, 512, 1024))
        self.model = nn.ModuleDict(
            {
                "0": _Conv(3, c64, 3, 2),
                "1": _Conv(c64, c128, 3, 2),
                "2": _C3k2(c128, c256, repeats, deep, 0.25),
                "3": _Conv(c256, c256, 3, 2),
                "4": _C3k2(c256, c512, repeats, deep, 0.25),
                "5": _Conv(c512, c512, 3, 2),
                "6": _C3k2(c512, c512, repeats, True),
                "7": _Conv(c512, c1024, 3, 2),
                "8": _C3k2(c1024, c1024, repeats, True),
                "9": _Pyramid(c1024),
                "10": _C2PSA(c1024, repeats),
                "13": _C3k2(c1024 + c512, c512, repeats, deep),
                "16": _C3k2(2 * c512, c256, repeats, deep),
                "17": _Conv(c256, c256, 3, 2),
                "19": _C3k2(c256 + c512, c512, repeats, deep),
                "20": _Conv(c512, c512, 3, 2),
                "22": _C3k2(c512 + c1024, c1024, repeats, True),
                "23": _Heads((c256, c512, c1024), c256, size, classes),
            }
        )

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:  # noqa: D102
        step = self.model
        x = step["2"](step["1"](step["0"](image)))
        eighth = step["4"](step["3"](x))
        sixteenth = step["6"](step["5"](eighth))
        top = step["10"](step["9"](step["8"](step["7"](sixteenth))))
        middle = step["13"](torch.cat((_enlarge(top), sixteenth), 1))
        fine = step["16"](torch.cat((_enlarge(middle), eighth), 1))
        middle = step["19"](torch.cat((step["17"](fine), middle), 1))
        coarse = step["22"](torch.cat((step["20"](middle), top), 1))
        return step["23"]((fine, middle, coarse))


class _Conv(nn.Module):
    """A convolution with its batch norm folded in, then SiLU or nothing."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1, active: bool = True) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups)
        self.active = active

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        return F.silu(x) if self.active else x


class _Bottleneck(nn.Module):
    def __init__(self, channels: int, middle: int) -> None:
        super().__init__()
        self.cv1, self.cv2 = _Conv(channels, middle, 3), _Conv(middle, channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.cv2(self.cv1(x))


class _C3k(nn.Module):
    """Two bottlenecks on half of the channels, beside a convolution of the other half."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.cv1, self.cv2, self.cv3 = _Conv(channels, half), _Conv(channels, half), _Conv(2 * half, channels)
        self.m = nn.Sequential(_Bottleneck(half, half), _Bottleneck(half, half))

    def forward(self, x: Tensor) -> Tensor:
        return self.cv3(torch.cat((self.m(self.cv1(x)), self.cv2(x)), 1))


class _C3k2(nn.Module):
    """A chain of blocks on a share of the channels; the results of all of them are joined."""

    def __init__(self, inputs: int, outputs: int, repeats: int, nested: bool, share: float = 0.5) -> None:
        super().__init__()
        part = int(outputs * share)
        self.cv1, self.cv2 = _Conv(inputs, 2 * part), _Conv((2 + repeats) * part, outputs)
        self.m = nn.ModuleList(_C3k(part) if nested else _Bottleneck(part, part // 2) for _ in range(repeats))

    def forward(self, x: Tensor) -> Tensor:
        parts = list(self.cv1(x).chunk(2, 1))
        for block in self.m:
            parts.append(block(parts[-1]))
        return self.cv2(torch.cat(parts, 1))


class _Pyramid(nn.Module):
    """SPPF: the map beside its maxima over 5, 9 and 13 cells."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.cv1, self.cv2 = _Conv(channels, half), _Conv(4 * half, channels)

    def forward(self, x: Tensor) -> Tensor:
        levels = [self.cv1(x)]
        for _ in range(3):
            levels.append(F.max_pool2d(levels[-1], 5, 1, 2))
        return self.cv2(torch.cat(levels, 1))


class _C2PSA(nn.Module):
    """Attention over all cells on half of the channels."""

    def __init__(self, channels: int, repeats: int) -> None:
        super().__init__()
        half = channels // 2
        self.cv1, self.cv2 = _Conv(channels, 2 * half), _Conv(2 * half, channels)
        self.m = nn.Sequential(*(_AttentionBlock(half) for _ in range(repeats)))

    def forward(self, x: Tensor) -> Tensor:
        kept, attended = self.cv1(x).chunk(2, 1)
        return self.cv2(torch.cat((kept, self.m(attended)), 1))


class _AttentionBlock(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.attn = _Attention(channels)
        self.ffn = nn.Sequential(_Conv(channels, 2 * channels), _Conv(2 * channels, channels, active=False))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(x)
        return x + self.ffn(x)


class _Attention(nn.Module):
    """Attention between cells; keys have half the channels of values, whose convolution `pe` tells where a cell is."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.heads, self.key = channels // _HEAD_CHANNELS, _HEAD_CHANNELS // 2
        self.qkv = _Conv(channels, 2 * channels, active=False)
        self.proj = _Conv(channels, channels, active=False)
        self.pe = _Conv(channels, channels, 3, groups=channels, active=False)

    def forward(self, x: Tensor) -> Tensor:
        parts = self.qkv(x).flatten(2).unflatten(1, (self.heads, -1))
        q, k, v = parts.split((self.key, self.key, _HEAD_CHANNELS), 2)
        attention = (q.transpose(2, 3) @ k * self.key**-0.5).softmax(3)
        attended = (v @ attention.transpose(2, 3)).flatten(1, 2).unflatten(2, x.shape[2:])
        values = v.flatten(1, 2).unflatten(2, x.shape[2:])
        return self.proj(attended + self.pe(values))


class _Heads(nn.Module):
    """Three maps -> what each of their cells says, and the prototypes that the finest map gives."""

    def __init__(self, inputs: tuple[int, ...], prototypes: int, size: int, classes: int) -> None:
        super().__init__()
        box = max(inputs[0] // 4, 4 * _BINS)
        score = max(inputs[0], min(classes, 100))
        mask = max(inputs[0] // 4, _COEFFICIENTS)
        self.cv2 = nn.ModuleList(
            nn.Sequential(_Conv(channels, box, 3), _Conv(box, box, 3), nn.Conv2d(box, 4 * _BINS, 1)) for channels in inputs
        )
        self.cv3 = nn.ModuleList(
            nn.Sequential(
                nn.Sequential(_Conv(channels, channels, 3, groups=channels), _Conv(channels, score)),
                nn.Sequential(_Conv(score, score, 3, groups=score), _Conv(score, score)),
                nn.Conv2d(score, classes, 1),
            )
            for channels in inputs
        )
        self.cv4 = nn.ModuleList(
            nn.Sequential(_Conv(channels, mask, 3), _Conv(mask, mask, 3), nn.Conv2d(mask, _COEFFICIENTS, 1))
            for channels in inputs
        )
        self.proto = _Prototypes(inputs[0], prototypes)
        centres, strides = _cells(size)
        self.register_buffer("centres", centres, persistent=False)
        self.register_buffer("strides", strides, persistent=False)
        self.register_buffer("bins", torch.arange(_BINS, dtype=torch.float32), persistent=False)

    def forward(self, maps: tuple[Tensor, ...]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        boxes, scores, coefficients = (
            torch.cat([head(x).flatten(2) for head, x in zip(heads, maps, strict=True)], 2).transpose(1, 2)
            for heads in (self.cv2, self.cv3, self.cv4)
        )
        distances = boxes.unflatten(2, (4, _BINS)).softmax(3) @ self.bins  # left, top, right, bottom, in strides
        near, far = distances.split(2, 2)
        corners = torch.cat((self.centres - near, self.centres + far), 2) * self.strides
        return corners, scores.sigmoid(), coefficients, self.proto(maps[0])


class _Prototypes(nn.Module):
    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__()
        self.cv1, self.upsample = _Conv(inputs, channels, 3), nn.ConvTranspose2d(channels, channels, 2, 2)
        self.cv2, self.cv3 = _Conv(channels, channels, 3), _Conv(channels, _COEFFICIENTS)

    def forward(self, x: Tensor) -> Tensor:
        return self.cv3(self.cv2(self.upsample(self.cv1(x))))


def _cells(size: int) -> tuple[Tensor, Tensor]:
    """Of the cells of all maps the centres (x, y) in strides [N, 2], and the strides in pixels [N, 1]."""
    centres, strides = [], []
    for stride in _STRIDES:
        along = torch.arange(size // stride, dtype=torch.float32) + 0.5
        rows, columns = torch.meshgrid(along, along, indexing="ij")
        centres.append(torch.stack((columns, rows), 2).flatten(0, 1))
        strides.append(torch.full((len(centres[-1]), 1), float(stride)))
    return torch.cat(centres), torch.cat(strides)


def _enlarge(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="nearest")


def _fold_norms(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights with every batch norm `bn` folded into the convolution `conv` beside it; odd keys stay as they are."""
    state = {key: value.float() for key, value in state.items()}
    parts = ("conv.weight", "bn.weight", "bn.bias", "bn.running_mean", "bn.running_var")
    for block in [key.removesuffix("bn.running_var") for key in state if key.endswith(".bn.running_var")]:
        names = [block + part for part in parts]
        if not all(name in state and len(state[name]) == len(state[names[0]]) for name in names):
            continue  # of another network: named when this one is filled
        weight, gain, shift, mean, variance = (state.pop(name) for name in names)
        gain = gain / torch.sqrt(variance + _NORM_EPSILON)
        state[names[0]], state[f"{block}conv.bias"] = weight * gain[:, None, None, None], shift - mean * gain
    return state
