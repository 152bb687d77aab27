"""Pixels as a small JPEG, for thumbnails, reports and the review page, and back."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def small_jpeg(rgb: NDArray[np.uint8], long_side: int, quality: int) -> bytes:
    """A JPEG of pixels, made smaller where it would be larger.

    Args:
        rgb: uint8 [H, W, 3].
        long_side: pixels that the longer side has at most.
        quality: of the JPEG, 0..100.
    """
    height, width = rgb.shape[:2]
    scale = min(1.0, long_side / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA) if scale < 1 else rgb
    _, encoded = cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return encoded.tobytes()


def read_jpeg(jpeg: bytes) -> NDArray[np.uint8]:
    """The pixels of a JPEG that `small_jpeg` wrote: uint8 [H, W, 3]."""
    bgr = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert bgr is not None
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)
