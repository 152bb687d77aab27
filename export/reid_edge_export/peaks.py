"""The strongest peaks of a score map and the values of a map around them, with outputs of a fixed size: how keypoints leave a graph."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from reid_edge.errors import UsageError

_MULTIPLE = 32  # pixels; divides the sides of every photo, because each of the networks halves it at most five times
_MOST_KEYPOINTS = 2048  # TensorRT fails on a TopK over 3840


def check_options(network: str, keypoints: int, size: int) -> None:
    """Refuse what no graph of a keypoint network can have.

    Raises:
        UsageError: `size` is not a multiple of 32, or there are more keypoints than every engine sorts.
    """
    if size % _MULTIPLE:
        raise UsageError(f"{network}: size is {size}.", f"Give a multiple of {_MULTIPLE}.")
    if keypoints > _MOST_KEYPOINTS:
        raise UsageError(
            f"{network}: {keypoints} keypoints are more than every engine sorts.", f"Give at most {_MOST_KEYPOINTS}."
        )


def is_largest(score: Tensor, radius: int) -> Tensor:
    """Where a pixel of score [B, 1, H, W] is the largest within `radius` pixels along each axis; bool, ties included."""
    return score == F.max_pool2d(score, 2 * radius + 1, stride=1, padding=radius)


def survives_suppression(score: Tensor, radius: int) -> Tensor:
    """Where a pixel of a positive score [B, 1, H, W] survives the suppression by windows that ALIKED and SuperPoint use; bool.

    Besides the local maxima themselves, two more rounds find those of what lies outside the windows of the ones found before.
    """
    kept = is_largest(score, radius)
    for _ in range(2):
        shadowed = F.max_pool2d(kept.to(score.dtype), 2 * radius + 1, stride=1, padding=radius) > 0
        rest = torch.where(shadowed, 0.0, score)
        kept = kept | (is_largest(rest, radius) & ~shadowed)
    return kept


def without_border(score: Tensor, border: int) -> Tensor:
    """The score map with 0 in `border` pixels along each side."""
    return F.pad(score[:, :, border:-border, border:-border], (border,) * 4)


def strongest(score: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """The `count` largest pixels of score [B, 1, H, W].

    Gives their scores [B, K] in falling order, int64 places [B, K] in the flattened map, and keypoints [B, K, 2] as (x, y) pixels.
    """
    width = score.shape[3]
    scores, places = score.flatten(1).topk(count, dim=1)
    position = places.to(score.dtype)  # exact: below 2**24 pixels
    row = torch.floor((position + 0.5) / width)
    return scores, places, torch.stack((position - row * width, row), -1)


def around(maps: Tensor, places: Tensor, radius: int) -> Tensor:
    """The pixels of maps [B, C, H, W] within `radius` of the places [B, K], row by row: [B, C, K, (2 radius + 1)**2].

    A window that leaves the map at its left or right runs on in the next row; keep to places inside.
    """
    height, width = maps.shape[2:]
    reach = torch.arange(-radius, radius + 1, device=places.device)
    window = (reach[:, None] * width + reach[None]).flatten()
    pixels = (places.unsqueeze(2) + window).clamp(0, height * width - 1).flatten(1)
    values = maps.flatten(2).gather(2, pixels.unsqueeze(1).expand(-1, maps.shape[1], -1))
    return values.unflatten(2, (places.shape[1], len(window)))


def to_grid(xy: Tensor, like: Tensor) -> Tensor:
    """Pixels xy [..., 2] of the map `like` [B, C, H, W] as `grid_sample` takes them with align_corners=False."""
    height, width = like.shape[2:]
    return torch.stack(((2 * xy[..., 0] + 1) / width - 1, (2 * xy[..., 1] + 1) / height - 1), -1)
