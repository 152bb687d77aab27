"""Find the animals in a photo: a saliency map becomes boxes, masks and crops."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from reid_edge.engines import Engine
from reid_edge.network_input import to_network_input
from reid_edge.pack.manifest import Preprocessing
from reid_edge.photo import Photo
from reid_edge.recipe import Segment

NO_ANIMAL = "No animal stands out in this photo; the whole frame was used."


@dataclass(frozen=True)
class Animal:
    """One animal in one photo, largest first.

    Attributes:
        index: 0 for the largest.
        box: (x0, y0, x1, y1) pixels of the upright photo, x right, y down, end exclusive; margin included.
        crop: uint8 [h, w, 3], the photo inside the box.
        mask: bool [h, w], True on the animal, in the crop's frame; all True where `found` is False.
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


def find_animals(photo: Photo, engine: Engine, preprocessing: Preprocessing, settings: Segment) -> list[Animal]:
    """Find the largest animals; the whole frame where there is none.

    Args:
        photo: upright.
        engine: a segmentation network: input ``image`` [1, 3, h, w], output ``saliency`` [1, 1, h, w] in 0..1.
        preprocessing: the network's.
        settings: thresholds, see `Segment`.

    Returns:
        At least one animal, largest first.

    Raises:
        EngineError: the network failed.
    """
    image = to_network_input(photo.rgb, preprocessing)
    saliency = np.asarray(engine.run({"image": image})["saliency"], np.float32)[0, 0]
    regions = _regions(saliency, settings)
    if not regions:
        height, width = photo.rgb.shape[:2]
        return [Animal(0, (0, 0, width, height), photo.rgb, np.ones((height, width), np.bool_), 1.0, False)]
    return [_cut_out(photo, saliency, region, index, settings.margin) for index, region in enumerate(regions)]


def _regions(saliency: NDArray[np.float32], settings: Segment) -> list[NDArray[np.bool_]]:
    """The connected parts of the map that are large enough, largest first: bool [h, w] each."""
    if float(saliency.max()) < settings.min_contrast:
        return []
    foreground = (saliency >= settings.threshold).astype(np.uint8)
    count, labels, statistics, _ = cv2.connectedComponentsWithStats(foreground)
    areas = statistics[1:count, cv2.CC_STAT_AREA]
    order = np.argsort(-areas, kind="stable")[: settings.max_animals]
    smallest = max(settings.min_area * saliency.size, settings.min_relative_area * (areas.max() if len(areas) else 0))
    return [labels == 1 + part for part in order if areas[part] >= smallest]


def _cut_out(photo: Photo, saliency: NDArray[np.float32], region: NDArray[np.bool_], index: int, margin: float) -> Animal:
    """Bring one region of the map back to the photo's pixels."""
    height, width = photo.rgb.shape[:2]
    rows, columns = np.flatnonzero(region.any(axis=1)), np.flatnonzero(region.any(axis=0))
    to_x, to_y = width / region.shape[1], height / region.shape[0]
    left, right = columns[0] * to_x, (columns[-1] + 1) * to_x
    top, bottom = rows[0] * to_y, (rows[-1] + 1) * to_y
    wider, taller = margin * (right - left), margin * (bottom - top)
    x0, x1 = max(0, int(left - wider)), min(width, int(np.ceil(right + wider)))
    y0, y1 = max(0, int(top - taller)), min(height, int(np.ceil(bottom + taller)))
    columns_of_box = _linear(region.astype(np.float32).T, x0, x1, width)
    mask = np.ascontiguousarray(_linear(columns_of_box.T, y0, y1, height) >= 0.5)
    crop = np.ascontiguousarray(photo.rgb[y0:y1, x0:x1])
    return Animal(index, (x0, y0, x1, y1), crop, mask, float(region.mean()), True)


def _linear(rows: NDArray[np.float32], start: int, end: int, size: int) -> NDArray[np.float32]:
    """Rows `start` to `end` of what `rows` [n, m] is when it is enlarged linearly to `size` rows, pixel centres at whole numbers.

    Only the box is ever enlarged: the whole map of a large photo would take hundreds of megabytes.
    """
    at = np.clip((np.arange(start, end) + 0.5) * len(rows) / size - 0.5, 0, len(rows) - 1)
    below = np.floor(at).astype(np.int64)
    share = (at - below).astype(np.float32)[:, None]
    return rows[below] * (1 - share) + rows[np.minimum(below + 1, len(rows) - 1)] * share
