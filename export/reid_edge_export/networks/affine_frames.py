"""Patches of a photo under affine frames, each read from the level of a pyramid that is as fine as the patch.

A frame is a matrix A [2, 2]: the point u of the unit circle lies at keypoint + A u in the photo, in pixels, x right and y down. It
is a local affine frame (LAF) of kornia without the keypoint; the patch is the square around that circle.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from reid_edge_export.networks.patch_descriptor import PATCH
from reid_edge_export.peaks import to_grid


class Pyramid(NamedTuple):
    """A photo at whole, half and quarter size side by side in one image, so that one GridSample reads from all of them.

    Attributes:
        atlas: float32 [B, 1, 3/2 H, W]: the photo, below it the half, to the right of the half the quarter.
        height, width: of the photo.
    """

    atlas: Tensor
    height: int
    width: int


def build_pyramid(image: Tensor) -> Pyramid:
    """The pyramid of image [B, 1, H, W]; H and W are multiples of 4."""
    height, width = image.shape[2:]
    half = F.avg_pool2d(blurred(image), 2)
    quarter = F.avg_pool2d(blurred(half), 2)
    below = torch.cat((half, F.pad(quarter, (0, width // 4, 0, height // 4))), 3)
    return Pyramid(torch.cat((image, below), 2), height, width)


def blurred(image: Tensor) -> Tensor:
    """image [B, 1, H, W] smoothed by the binomial kernel of 5 x 5 pixels, mirrored at its border."""
    row = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0], device=image.device) / 16
    return F.conv2d(F.pad(image, (2, 2, 2, 2), mode="reflect"), (row[:, None] * row)[None, None])


def read_patches(pyramid: Pyramid, keypoints: Tensor, frames: Tensor, scale: Tensor) -> Tensor:
    """The patches of keypoints [B, K, 2] under frames [B, K, 2, 2]: [B K, 1, 32, 32].

    `scale` [B, K] is the square root of each frame's determinant, in pixels: a patch is read from the coarsest level whose pixels
    are no larger than its own. What lies outside the photo has the colour of its border.
    """
    height, width = pyramid.height, pyramid.width
    coarse, coarser = scale >= PATCH, scale >= 2 * PATCH
    zoom = torch.where(coarser, 0.25, torch.where(coarse, 0.5, 1.0)).unsqueeze(2)  # pixels of the level per pixel of the photo
    one = torch.ones_like(scale)
    origin = torch.stack((torch.where(coarser, one * (width // 2), 0.0), torch.where(coarse, one * height, 0.0)), 2)
    size = torch.stack((one * width, one * height), 2)
    pixel = torch.stack((2 * one / width, 2 * one / pyramid.atlas.shape[2]), 2)  # in the units of a sampling grid
    middle, first, last = (
        to_grid(origin + place, pyramid.atlas) for place in ((keypoints + 0.5) * zoom - 0.5, 0 * size, size * zoom - 1)
    )
    steps = (2 * torch.arange(PATCH, device=scale.device) + 1) / PATCH - 1
    square = torch.stack((steps.repeat(PATCH), steps.repeat_interleave(PATCH)), 1)
    axes = frames * (zoom * pixel).unsqueeze(3)
    grid = (square @ axes.transpose(2, 3) + middle.unsqueeze(2)).clamp(first.unsqueeze(2), last.unsqueeze(2))
    rows = grid.unflatten(2, (PATCH, PATCH)).flatten(1, 2)
    patches = F.grid_sample(pyramid.atlas, rows, mode="bilinear", align_corners=False)
    return patches.unflatten(2, (-1, PATCH)).transpose(1, 2).flatten(0, 1)
