"""DISK keypoints and descriptors, detection and description in the graph (Tyszkiewicz et al., NeurIPS 2020).

Modules carry the official names. The answer is that of the original, computed with less: of the last convolution, four fifths of
all the work, only the heat is made at every pixel; the descriptors are made where keypoints are.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reid_edge_export.peaks import around, check_options, is_largest, strongest
from reid_edge_export.weights import read_checkpoint

_DOWN, _UP = (16, 32, 64, 64, 64), (64, 64, 64)  # channels after each step; the last step up ends in the two heads
_DESCRIPTOR = 128
_REACH = 2  # pixels: of a kernel around its middle, and of the window in which a keypoint's heat is the largest
_TAPS = (2 * _REACH + 1) ** 2
_NORM_FLOOR = 1e-4  # smallest norm divided by; lies within the range of float16


def build(keypoints: int, size: int) -> nn.Module:
    """The network with random weights and `keypoints` slots; the graph takes any size, `size` is what photos are brought to."""
    check_options("disk", keypoints, size)
    return Disk(keypoints)


def read_state(path: Path, network: nn.Module) -> dict[str, Tensor]:
    """Weights of an official checkpoint, its last convolution taken apart into descriptor and heat."""
    state = read_checkpoint(path, "extractor")
    for kind in ("weight", "bias"):
        last = state.get(f"unet.path_up.3.conv.3.{kind}")
        if last is not None and len(last) == _DESCRIPTOR + 1:
            del state[f"unet.path_up.3.conv.3.{kind}"]
            state[f"descriptor.{kind}"], state[f"heat.{kind}"] = last.split((_DESCRIPTOR, 1))
    if "descriptor.weight" in state:
        state["descriptor.weight"] = state["descriptor.weight"].flatten(2).unsqueeze(2)
    return state


class Disk(nn.Module):
    """image [B, 3, H, W] (RGB, 0 to 1; H and W multiples of 32), mask [B, 1, H, W] (above 0.5: keypoints allowed), float32.

    Gives keypoints float32 [B, K, 2] (x, y pixels of the image), scores float32 [B, K] in falling order (0 or less: empty slot)
    and descriptors float32 [B, K, 128] of norm 1.
    """

    def __init__(self, keypoints: int) -> None:
        super().__init__()
        self.keypoints = keypoints
        self.unet = _UNet()
        self.heat = nn.Conv2d(self.unet.channels, 1, 2 * _REACH + 1, padding=_REACH)
        self.descriptor = nn.Conv2d(self.unet.channels, _DESCRIPTOR, (1, _TAPS))  # over the pixels around a keypoint

    def forward(self, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:  # noqa: D102
        features = self.unet(image)
        heat = self.heat(features)
        allowed = is_largest(heat, _REACH) & (mask > 0.5)
        scores, places, keypoints = strongest(heat * allowed.to(heat.dtype), self.keypoints)
        # Zeros around the features, as the convolution that is taken apart here sees them; a place moves along.
        bordered = F.pad(features, (_REACH,) * 4)
        width = image.shape[3]
        row = keypoints[..., 1].to(places.dtype)
        moved = places + 2 * _REACH * row + _REACH * (width + 2 * _REACH) + _REACH
        descriptors = self.descriptor(around(bordered, moved, _REACH)).squeeze(3).transpose(1, 2)
        return keypoints, scores, F.normalize(descriptors, dim=2, eps=_NORM_FLOOR)


class _UNet(nn.Module):
    """The thin U-Net up to the activation before its last convolution: [B, 3, H, W] -> [B, 80, H, W]."""

    def __init__(self) -> None:
        super().__init__()
        first, *deeper = _DOWN
        inputs = (first, *deeper)
        self.path_down = nn.ModuleList([nn.Sequential(nn.Identity(), _Layer(3, first, gated=False))])
        self.path_down.extend(nn.Sequential(nn.AvgPool2d(2), _Layer(*pair)) for pair in zip(inputs, deeper, strict=False))
        self.path_up, self.channels = nn.ModuleList(), _DOWN[-1]
        for skip, outputs in zip(reversed(_DOWN[:-1]), (*_UP, None), strict=True):
            self.path_up.append(nn.ModuleDict({"conv": _Layer(self.channels + skip, outputs)}))
            self.channels = outputs or self.channels + skip

    def forward(self, x: Tensor) -> Tensor:
        skips: list[Tensor] = []
        for step in self.path_down:
            x = step(x)
            skips.append(x)
        for step, skip in zip(self.path_up, reversed(skips[:-1]), strict=True):
            enlarged = F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
            x = step["conv"](torch.cat((enlarged, skip), 1))
        return x


class _Layer(nn.Sequential):
    """Norm, activation and convolution in the official order; the first has the convolution only, the last lacks it."""

    def __init__(self, inputs: int, outputs: int | None, gated: bool = True) -> None:
        before = (nn.InstanceNorm2d(inputs), nn.PReLU(inputs)) if gated else (nn.Identity(), nn.Identity())
        convolution = nn.Identity() if outputs is None else nn.Conv2d(inputs, outputs, 2 * _REACH + 1, padding=_REACH)
        super().__init__(*before, nn.Identity(), convolution)
