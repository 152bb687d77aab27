"""A saliency map becomes animals: its connected parts that are large enough."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from reid_edge.describe.segmentation.animal import Region
from reid_edge.describe.segmentation.banner import Banner
from reid_edge.recipe import Segment


def salient_regions(
    whole: NDArray[np.float32], input_height: int, content: tuple[int, int], settings: Segment, banner: Banner | None = None
) -> list[Region]:
    """The animals on a saliency map, largest first; none where the map never reaches `settings.min_contrast`.

    Args:
        whole: float32 [h, w], 0..1, over the whole input.
        input_height: pixels of the input.
        content: (width, height) of the photo in pixels of the input, whose upper left corner it fills.
        settings: thresholds.
        banner: of the photo; a part that lies in it counts as nothing.
    """
    cells = content[0] * len(whole) / input_height, content[1] * len(whole) / input_height
    saliency = whole[: int(np.ceil(cells[1])), : int(np.ceil(cells[0]))]
    if float(saliency.max()) < settings.min_contrast:
        return []
    foreground = (saliency >= settings.threshold).astype(np.uint8)
    count, labels, statistics, _ = cv2.connectedComponentsWithStats(foreground)
    areas = statistics[1:count, cv2.CC_STAT_AREA]
    if banner:
        areas = np.where([banner.holds(_region(labels == 1 + part, cells)) for part in range(len(areas))], 0, areas)
    order = np.argsort(-areas, kind="stable")[: settings.max_animals]
    smallest = max(settings.min_area * saliency.size, settings.min_relative_area * (areas.max() if len(areas) else 0))
    return [_region(labels == 1 + part, cells) for part in order if areas[part] >= smallest and areas[part] > 0]


def _region(part: NDArray[np.bool_], cells: tuple[float, float]) -> Region:
    rows, columns = np.flatnonzero(part.any(axis=1)), np.flatnonzero(part.any(axis=0))
    box = (columns[0], rows[0], min(columns[-1] + 1, cells[0]), min(rows[-1] + 1, cells[1]))
    return Region(part.astype(np.float32), 0.5, box, cells, float(part.mean()))
