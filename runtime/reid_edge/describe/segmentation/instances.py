"""Raw heads of an instance network become animals: keep the animal classes, suppress double boxes, put the masks together.

A mask is the sigmoid of coefficients times prototypes, valid inside its box (Bolya et al., "YOLACT", ICCV 2019).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from reid_edge.describe.segmentation.animal import Region
from reid_edge.recipe import Segment

COCO_CLASSES = 80
COCO_ANIMALS = slice(14, 24)
"""bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe: a tiger or a lynx is found as one of these."""

OVERLAP = 0.7
"""Of two boxes with a larger intersection over union the one with the lower score is dropped, whatever their classes."""

CELL = 4  # pixels of the input on each side of a prototype's cell
_MOST = 100  # instances whose masks are looked at, best first


def instance_regions(outputs: Mapping[str, NDArray[np.float32]], content: tuple[int, int], settings: Segment) -> list[Region]:
    """The animals among a network's instances, largest first.

    Args:
        outputs: ``boxes`` float32 [N, 4], (x0, y0, x1, y1) in pixels of the input; ``scores`` [N, classes], 0..1;
            ``coefficients`` [N, K]; ``prototypes`` [K, h, w], one cell per 4 x 4 pixels of the input. Of a network with COCO's 80
            classes the animals count, of any other network all classes.
        content: (width, height) of the photo in pixels of the input, whose upper left corner it fills.
        settings: thresholds; an instance counts from the score `min_contrast` on.
    """
    scores = animal_scores(outputs["scores"])
    kept = suppress(outputs["boxes"], scores, settings.min_contrast)
    cells = content[0] / CELL, content[1] / CELL
    inside = np.array([*cells, *cells], np.float32)
    boxes = np.clip(outputs["boxes"][kept] / np.float32(CELL), 0, inside).astype(np.float32)
    masks = decode_masks(boxes, outputs["coefficients"][kept], outputs["prototypes"])
    masks = masks[:, : int(np.ceil(cells[1])), : int(np.ceil(cells[0]))]
    areas = np.count_nonzero(masks >= settings.threshold, axis=(1, 2)) / np.prod(masks.shape[1:])
    order = np.argsort(-areas, kind="stable")[: settings.max_animals]
    smallest = max(settings.min_area, settings.min_relative_area * areas.max(initial=0))
    return [
        Region(masks[index], settings.threshold, _box(boxes[index]), cells, float(areas[index]))
        for index in order
        if areas[index] >= smallest and areas[index] > 0
    ]


def detected_regions(outputs: Mapping[str, NDArray[np.float32]], content: tuple[int, int], settings: Segment) -> list[Region]:
    """The animals among the boxes of a detector, largest first: the whole box of each is the animal's.

    Args:
        outputs: ``boxes`` and ``scores``, as of `instance_regions`.
        content, settings: likewise.
    """
    scores = animal_scores(outputs["scores"])
    kept = suppress(outputs["boxes"], scores, settings.min_contrast)
    inside = np.array([*content, *content], np.float32)
    boxes = np.clip(outputs["boxes"][kept], 0, inside).astype(np.float32)
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]) / (content[0] * content[1])
    order = np.argsort(-areas, kind="stable")[: settings.max_animals]
    smallest = max(settings.min_area, settings.min_relative_area * areas.max(initial=0))
    everywhere = np.ones((content[1], content[0]), np.float32)
    return [
        Region(everywhere, settings.threshold, _box(boxes[index]), (float(content[0]), float(content[1])), float(areas[index]))
        for index in order
        if areas[index] >= smallest and areas[index] > 0
    ]


def animal_scores(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of scores [N, classes] the best of the animal classes, float32 [N]."""
    return np.asarray((scores[:, COCO_ANIMALS] if scores.shape[1] == COCO_CLASSES else scores).max(axis=1), np.float32)


def suppress(boxes: NDArray[np.float32], scores: NDArray[np.float32], least: float) -> NDArray[np.int64]:
    """The rows of boxes [N, 4] (x0, y0, x1, y1) with a score [N] of `least` or more, best first, without those that a better one
    overlaps by more than `OVERLAP`.
    """
    rows = np.flatnonzero(scores >= least)
    rows = rows[np.argsort(-scores[rows], kind="stable")]
    corners = boxes[rows].astype(np.float64)
    areas = np.prod(np.maximum(corners[:, 2:] - corners[:, :2], 0), axis=1)
    kept: list[int] = []
    left = np.arange(len(rows))
    while len(left) and len(kept) < _MOST:
        best, left = left[0], left[1:]
        kept.append(int(rows[best]))
        sides = np.minimum(corners[left, 2:], corners[best, 2:]) - np.maximum(corners[left, :2], corners[best, :2])
        common = np.prod(np.maximum(sides, 0), axis=1)
        left = left[common <= OVERLAP * (areas[left] + areas[best] - common)]
    return np.array(kept, np.int64)


def decode_masks(
    boxes: NDArray[np.float32], coefficients: NDArray[np.float32], prototypes: NDArray[np.float32]
) -> NDArray[np.float32]:
    """The likelihood of every cell that it is an instance's, 0 outside its box.

    Args:
        boxes: float32 [N, 4], (x0, y0, x1, y1) in cells of the prototypes.
        coefficients: float32 [N, K].
        prototypes: float32 [K, h, w].

    Returns:
        float32 [N, h, w], 0..1.
    """
    height, width = prototypes.shape[1:]
    logits = (coefficients @ prototypes.reshape(len(prototypes), -1)).reshape(-1, height, width)
    columns, rows = np.arange(width) + 0.5, np.arange(height) + 0.5
    x0, y0, x1, y1 = (boxes[:, side, None] for side in range(4))
    across, down = (columns >= x0) & (columns < x1), (rows >= y0) & (rows < y1)
    likelihood = 1 / (1 + np.exp(-np.clip(logits, -50, 50)))
    return np.asarray(likelihood * (down[:, :, None] & across[:, None]), np.float32)


def _box(corners: NDArray[np.float32]) -> tuple[float, float, float, float]:
    x0, y0, x1, y1 = (float(corner) for corner in corners)
    return x0, y0, x1, y1
