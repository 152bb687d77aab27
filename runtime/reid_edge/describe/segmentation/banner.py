"""The banner that a camera trap prints into every photo: a strip of one colour at an edge, with the maker's sign, time and temperature.

A sign stands out, and would be taken for an animal.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from reid_edge.describe.segmentation.animal import Region

# Columns that a photo is looked at with; text and compression change few of them to other colours than the strip's.
_COLUMNS = 256
# A row of the strip has this share of its pixels within so many levels of black or white; the rows beside the strip have fewer.
_SHARE, _LEVELS = 0.5, 24
# What lies in the strip with this share of its height belongs to it: a maker's sign may stand out of it.
_INSIDE = 0.4


@dataclass(frozen=True)
class Banner:
    """Where a photo's banners are: the height of those at the upper and the lower edge, as shares of the frame; 0 for none."""

    top: float
    bottom: float

    def holds(self, region: Region) -> bool:
        """Whether what was found is a part of the banner."""
        upper, lower = region.box[1] / region.cells[1], region.box[3] / region.cells[1]
        inside = max(0.0, min(lower, self.top) - upper) + max(0.0, lower - max(upper, 1 - self.bottom))
        return inside >= _INSIDE * (lower - upper)


def find_banner(rgb: NDArray[np.uint8], tallest: float) -> Banner | None:
    """The banners of a photo; None where it has none.

    Args:
        rgb: uint8 [H, W, 3], upright.
        tallest: no taller than this share of the photo; what goes on further is sky, snow or night.
    """
    rows = int(np.ceil(tallest * len(rgb)))
    found = Banner(*(_height(edge) / len(rgb) for edge in (rgb[: rows + 1], rgb[: -rows - 2 : -1])))
    return found if found.top or found.bottom else None


def _height(edge: NDArray[np.uint8]) -> int:
    """The rows of the strip at the beginning of an edge; 0 where there is none, or it goes on to the end."""
    narrow = np.ascontiguousarray(edge[:, :: max(1, edge.shape[1] // _COLUMNS)])
    grey = cv2.cvtColor(narrow, cv2.COLOR_RGB2GRAY)
    for extreme in (grey <= _LEVELS, grey >= 255 - _LEVELS):
        beside = np.flatnonzero(extreme.mean(axis=1) < _SHARE)
        if len(beside) and beside[0]:
            return int(beside[0])
    return 0
