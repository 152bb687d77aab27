"""Preprocessing: an image becomes a network's input, the same way in the runtime, in calibration and in the PyTorch reference."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from reid_edge.pack.manifest import Preprocessing

_INTERPOLATION = {"linear": cv2.INTER_LINEAR, "area": cv2.INTER_AREA, "cubic": cv2.INTER_CUBIC}


def to_network_input(rgb: NDArray[np.uint8], preprocessing: Preprocessing) -> NDArray[np.float32]:
    """Resize, convert and normalise one image.

    Args:
        rgb: uint8 [H, W, 3].
        preprocessing: as the pack states it for the network.

    Returns:
        float32 [1, C, h, w], C = 3 for ``rgb`` and 1 for ``grey`` (the plain mean of the three channels).
    """
    width, height = content_size(rgb.shape[1], rgb.shape[0], preprocessing)
    resized = resize(rgb, width, height, preprocessing.interpolation)
    if preprocessing.colour == "grey":
        planes = resized.mean(axis=2, dtype=np.float32)[None]
    else:
        planes = np.ascontiguousarray(resized.transpose(2, 0, 1), dtype=np.float32)
    mean = np.asarray(preprocessing.mean, np.float32).reshape(-1, 1, 1)
    std = np.asarray(preprocessing.std, np.float32).reshape(-1, 1, 1)
    content = np.asarray((planes * np.float32(preprocessing.scale) - mean) / std, np.float32)[None]
    if preprocessing.resize != "letterbox":
        return content
    return np.pad(content, ((0, 0), (0, 0), (0, preprocessing.height - height), (0, preprocessing.width - width)))


def input_size(width: int, height: int, preprocessing: Preprocessing) -> tuple[int, int]:
    """The (width, height) in pixels that an image of this size has as a network's input."""
    if preprocessing.resize in ("stretch", "letterbox"):
        return preprocessing.width, preprocessing.height
    return content_size(width, height, preprocessing)


def content_size(width: int, height: int, preprocessing: Preprocessing) -> tuple[int, int]:
    """The (width, height) in pixels of the part of the input that the image fills, from the upper left corner on: all of it, but
    for a letterbox.
    """
    if preprocessing.resize == "stretch":
        return preprocessing.width, preprocessing.height
    if preprocessing.resize == "letterbox":
        fit = min(preprocessing.width / width, preprocessing.height / height)
        return max(1, round(width * fit)), max(1, round(height * fit))
    scale = preprocessing.width / max(width, height)
    multiple = preprocessing.multiple
    return (
        max(multiple, round(width * scale / multiple) * multiple),
        max(multiple, round(height * scale / multiple) * multiple),
    )


def resize(image: NDArray[np.uint8], width: int, height: int, interpolation: str) -> NDArray[np.uint8]:
    """Resize to exactly (width, height) pixels; ``area`` enlarges linearly, because averaging over areas only shrinks."""
    if (image.shape[1], image.shape[0]) == (width, height):
        return image
    flag = _INTERPOLATION[interpolation]
    if flag == cv2.INTER_AREA and (width > image.shape[1] or height > image.shape[0]):
        flag = cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (width, height), interpolation=flag), np.uint8)
