"""Photos to compare and to calibrate on, as small as any network needs them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reid_edge.engines.network_input import resize
from reid_edge.photo import read_photo

LARGEST_SIDE = 2048
"""Pixels: twice the input of the network that takes the largest. A hundred photos of 24 megapixels would fill 9 GB."""


def read_image(path: Path) -> NDArray[np.uint8]:
    """The photo of a file, uint8 [H, W, 3], RGB, its longer side at most `LARGEST_SIDE` pixels.

    Raises:
        PhotoError: it cannot be read.
    """
    rgb = read_photo(path).rgb
    height, width = rgb.shape[:2]
    scale = LARGEST_SIDE / max(height, width)
    return rgb if scale >= 1 else resize(rgb, max(1, round(width * scale)), max(1, round(height * scale)), "area")
