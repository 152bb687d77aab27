"""Keep a small grey picture of an animal, for matchers that look at pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reid_edge.describe.orientation import Chip
from reid_edge.engines.network_input import resize
from reid_edge.recipe import Extract


def take_picture(chip: Chip, settings: Extract) -> NDArray[np.uint8]:
    """A grey picture of the chip, stretched to `settings.size` x `settings.size` pixels.

    Args:
        chip: the animal as it is turned.
        settings: the size, and whether what is not the animal, nor within the margin around it, is black.

    Returns:
        uint8 [S, S], the plain mean of the three channels, rounded.
    """
    rgb = chip.rgb
    if settings.mask:
        rgb = rgb * chip.mask_at(*chip.size, settings.mask_margin)[:, :, None]
    small = resize(rgb, settings.size, settings.size, "area")
    return np.asarray(np.rint(small.mean(axis=2, dtype=np.float32)), np.uint8)
