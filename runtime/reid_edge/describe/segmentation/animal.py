"""One animal in one photo, and how its part of a network's map becomes its box, mask and crop."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from reid_edge.photo import Photo

NO_ANIMAL = "No animal stands out in this photo; the whole frame was used."


@dataclass(frozen=True)
class Animal:
    """One animal in one photo, largest first.

    Attributes:
        index: 0 for the largest.
        box: (x0, y0, x1, y1) pixels of the upright photo, x right, y down, end exclusive; margin included.
        crop: uint8 [h, w, 3], the photo inside the box.
        mask: bool [h, w], True on the animal, in the crop's frame; all True where `found` is False, and where the box was given and
            nothing outlines the animal in it.
        area: share of the frame that the animal covers, 0..1.
        found: False where nothing stood out and the box is the whole frame.
    """

    index: int
    box: tuple[int, int, int, int]
    crop: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    area: float
    found: bool

    def outline(self) -> list[list[tuple[int, int]]]:
        """The mask's outer contours, simplified to about a pixel in two hundred: polygons in pixels of the upright photo."""
        contours, _ = cv2.findContours(self.mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        tolerance = max(self.mask.shape) / 200
        polygons = [cv2.approxPolyDP(contour, tolerance, True)[:, 0] for contour in contours]
        x0, y0 = self.box[:2]
        return [[(int(x) + x0, int(y) + y0) for x, y in polygon] for polygon in polygons if len(polygon) > 2]


@dataclass(frozen=True)
class Region:
    """An animal on a network's map, before it is cut out of the photo.

    Attributes:
        likelihood: float32 [h, w], 0..1, of every cell that it is the animal's; the photo begins at the map's upper left corner.
        threshold: a place with this likelihood or more is the animal's.
        box: (left, top, right, bottom) in cells, end exclusive, tight around the animal.
        cells: float64 (x, y), cells that the photo spans; where they are not whole, the map's last cell sticks out.
        area: share of the frame that the animal covers, 0..1.
    """

    likelihood: NDArray[np.float32]
    threshold: float
    box: tuple[float, float, float, float]
    cells: tuple[float, float]
    area: float


def whole_frame(photo: Photo) -> Animal:
    """The answer where no animal was found."""
    height, width = photo.rgb.shape[:2]
    return Animal(0, (0, 0, width, height), photo.rgb, np.ones((height, width), np.bool_), 1.0, False)


def cut_out(photo: Photo, region: Region, index: int, margin: float) -> Animal:
    """Bring one region back to the photo's pixels, its box widened by `margin` of its size on each side."""
    height, width = photo.rgb.shape[:2]
    to_x, to_y = width / region.cells[0], height / region.cells[1]
    left, right = region.box[0] * to_x, region.box[2] * to_x
    top, bottom = region.box[1] * to_y, region.box[3] * to_y
    wider, taller = margin * (right - left), margin * (bottom - top)
    x0, x1 = max(0, int(left - wider)), min(width, int(np.ceil(right + wider)))
    y0, y1 = max(0, int(top - taller)), min(height, int(np.ceil(bottom + taller)))
    columns_of_box = _linear(region.likelihood.T, x0, x1, region.cells[0], width)
    mask = np.ascontiguousarray(_linear(columns_of_box.T, y0, y1, region.cells[1], height) >= region.threshold)
    crop = np.ascontiguousarray(photo.rgb[y0:y1, x0:x1])
    return Animal(index, (x0, y0, x1, y1), crop, mask, region.area, True)


def _linear(rows: NDArray[np.float32], start: int, end: int, cells: float, size: int) -> NDArray[np.float32]:
    """Rows `start` to `end` of what the first `cells` of `rows` [n, m] are when they are enlarged linearly to `size` rows, pixel
    centres at whole numbers.

    Only the box is ever enlarged: the whole map of a large photo would take hundreds of megabytes.
    """
    at = np.clip((np.arange(start, end) + 0.5) * cells / size - 0.5, 0, len(rows) - 1)
    below = np.floor(at).astype(np.int64)
    share = (at - below).astype(np.float32)[:, None]
    return rows[below] * (1 - share) + rows[np.minimum(below + 1, len(rows) - 1)] * share
