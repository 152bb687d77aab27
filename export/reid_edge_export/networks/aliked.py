"""ALIKED keypoints with deformable descriptors, detection and sampling in the graph (Zhao et al., IEEE TIM 2023).

Modules carry the official names. The answer is that of the original with a detection threshold of 0, computed with less: what is
linear is done before maps are enlarged, and the feature map, which the original makes for every pixel of the photo, is made only
at the pixels that descriptors are read from.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reid_edge_export.peaks import around, check_options, strongest, survives_suppression, to_grid, without_border
from reid_edge_export.weights import read_checkpoint

_RADIUS = 2  # pixels: of the suppression, of the refinement, and of the border without keypoints
_TEMPERATURE = 0.1  # of the soft-argmax that refines a keypoint, as in the original
_SCALES = (2, 8, 32)  # pixels of the photo per pixel of the second, third and fourth map
_NORM_FLOOR = 1e-4  # smallest norm divided by; lies within the range of float16
_TAPS = 9  # of a 3 x 3 kernel


def build(widths: tuple[int, int, int, int], samples: int, keypoints: int, size: int) -> nn.Module:
    """The network with random weights: channels of the four blocks, deformable samples per descriptor, slots for keypoints."""
    check_options("aliked", keypoints, size)
    return Aliked(widths, samples, keypoints)


def read_state(path: Path, network: nn.Module) -> dict[str, Tensor]:
    """Weights of an official checkpoint, the kernels that work on sampled values laid out as those are: all taps in one row."""
    state = read_checkpoint(path)
    for key, value in state.items():
        if key.endswith("regular_conv.weight") and value.ndim == 4:
            state[key] = value.flatten(1)[:, :, None, None]
        elif key == "desc_head.offset_conv.0.weight" and value.ndim == 4:
            state[key] = value.flatten(2).unsqueeze(2)
        elif key == "desc_head.agg_weights" and value.ndim == 3:
            state[key] = value.permute(2, 1, 0).unsqueeze(2)
    return state


class Aliked(nn.Module):
    """image [B, 3, H, W] (RGB, 0 to 1; H and W multiples of 32), mask [B, 1, H, W] (above 0.5: keypoints allowed), float32.

    Gives keypoints float32 [B, K, 2] (x, y pixels of the image, refined below a pixel), scores float32 [B, K] (0 or less: empty
    slot) and descriptors float32 [B, K, D] of norm 1.
    """

    def __init__(self, widths: tuple[int, int, int, int], samples: int, keypoints: int) -> None:
        super().__init__()
        first, second, third, channels = widths
        self.keypoints = keypoints
        self.block1 = _Block(3, first)
        self.block2 = _ResidualBlock(first, second)
        self.block3 = _ResidualBlock(second, third, deformable=True)
        self.block4 = _ResidualBlock(third, channels, deformable=True)
        self.conv1, self.conv2, self.conv3, self.conv4 = (nn.Conv2d(width, channels // 4, 1, bias=False) for width in widths)
        self.score_head = nn.Sequential(
            *(nn.Conv2d(channels, 8, 1, bias=False), nn.SELU(), nn.Conv2d(8, 4, 3, padding=1, bias=False), nn.SELU()),
            *(nn.Conv2d(4, 4, 3, padding=1, bias=False), nn.SELU(), nn.Conv2d(4, 1, 3, padding=1, bias=False)),
        )
        self.desc_head = _DescriptorHead(channels, samples)

    def forward(self, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:  # noqa: D102
        maps = self._maps(image)
        heat = self._heat(maps)
        allowed = survives_suppression(heat, _RADIUS) & (mask > 0.5)
        scores, places, pixels = strongest(without_border(heat * allowed.to(heat.dtype), _RADIUS), self.keypoints)
        move, refined = _refined(around(heat, places, _RADIUS).squeeze(1))
        keypoints = pixels + move
        return keypoints, torch.where(scores > 0, refined, 0.0), self.desc_head(maps, keypoints)

    def _maps(self, image: Tensor) -> list[Tensor]:
        """A quarter of the features at each of the four scales."""
        x1 = self.block1(image)
        x2 = self.block2(F.avg_pool2d(x1, 2))
        x3 = self.block3(F.avg_pool2d(x2, 4))
        x4 = self.block4(F.avg_pool2d(x3, 4))
        return [F.selu(conv(x)) for conv, x in ((self.conv1, x1), (self.conv2, x2), (self.conv3, x3), (self.conv4, x4))]

    def _heat(self, maps: list[Tensor]) -> Tensor:
        """How much each pixel is a keypoint [B, 1, H, W]; the first layer is linear and works before the enlargement."""
        quarter, weight = maps[0].shape[1], self.score_head[0].weight
        narrow = [F.conv2d(x, weight[:, index * quarter : (index + 1) * quarter]) for index, x in enumerate(maps)]
        x = narrow[0]
        for part, scale in zip(narrow[1:], _SCALES, strict=True):
            x = x + F.interpolate(part, scale_factor=float(scale), mode="bilinear", align_corners=True)
        return torch.sigmoid(self.score_head[1:](x))


class _DescriptorHead(nn.Module):
    """The sparse deformable descriptor head: each keypoint picks its own places to sample."""

    def __init__(self, channels: int, samples: int) -> None:
        super().__init__()
        self.samples = samples
        self.offset_conv = nn.Sequential(
            nn.Conv2d(channels, 2 * samples, (1, _TAPS)), nn.SELU(), nn.Conv2d(2 * samples, 2 * samples, 1)
        )
        self.sf_conv = nn.Conv2d(channels, channels, 1, bias=False)
        self.agg_weights = nn.Parameter(torch.rand(channels, channels, 1, samples) / channels)

    def forward(self, maps: list[Tensor], keypoints: Tensor) -> Tensor:
        """Descriptors [B, K, D] of norm 1 at keypoints [B, K, 2]."""
        height, width = maps[0].shape[2:]
        offsets = self.offset_conv(_features(maps, self._neighbours(keypoints, height, width)))
        offsets = _limited(offsets.squeeze(3), height, width).unflatten(1, (2, self.samples)).permute(0, 3, 2, 1)
        sampled = _interpolated_features(maps, keypoints.unsqueeze(2) + offsets)
        x = F.conv2d(F.selu(self.sf_conv(sampled)), self.agg_weights)
        return F.normalize(x.squeeze(3).transpose(1, 2), dim=2, eps=_NORM_FLOOR)

    @staticmethod
    def _neighbours(keypoints: Tensor, height: int, width: int) -> Tensor:
        """The 3 x 3 pixels [B, K, 9, 2] around each keypoint; as in the original one row and column at the far end are left out."""
        x, y = keypoints.unbind(2)
        corner = torch.stack(((torch.floor(x) - 1).clamp(0, width - 4), (torch.floor(y) - 1).clamp(0, height - 4)), 2)
        step = torch.arange(3, device=corner.device, dtype=corner.dtype)
        window = torch.stack((step.repeat(3), step.repeat_interleave(3)), 1)
        return corner.unsqueeze(2) + window


def _interpolated_features(maps: list[Tensor], xy: Tensor) -> Tensor:
    """The features [B, D, K, P] between pixels, at xy [B, K, P, 2], from the four pixels around; 0 outside the photo."""
    height, width = maps[0].shape[2:]
    step = torch.arange(2, device=xy.device, dtype=xy.dtype)
    corner = torch.stack((step.repeat(2), step.repeat_interleave(2)), 1)
    pixels = torch.floor(xy).unsqueeze(3) + corner
    x, y = pixels[..., 0], pixels[..., 1]
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    weights = _tent(pixels - xy.unsqueeze(3)) * inside.to(xy.dtype)
    features = _features(maps, pixels.flatten(2, 3)) * weights.flatten(2).unsqueeze(1)
    return features.unflatten(3, (xy.shape[2], 4)).sum(4)


def _features(maps: list[Tensor], pixels: Tensor) -> Tensor:
    """The features [B, D, K, P] of norm 1 at whole pixels [B, K, P, 2]: the four maps enlarged, but only there."""
    height, width = maps[0].shape[2:]
    x, y = pixels[..., 0].clamp(0, width - 1), pixels[..., 1].clamp(0, height - 1)
    places = (y * width + x).to(torch.int64).flatten(1)  # exact: below 2**24 pixels
    full = maps[0].flatten(2).gather(2, places.unsqueeze(1).expand(-1, maps[0].shape[1], -1))
    grid = torch.stack((2 * x / (width - 1) - 1, 2 * y / (height - 1) - 1), -1)
    parts = [F.grid_sample(map_, grid, mode="bilinear", align_corners=True) for map_ in maps[1:]]
    return F.normalize(torch.cat((full.unflatten(2, pixels.shape[1:3]), *parts), 1), dim=1, eps=_NORM_FLOOR)


def _tent(distance: Tensor) -> Tensor:
    """Weights [...] of bilinear interpolation for distances [..., 2] along both axes."""
    weight = F.relu(1 - distance.abs())
    return weight[..., 0] * weight[..., 1]


class _Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, deformable: bool = False) -> None:
        super().__init__()
        convolution = _DeformableConvolution if deformable else _convolution
        self.conv1, self.bn1 = convolution(inputs, outputs), nn.BatchNorm2d(outputs)
        self.conv2, self.bn2 = convolution(outputs, outputs), nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return F.selu(self.bn2(self.conv2(F.selu(self.bn1(self.conv1(x))))))


class _ResidualBlock(_Block):
    def __init__(self, inputs: int, outputs: int, deformable: bool = False) -> None:
        super().__init__(inputs, outputs, deformable)
        self.downsample = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        return F.selu(self.bn2(self.conv2(F.selu(self.bn1(self.conv1(x))))) + self.downsample(x))


class _DeformableConvolution(nn.Module):
    """A 3 x 3 convolution whose nine taps lie where the photo asks (Dai et al., ICCV 2017): sampled, then a 1 x 1 convolution."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.offset_conv = nn.Conv2d(inputs, 2 * _TAPS, 3, padding=1)
        self.regular_conv = nn.Conv2d(_TAPS * inputs, outputs, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        # channels are (y, x) of each tap, the taps row by row
        offset = _limited(self.offset_conv(x), height, width).unflatten(1, (_TAPS, 2)).permute(0, 1, 3, 4, 2).flip(4)
        step = torch.arange(3, device=x.device, dtype=x.dtype) - 1
        taps = torch.stack((step.repeat(3), step.repeat_interleave(3)), 1)
        rows, columns = (torch.arange(length, device=x.device, dtype=x.dtype) for length in (height, width))
        pixels = torch.stack((columns.expand(height, width), rows[:, None].expand(height, width)), 2)
        xy = pixels + taps[:, None, None] + offset
        sampled = F.grid_sample(x, to_grid(xy, x).flatten(1, 2), mode="bilinear", align_corners=False)
        return self.regular_conv(sampled.unflatten(2, (_TAPS, height)).flatten(1, 2))


def _convolution(inputs: int, outputs: int) -> nn.Module:
    return nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)


def _refined(heat: Tensor) -> tuple[Tensor, Tensor]:
    """The soft-argmax of windows [B, K, 25], as seen from their middle [B, K, 2], and the heat [B, K] there."""
    reach = torch.arange(-_RADIUS, _RADIUS + 1, device=heat.device, dtype=heat.dtype)
    window = torch.stack((reach.repeat(len(reach)), reach.repeat_interleave(len(reach))), 1)
    move = (heat / _TEMPERATURE).softmax(2) @ window
    return move, (_tent(window - move.unsqueeze(2)) * heat).sum(2)


def _limited(offset: Tensor, height: int, width: int) -> Tensor:
    """Offsets kept within a quarter of the longer side."""
    limit = torch.sym_max(height, width) / 4
    return offset.clamp(-limit, limit)
