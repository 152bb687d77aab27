"""The camera: where a point of the scene lands in the photo, and which points of a surface it sees.

Stage frame: x right, y up from the ground, z towards the camera, in body lengths, the origin under the animal.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_SAMPLES_PER_PIXEL = 1.2  # along both sides of a surface grid's cell, so that splatting leaves no holes


@dataclass(frozen=True)
class Camera:
    """A pinhole camera that looks at the stage's origin from ``distance`` body lengths, slightly from above.

    Attributes:
        pitch: radians it looks down.
        roll: radians it is tilted about its axis.
        distance: body lengths from the origin.
        scale: pixels a body length at the origin.
        foot: where the origin lands, pixels (x right, y down).
    """

    pitch: float
    roll: float
    distance: float
    scale: float
    foot: tuple[float, float]

    def project(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """Stage points [..., 3] to float32 [..., 3]: pixel x, pixel y, nearness (greater is nearer)."""
        x, y, z = points[..., 0], points[..., 1], points[..., 2]
        rise, near = y * np.cos(self.pitch) - z * np.sin(self.pitch), y * np.sin(self.pitch) + z * np.cos(self.pitch)
        zoom = self.scale / (1 - near / self.distance)
        right, down = x * zoom, -rise * zoom
        turned = (right * np.cos(self.roll) - down * np.sin(self.roll), right * np.sin(self.roll) + down * np.cos(self.roll))
        return np.stack([turned[0] + self.foot[0], turned[1] + self.foot[1], near], axis=-1).astype(np.float32)

    @property
    def horizon(self) -> float:
        """Pixel row of the horizon, were the camera not tilted."""
        return self.foot[1] - self.scale * self.distance * float(np.tan(self.pitch))


def splat(sheets: list[NDArray[np.float32]], size: tuple[int, int], *, cull: bool = True) -> NDArray[np.float32]:
    """Draw surfaces into a picture, nearest on top.

    Args:
        sheets: per surface float32 [R, S, 3 + C]: pixel x, pixel y, nearness, then C values to draw.
        size: width and height of the picture.
        cull: leave out the side of closed surfaces (grids like those of ``body``) that faces away.

    Returns:
        float32 [H, W, C], NaN where no surface is.
    """
    width, height = size
    pixels, values = [], []
    for sheet in sheets:
        dense = _densify(sheet)
        if cull:
            along, around = np.diff(dense[:, :-1, :2], axis=0), np.diff(dense[:-1, :, :2], axis=1)
            dense = dense[:-1, :-1][along[..., 0] * around[..., 1] > along[..., 1] * around[..., 0]]
        flat = dense.reshape(-1, sheet.shape[-1])
        x, y = (flat[:, :2] + 0.5).astype(np.int32).T
        inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
        pixels.append((y * width + x)[inside])
        values.append(flat[inside, 2:])
    pixel, value = np.concatenate(pixels), np.concatenate(values)
    nearest_last = np.argsort(value[:, 0], kind="stable")
    picture = np.full((height * width, value.shape[1] - 1), np.nan, np.float32)
    picture[pixel[nearest_last]] = value[nearest_last, 1:]  # of a repeated pixel the last value stays
    return picture.reshape(height, width, -1)


def _densify(sheet: NDArray[np.float32]) -> NDArray[np.float32]:
    """Interpolate a grid [R, S, C] linearly so that neighbours lie less than a pixel apart."""
    for axis in (0, 1):
        step = np.linalg.norm(np.diff(sheet[..., :2], axis=axis), axis=-1).max(axis=1 - axis)
        parts = np.maximum(1, np.ceil(step * _SAMPLES_PER_PIXEL)).astype(np.int64)  # into how many each cell is cut
        cell = np.repeat(np.arange(len(parts)), parts)
        share = np.concatenate([np.arange(count, dtype=np.float32) / np.float32(count) for count in parts])
        share = share.reshape((-1, 1, 1) if axis == 0 else (1, -1, 1))
        low = np.take(sheet, cell, axis=axis)
        sheet = low + (np.take(sheet, cell + 1, axis=axis) - low) * share
    return sheet
