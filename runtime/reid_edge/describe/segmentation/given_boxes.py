"""Animals whose boxes somebody else found, a detector such as MegaDetector: each is cut out, and outlined inside its box only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from reid_edge.describe.segmentation.animal import Animal, cut_out
from reid_edge.describe.segmentation.finding import find_regions
from reid_edge.engines import Engine
from reid_edge.pack.manifest import Preprocessing
from reid_edge.photo import Photo
from reid_edge.recipe import Segment

Box = tuple[float, float, float, float]
"""(x0, y0, x1, y1) pixels of the upright photo, x right, y down, end exclusive."""

LEAST_SIDE = 8  # pixels; a smaller box shows nothing that could be compared
_MOST = 4  # animals of a recipe that does not say how many


def animals_in_boxes(
    photo: Photo, boxes: Sequence[Box], network: tuple[Engine, Preprocessing] | None, settings: Segment | None
) -> list[Animal]:
    """The animals in the given boxes, the largest box first; none where no box holds anything.

    Each box is widened by the recipe's margin, as a box of the network's own would be. The network sees the photo inside it alone, and the
    largest thing that it finds there is the animal's outline; where it finds nothing, the whole box is the animal.

    Args:
        photo: upright.
        boxes: tight around the animals; what lies outside of the photo is cut off.
        network: the pack's segmentation network with its preprocessing; None where the recipe has none.
        settings: the recipe's, for margin, number of animals and thresholds; None where the recipe has no segmentation.

    Raises:
        EngineError: the network failed.
    """
    margin, most = (settings.margin, settings.max_animals) if settings else (0.0, _MOST)
    inside = sorted((widened(box, margin, photo) for box in boxes), key=_size, reverse=True)
    inside = [box for box in inside if min(box[2] - box[0], box[3] - box[1]) >= LEAST_SIDE][:most]
    return [_animal(photo, box, index, network, settings) for index, box in enumerate(inside)]


def _animal(
    photo: Photo,
    box: tuple[int, int, int, int],
    index: int,
    network: tuple[Engine, Preprocessing] | None,
    settings: Segment | None,
) -> Animal:
    x0, y0, x1, y1 = box
    crop = np.ascontiguousarray(photo.rgb[y0:y1, x0:x1])
    mask = np.ones(crop.shape[:2], np.bool_)
    if network is not None and settings is not None:
        part = replace(photo, rgb=crop)
        regions = find_regions(part, *network, replace(settings, banner=0.0))
        if regions:
            whole = replace(regions[0], box=(0.0, 0.0, *regions[0].cells))
            mask = cut_out(part, whole, index, 0.0).mask
    area = float(mask.sum()) / (photo.width * photo.height)
    return Animal(index, box, crop, mask, area, True)


def widened(box: Box, margin: float, photo: Photo) -> tuple[int, int, int, int]:
    """The part of the photo that is cut out for a box: wider and taller by this share of it on each side, as far as the photo goes."""
    wider, taller = margin * (box[2] - box[0]), margin * (box[3] - box[1])
    return (
        max(0, int(box[0] - wider)),
        max(0, int(box[1] - taller)),
        min(photo.width, int(np.ceil(box[2] + wider))),
        min(photo.height, int(np.ceil(box[3] + taller))),
    )


def narrowed(box: Box, margin: float) -> Box:
    """The box that `widened` makes this one of."""
    wider, taller = (margin / (1 + 2 * margin) * (box[end + 2] - box[end]) for end in (0, 1))
    return box[0] + wider, box[1] + taller, box[2] - wider, box[3] - taller


def overlap(one: Box, other: Box) -> float:
    """Intersection over union of two boxes, 0..1."""
    across = min(one[2], other[2]) - max(one[0], other[0])
    down = min(one[3], other[3]) - max(one[1], other[1])
    shared = max(0.0, across) * max(0.0, down)
    union = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)) - shared
    return shared / union if union > 0 else 0.0


def _size(box: tuple[int, int, int, int]) -> int:
    return (box[2] - box[0]) * (box[3] - box[1])
