"""KeyNet keypoints with affine frames from AffNet and OriNet, and descriptors of their patches (Barroso-Laguna et al., ICCV 2019).

Modules carry the official names below `keynet`, `affnet`, `orinet` and `descriptor`; the weights are four files in a folder. The
answer is that of kornia's KeyNetAffNetHardNet (six levels in steps of the square root of 2, maxima within 15 x 15 pixels of a
level, frames of 22 pixels of a level), with these differences: the mask is read at the pixel that a keypoint lies in, where
kornia wants it to hold for all pixels around; and patches come from three levels of the photo always, where kornia has fewer for
a photo with a side below 128 pixels.
"""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reid_edge.errors import UsageError
from reid_edge_export.networks.affine_frames import blurred, build_pyramid, read_patches
from reid_edge_export.networks.patch_descriptor import AffNet, HardNet, HardTFeat, OriNet
from reid_edge_export.peaks import check_options
from reid_edge_export.weights import read_checkpoint

_DESCRIPTORS = {"hardnet": HardNet, "hardtfeat": HardTFeat}
_ROOT = (8119, 5741)  # the square root of 2 as a fraction; sides of levels come out right up to 4096 pixels
_SCALE = 22.0  # pixels of its level from a keypoint to the edge of its frame
_BORDER = 15  # pixels of a level along each side without keypoints
_REACH = 7  # pixels of a level in which a keypoint is the strongest
_WIDTH = 8  # channels of KeyNet's convolutions


def build(descriptor: str, files: tuple[str, str, str, str], coarser: int, keypoints: int, size: int) -> nn.Module:
    """The network with random weights and `keypoints` slots; the graph takes any size, `size` is what photos are brought to.

    Args:
        descriptor: `hardnet` or `hardtfeat`.
        files: the names of the files of weights: of KeyNet, AffNet, OriNet and the descriptor.
        coarser: levels of the pyramid below the size of the photo; one more lies above it.
        keypoints: slots.
        size: pixels, a multiple of 32.

    Raises:
        UsageError: `size` is no multiple of 32, or there are too many keypoints.
    """
    check_options("keynet", keypoints, size)
    return KeyNetAffNet(_DESCRIPTORS[descriptor](), files, coarser, keypoints)


def condition(network: KeyNetAffNet) -> None:
    """Make random weights respond to the photo, so that the order of keypoints is not left to rounding."""
    *blocks, last = (module for module in network.keynet.modules() if isinstance(module, nn.Conv2d))
    for convolution in blocks:
        nn.init.orthogonal_(convolution.weight, 3.0)
        nn.init.zeros_(convolution.bias)
    last.weight.abs_()
    nn.init.zeros_(last.bias)


def read_state(path: Path, network: KeyNetAffNet) -> dict[str, Tensor]:
    """Weights of the official files in the folder `path`.

    Raises:
        UsageError: `path` is no folder, or one of the files is not in it or no checkpoint.
    """
    parts = dict(zip(("keynet", "affnet", "orinet", "descriptor"), network.files, strict=True))
    missing = [file for file in parts.values() if not (path / file).is_file()]
    if missing:
        raise UsageError(f"{path}: has no {', '.join(missing)}.", f"Name a folder that holds {', '.join(parts.values())}.")
    return {
        f"{part}.{key}": value
        for part, file in parts.items()
        for key, value in read_checkpoint(path / file, "state_dict").items()
        if not key.startswith("SIFT.")  # lies unused beside HardTFeat
    }


class KeyNetAffNet(nn.Module):
    """image [B, 1, H, W] (grey, 0 to 1; H and W multiples of 32), mask [B, 1, H, W] (above 0.5: keypoints allowed), float32.

    Gives keypoints float32 [B, K, 2] (x, y pixels of the image), scores float32 [B, K] in falling order (0 or less: empty slot),
    frames float32 [B, K, 2, 2] and descriptors float32 [B, K, 128] of norm 1. A frame A is in pixels of the image, x right and y
    down: the region of a keypoint c is the ellipse c + A u over the unit circle, its patch the square c + A [-1, 1]^2; A's first
    column is the patch's x axis and its second the y axis, as in the first two columns of kornia's LAF.
    """

    def __init__(self, descriptor: nn.Module, files: tuple[str, str, str, str], coarser: int, keypoints: int) -> None:
        super().__init__()
        self.files, self.coarser, self.keypoints = files, coarser, keypoints
        self.keynet, self.affnet, self.orinet, self.descriptor = _KeyNet(), AffNet(), OriNet(), descriptor

    def forward(self, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:  # noqa: D102
        keypoints, scores, scale = self._detect(image, mask)
        pyramid, slots = build_pyramid(image), scores.shape
        frames = scale[..., None, None] * torch.eye(2, device=image.device)
        frames = frames @ self.affnet(read_patches(pyramid, keypoints, frames, scale)).unflatten(0, slots)
        frames = frames @ self.orinet(read_patches(pyramid, keypoints, frames, scale)).unflatten(0, slots)
        descriptors = self.descriptor(read_patches(pyramid, keypoints, frames, scale)).unflatten(0, slots)
        return keypoints, scores, frames, descriptors

    def _detect(self, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """keypoints [B, K, 2], scores [B, K] and scales [B, K], of all levels together, in pixels of the image."""
        levels = _levels(image, self.coarser)
        scores, places = torch.cat([self._heat(level, mask).flatten(1) for level in levels], 1).topk(self.keypoints, dim=1)
        one = torch.ones_like(scores)
        x, y, scale, start = one, one, one, 0
        for level in levels:
            height, width = level.shape[2:]
            place = (places - start).to(scores.dtype)  # exact: below 2**24 pixels
            row = torch.floor((place + 0.5) / width)
            step_x, step_y = one * image.shape[3] / width, one * image.shape[2] / height
            here = places >= start
            x = torch.where(here, (place - row * width) * step_x, x)
            y = torch.where(here, row * step_y, y)
            scale = torch.where(here, _SCALE * 0.5 * (step_x + step_y), scale)
            start += height * width
        return torch.stack((x, y), 2), scores, scale

    def _heat(self, level: Tensor, mask: Tensor) -> Tensor:
        """The response at those pixels of a level that can be keypoints, elsewhere 0."""
        height, width = level.shape[2:]
        heat = self.keynet(level)
        allowed = (heat > _strongest_around(heat)) & (F.interpolate(mask, (height, width), mode="nearest") > 0.5)
        rows, columns = torch.arange(height, device=heat.device), torch.arange(width, device=heat.device)
        inside = ((rows >= _BORDER) & (rows < height - _BORDER)).unsqueeze(1)
        inside = inside & (columns >= _BORDER) & (columns < width - _BORDER)
        return heat * (allowed & inside).to(heat.dtype)


class _KeyNet(nn.Module):
    """The response float32 [B, 1, H, W], not negative, of a level [B, 1, H, W], from itself and two smaller copies."""

    def __init__(self) -> None:
        super().__init__()
        self.feature_extractor = _Features()
        self.last_conv = nn.Sequential(nn.Conv2d(3 * _WIDTH, 1, 5, padding=2), nn.ReLU())

    def forward(self, level: Tensor) -> Tensor:
        size = height, width = level.shape[2:]
        features = [self.feature_extractor(level)]
        for _ in range(2):
            height, width = height * 5 // 6, width * 5 // 6
            level = _resized(blurred(level), (height, width))
            features.append(_resized(self.feature_extractor(level), size))
        return self.last_conv(torch.cat(features, 1))


class _Features(nn.Module):
    """Gradients, their products, and three convolutions of them: [B, 1, H, W] -> [B, 8, H, W]."""

    def __init__(self) -> None:
        super().__init__()
        self.lb_block = nn.Sequential(
            OrderedDict((f"conv{index}", _Convolution(inputs)) for index, inputs in enumerate((10, _WIDTH, _WIDTH)))
        )

    def forward(self, image: Tensor) -> Tensor:
        along, down = _sobel(image)
        slopes = _filtered(image, torch.stack((along, down)).unsqueeze(1))
        nothing = torch.zeros_like(along)
        bends = torch.stack([torch.stack(pair) for pair in ((along, nothing), (down, nothing), (nothing, down))])
        (dx, dy), (dxx, dxy, dyy) = slopes.split(1, 1), _filtered(slopes, bends).split(1, 1)
        return self.lb_block(torch.cat((dx, dy, dx * dx, dy * dy, dx * dy, dxy, dxy * dxy, dxx, dyy, dxx * dyy), 1))


class _Convolution(nn.Sequential):
    def __init__(self, inputs: int) -> None:
        super().__init__(nn.Conv2d(inputs, _WIDTH, 5, padding=2), nn.BatchNorm2d(_WIDTH), nn.ReLU())


def enlarged(side: int) -> int:
    """A level's side times the square root of 2, in whole pixels as kornia counts them."""
    return side * _ROOT[0] // _ROOT[1]


def reduced(side: int) -> int:
    """A level's side divided by the square root of 2, in whole pixels as kornia counts them."""
    return side * _ROOT[1] // _ROOT[0]


def _levels(image: Tensor, coarser: int) -> list[Tensor]:
    """The photo enlarged, as it is, and `coarser` times smoothed and made smaller, in steps of the square root of 2."""
    height, width = image.shape[2:]
    levels = [_resized(image, (enlarged(height), enlarged(width))), image]
    for _ in range(coarser):
        height, width = reduced(height), reduced(width)
        levels.append(_resized(blurred(levels[-1]), (height, width)))
    return levels


def _resized(image: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(image, size, mode="bilinear", align_corners=False)


def _sobel(like: Tensor) -> tuple[Tensor, Tensor]:
    """The kernels [3, 3] of the gradients along x and y, per pixel."""
    along = torch.tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]], device=like.device) / 8
    return along, along.T


def _filtered(maps: Tensor, kernels: Tensor) -> Tensor:
    """maps [B, C, H, W] under kernels [D, C, 3, 3], with the border repeated: [B, D, H, W]."""
    return F.conv2d(F.pad(maps, (1, 1, 1, 1), mode="replicate"), kernels)


def _strongest_around(heat: Tensor) -> Tensor:
    """The largest value within 7 pixels along each axis of each pixel of heat [B, 1, H, W], itself left out.

    Heat is not negative. Along the border of 7 pixels, where no keypoint is, the value can be too small.
    """
    half = _REACH // 2
    columns = F.max_pool2d(heat, (2 * _REACH + 1, 1), stride=1, padding=(_REACH, 0))
    beside = F.max_pool2d(columns, (1, _REACH), stride=1, padding=(0, half))  # 7 columns: those from 1 to 7 lie 4 away
    above = F.max_pool2d(heat, (_REACH, 1), stride=1, padding=(half, 0))
    away = half + 1
    left, right = F.pad(beside[..., :-away], (away, 0)), F.pad(beside[..., away:], (0, away))
    up, down = F.pad(above[..., :-away, :], (0, 0, away, 0)), F.pad(above[..., away:, :], (0, 0, 0, away))
    return torch.maximum(torch.maximum(left, right), torch.maximum(up, down))
