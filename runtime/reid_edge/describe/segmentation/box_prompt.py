"""The prompt for a network that outlines what is inside a box: the middle of the photo, where the animal is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CENTRE = 0.9
"""The box covers this share of the photo's width and height."""


def centre_box(content: tuple[int, int]) -> NDArray[np.float32]:
    """The box around the middle of the photo as the network's input ``box``.

    Args:
        content: (width, height) of the photo in pixels of the input, whose upper left corner it fills.

    Returns:
        float32 [1, 4], (x0, y0, x1, y1) in pixels of the input.
    """
    width, height = content
    edge = (1 - CENTRE) / 2
    return np.array([[edge * width, edge * height, (1 - edge) * width, (1 - edge) * height]], np.float32)
