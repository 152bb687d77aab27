"""How good a picture of an animal is: what makes any comparison with it more or less telling."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

QUALITY = ("sharpness", "size", "contrast")
"""What `quality_of` measures, in this order."""
LONG_SIDE = 256
"""Sharpness and contrast are of the crop at this size, the size at which details of a coat are compared; smaller crops are not enlarged."""


def quality_of(crop: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Measure one animal.

    Sharpness is the natural logarithm of 1 + the variance of the Laplacian (Pech-Pacheco et al. 2000), size that of the crop's long side
    in pixels, contrast the standard deviation of the grey levels, of 255; sharpness and contrast on the animal alone.

    Args:
        crop: uint8 [h, w, 3], RGB.
        mask: bool [h, w], True on the animal.

    Returns:
        float32 [3], in the order of QUALITY.
    """
    height, width = crop.shape[:2]
    scale = min(1.0, LONG_SIDE / max(height, width))
    to = (max(1, round(width * scale)), max(1, round(height * scale)))
    grey = cv2.cvtColor(cv2.resize(crop, to, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    inside = cv2.resize(mask.astype(np.uint8), to, interpolation=cv2.INTER_NEAREST) > 0
    if not inside.any():
        inside[:] = True
    laplacian = cv2.Laplacian(grey, cv2.CV_32F)[inside]
    return np.array([np.log1p(laplacian.var()), np.log(max(height, width)), grey[inside].std() / 255], np.float32)
