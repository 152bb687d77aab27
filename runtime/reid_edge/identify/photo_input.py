"""What a caller may give as a photo: a file, the bytes of one, or pixels."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reid_edge.errors import PhotoError
from reid_edge.photo import Photo, decode_photo, read_photo

PhotoInput = str | os.PathLike[str] | bytes | NDArray[np.uint8] | Photo


def to_photo(photo: PhotoInput) -> Photo:
    """Read, decode or wrap a photo.

    Args:
        photo: a path; the bytes of a photo file; uint8 [H, W, 3], upright RGB; or a photo that is decoded already. The SHA-256 of pixels
            is that of their bytes, row by row.

    Raises:
        PhotoError: the file cannot be read or decoded, or the pixels have another type or shape.
    """
    if isinstance(photo, Photo):
        return photo
    if isinstance(photo, bytes):
        return decode_photo(photo, "photo")
    if not isinstance(photo, np.ndarray):
        return read_photo(Path(photo))
    if photo.dtype != np.uint8 or photo.ndim != 3 or photo.shape[2] != 3 or not photo.size:
        raise PhotoError(
            f"An array of {photo.dtype} {list(photo.shape)} is not a photo.", "Give uint8 [height, width, 3], upright RGB."
        )
    pixels = np.ascontiguousarray(photo)
    return Photo(pixels, hashlib.sha256(pixels.data).hexdigest(), "photo")
