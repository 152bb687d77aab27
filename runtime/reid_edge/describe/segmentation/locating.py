"""Boxes first, outlines second: a cheap network finds the animals on the frame, another one outlines each inside its box."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from reid_edge.describe.segmentation.animal import Animal, Region, cut_out, whole_frame
from reid_edge.describe.segmentation.finding import find_regions
from reid_edge.describe.segmentation.given_boxes import Box, animals_in_boxes, widened
from reid_edge.engines import Engine
from reid_edge.pack.manifest import Preprocessing
from reid_edge.photo import Photo
from reid_edge.recipe import Segment


def locate_animals(
    photo: Photo, locator: tuple[Engine, Preprocessing], outliner: tuple[Engine, Preprocessing], settings: Segment
) -> list[Animal]:
    """Find the largest animals; the whole frame where there is none. Where nothing stands out inside a box, the box is the animal.

    Args:
        photo: upright.
        locator: finds the boxes, see `reid_edge.describe.segmentation.finding.find_animals`.
        outliner: outlines what is inside a box.
        settings: thresholds, see `Segment`.

    Returns:
        At least one animal, largest first.

    Raises:
        EngineError: a network failed.
    """
    located = find_regions(photo, *locator, replace(settings, min_contrast=settings.locator_score))
    boxes = [_on_photo(region, photo) for region in located]
    if not settings.locator_margin:
        return animals_in_boxes(photo, boxes, outliner, settings) or [whole_frame(photo)]
    animals = [_drawn_anew(photo, box, outliner, settings) for box in boxes]
    animals.sort(key=lambda animal: -animal.area)
    return [replace(animal, index=index) for index, animal in enumerate(animals)] or [whole_frame(photo)]


def _drawn_anew(photo: Photo, box: Box, outliner: tuple[Engine, Preprocessing], settings: Segment) -> Animal:
    """The animal whose outline the network finds around this box; what is in the box itself where it finds none."""
    x0, y0, x1, y1 = widened(box, settings.locator_margin, photo)
    part = replace(photo, rgb=np.ascontiguousarray(photo.rgb[y0:y1, x0:x1]))
    regions = find_regions(part, *outliner, replace(settings, banner=0.0))
    if not regions:
        (animal,) = animals_in_boxes(photo, [box], None, settings)
        return animal
    animal = cut_out(part, regions[0], 0, settings.margin)
    left, top, right, bottom = animal.box
    area = float(animal.mask.sum()) / (photo.width * photo.height)
    return replace(animal, box=(left + x0, top + y0, right + x0, bottom + y0), area=area)


def _on_photo(region: Region, photo: Photo) -> Box:
    across, down = photo.width / region.cells[0], photo.height / region.cells[1]
    left, top, right, bottom = region.box
    return left * across, top * down, right * across, bottom * down
