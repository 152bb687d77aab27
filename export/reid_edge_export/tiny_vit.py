"""TinyViT as the image encoder of MobileSAM (Wu et al., "TinyViT", ECCV 2022; Zhang et al., "Faster Segment Anything", 2023).

Modules carry the official names.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_EXPANSION = 4  # of the hidden channels of a convolution block and of a perceptron
_NORM_EPSILON = 1e-6  # of the neck; the others have the usual 1e-5


class TinyViT(nn.Module):
    """image float32 [B, 3, S, S] -> embedding [B, C, S / 16, S / 16]; attention is within windows, so S is free.

    Args:
        widths: channels of each stage.
        depths: blocks of each stage; the first stage is of convolutions, the others of attention.
        heads: attention heads of each stage but the first.
        windows: cells along one side of a window, of each stage but the first.
        out: channels of the embedding.
    """

    def __init__(
        self, widths: tuple[int, ...], depths: tuple[int, ...], heads: tuple[int, ...], windows: tuple[int, ...], out: int
    ) -> None:
        super().__init__()
        self.patch_embed = nn.Module()
        self.patch_embed.seq = nn.Sequential(
            _ConvNorm(3, widths[0] // 2, 3, 2), nn.GELU(), _ConvNorm(widths[0] // 2, widths[0], 3, 2)
        )
        self.layers = nn.ModuleList()
        for stage, width in enumerate(widths):
            layer = nn.Module()
            layer.blocks = nn.ModuleList(
                _TransformerBlock(width, heads[stage - 1], windows[stage - 1]) if stage else _ConvBlock(width)
                for _ in range(depths[stage])
            )
            if stage + 1 < len(widths):
                # The last stage keeps the size of the one before.
                layer.downsample = _Merging(width, widths[stage + 1], 1 if stage + 2 == len(widths) else 2)
            self.layers.append(layer)
        self.neck = nn.Sequential(
            nn.Conv2d(widths[-1], out, 1, bias=False),
            ChannelNorm(out),
            nn.Conv2d(out, out, 3, padding=1, bias=False),
            ChannelNorm(out),
        )

    def forward(self, image: Tensor) -> Tensor:  # noqa: D102
        x = self.patch_embed.seq(image)
        for layer in self.layers:
            for block in layer.blocks:
                x = block(x)
            if hasattr(layer, "downsample"):
                x = layer.downsample(x)
        return self.neck(x)


class ChannelNorm(nn.Module):
    """Layer norm over the channels of a map [B, C, H, W]."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:  # noqa: D102
        return F.layer_norm(x.permute(0, 2, 3, 1), self.weight.shape, self.weight, self.bias, _NORM_EPSILON).permute(0, 3, 1, 2)


class _ConvNorm(nn.Module):
    def __init__(self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.c = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.c(x))


class _ConvBlock(nn.Module):
    """MBConv without squeeze and excitation."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = _EXPANSION * channels
        self.conv1, self.conv2 = _ConvNorm(channels, hidden), _ConvNorm(hidden, hidden, 3, groups=hidden)
        self.conv3 = _ConvNorm(hidden, channels)

    def forward(self, x: Tensor) -> Tensor:
        return F.gelu(x + self.conv3(F.gelu(self.conv2(F.gelu(self.conv1(x))))))


class _Merging(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = _ConvNorm(inputs, outputs), _ConvNorm(outputs, outputs, 3, stride, outputs)
        self.conv3 = _ConvNorm(outputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv3(F.gelu(self.conv2(F.gelu(self.conv1(x)))))


class _TransformerBlock(nn.Module):
    """Attention within windows, a depthwise convolution between them, and a perceptron; maps [B, C, H, W] throughout."""

    def __init__(self, channels: int, heads: int, window: int) -> None:
        super().__init__()
        self.window = window
        self.attn = _Attention(channels, heads, window)
        self.local_conv = _ConvNorm(channels, channels, 3, groups=channels)
        self.mlp = _Perceptron(channels)

    def forward(self, x: Tensor) -> Tensor:
        x = self.local_conv(x + self._attend(x))
        return x + self.mlp(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)

    def _attend(self, x: Tensor) -> Tensor:
        """The attention of every window; the map is filled up with zeros, which take part, to whole windows."""
        window, (height, width) = self.window, x.shape[2:]
        rows, columns = -(-height // window), -(-width // window)
        x = F.pad(x, (0, columns * window - width, 0, rows * window - height))
        x = x.unflatten(3, (columns, window)).unflatten(2, (rows, window)).permute(0, 2, 4, 3, 5, 1)
        x = self.attn(x.flatten(3, 4).flatten(0, 2)).unflatten(1, (window, window)).unflatten(0, (-1, rows, columns))
        x = x.permute(0, 5, 1, 3, 2, 4).flatten(4, 5).flatten(2, 3)
        return x[:, :, :height, :width]


class _Attention(nn.Module):
    """Windows of cells [W, N, C] -> [W, N, C], with a learnt bias per head for the distance between two cells."""

    def __init__(self, channels: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads, self.scale = heads, (channels // heads) ** -0.5
        self.norm = nn.LayerNorm(channels)
        self.qkv, self.proj = nn.Linear(channels, 3 * channels), nn.Linear(channels, channels)
        # |rows apart| * window + |columns apart|, which is the order in which the official code meets the distances.
        self.attention_biases = nn.Parameter(torch.zeros(heads, window * window))
        along = torch.arange(window)
        apart = (along[:, None] - along).abs()
        distance = apart[:, None, :, None] * window + apart[None, :, None, :]
        self.register_buffer("distance", distance.flatten(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(self.norm(x)).unflatten(2, (self.heads, -1)).transpose(1, 2).chunk(3, 3)
        similarity = q @ k.transpose(2, 3) * self.scale
        biases = self.attention_biases.index_select(1, self.distance).unflatten(1, similarity.shape[2:])
        return self.proj(((similarity + biases).softmax(3) @ v).transpose(1, 2).flatten(2))


class _Perceptron(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.fc1, self.fc2 = nn.Linear(channels, _EXPANSION * channels), nn.Linear(_EXPANSION * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(self.norm(x))))
