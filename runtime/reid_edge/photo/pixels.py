"""Pixels: what OpenCV decodes, brought to upright 8-bit RGB.

What differs between versions of OpenCV (4.9 to 5.0) is defined here:

- EXIF orientation is applied once: OpenCV turns a TIFF by itself and, asked for unchanged pixels, no other format.
- 16-bit samples are scaled to 8 bits and rounded, not cut.
- Transparent parts of PNG, WebP and HEIC are laid over mid-grey, which sets no bright or dark edge around an animal that was cut out.
  The fourth channel of TIFF and BMP is dropped: those formats do not define that it is transparency, and OpenCV does not always return it.
- CMYK is OpenCV's own conversion, which takes every CMYK JPEG as inverted, as Adobe writes it and browsers read it.
- Colour profiles are not applied.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

_FORMATS_WITH_ALPHA = ("PNG", "WebP", "HEIC")
_BACKGROUND = 128
_BAND_ROWS = 256  # composited at a time, so that the 16-bit products stay small
_TO_RGB = {1: cv2.COLOR_GRAY2RGB, 3: cv2.COLOR_BGR2RGB, 4: cv2.COLOR_BGRA2RGB}


def silence_opencv() -> None:
    """Keep OpenCV, and FFmpeg inside it, from printing: callers report a broken file better. The setting is that of the whole process."""
    set_log_level = getattr(cv2, "setLogLevel", None) or cv2.utils.logging.setLogLevel  # OpenCV 4 and 5
    set_log_level(0)
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")


def decode_samples(data: bytes) -> NDArray[Any] | None:
    """Samples as the file holds them, [H, W] grey or [H, W, 3 or 4] in the order BGR(A); None where OpenCV cannot decode them.

    Raises:
        MemoryError: the picture does not fit into memory.
    """
    silence_opencv()
    try:
        return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        if error.code == cv2.Error.StsNoMem:
            raise MemoryError from None
        return None


def to_eight_bits(samples: NDArray[Any]) -> NDArray[np.uint8]:
    """Samples of 8 or 16 bits to uint8, rounded; 65535 becomes 255."""
    if samples.dtype == np.uint16:
        samples = cv2.convertScaleAbs(samples, alpha=255 / 65535)
    return np.asarray(samples, dtype=np.uint8)


def is_transparent(samples: NDArray[np.uint8], kind: str) -> bool:
    """Whether a picture of the format `kind` has a part that is not opaque."""
    return kind in _FORMATS_WITH_ALPHA and _channels(samples) == 4 and bool(samples[..., 3].min() < 255)


def over_grey(bgra: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Lay straight (not premultiplied) alpha over mid-grey, rounded: uint8 [H, W, 4] to [H, W, 3]."""
    bgr = np.empty((*bgra.shape[:2], 3), np.uint8)
    for top in range(0, len(bgra), _BAND_ROWS):
        band = bgra[top : top + _BAND_ROWS].astype(np.uint16)
        alpha = band[..., 3:]
        bgr[top : top + _BAND_ROWS] = (band[..., :3] * alpha + _BACKGROUND * (255 - alpha) + 127) // 255
    return bgr


def to_rgb(samples: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Grey, BGR or BGRA, whose alpha is dropped, to uint8 [H, W, 3] RGB."""
    return np.asarray(cv2.cvtColor(samples, _TO_RGB[_channels(samples)]), dtype=np.uint8)


def turn_upright(stored: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Apply an EXIF orientation, 1 to 8: where the stored first row and column lie in the scene (Exif 2.32, 4.6.4, tag 274)."""
    return np.ascontiguousarray(_UPRIGHT[orientation](stored), dtype=np.uint8)


def _channels(samples: NDArray[np.uint8]) -> int:
    return 1 if samples.ndim == 2 else int(samples.shape[2])


_UPRIGHT: dict[int, Callable[[NDArray[Any]], NDArray[Any]]] = {
    1: lambda stored: stored,
    2: lambda stored: cv2.flip(stored, 1),
    3: lambda stored: cv2.rotate(stored, cv2.ROTATE_180),
    4: lambda stored: cv2.flip(stored, 0),
    5: lambda stored: cv2.transpose(stored),
    6: lambda stored: cv2.rotate(stored, cv2.ROTATE_90_CLOCKWISE),
    7: lambda stored: cv2.flip(cv2.transpose(stored), -1),
    8: lambda stored: cv2.rotate(stored, cv2.ROTATE_90_COUNTERCLOCKWISE),
}
