"""Arrays as bytes with a checksum: how a feature is stored, and checked when it is read."""

from __future__ import annotations

import json
import math
import re
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid_edge.errors import GalleryError

DTYPES = ("float32", "float16", "uint8", "int32", "int64", "bool")
_KEY = re.compile(r"[0-9a-f]{8,64}")
_NAME = re.compile(r"(?=.{1,120}\Z)[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")


@dataclass(frozen=True)
class StoredArray:
    """An array as the gallery stores it: dtype name, shape as JSON, CRC-32 of the bytes, little-endian bytes in C order."""

    dtype: str
    shape: str
    crc32: int
    data: bytes


def to_stored(name: str, array: NDArray[Any]) -> StoredArray:
    """The stored form of one feature.

    Raises:
        GalleryError: a dtype that is not one of DTYPES, or a float that is not finite.
    """
    if array.dtype.name not in DTYPES:
        raise GalleryError(
            f"The feature {name!r} has dtype {array.dtype}; a gallery stores {', '.join(DTYPES)}.", "Convert it first."
        )
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise GalleryError(
            f"The feature {name!r} holds values that are not finite.", "The network that made it is broken: verify the pack."
        )
    data = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
    return StoredArray(array.dtype.name, json.dumps(list(array.shape)), zlib.crc32(data), data)


def from_stored(stored: StoredArray) -> NDArray[Any]:
    """The array, read-only.

    Raises:
        GalleryError: it is damaged.
    """
    problem = damage(stored)
    if problem:
        raise GalleryError(f"A feature of the gallery is damaged: {problem}.", "Run `reid-edge gallery check`.")
    shape: tuple[int, ...] = tuple(json.loads(stored.shape))
    array: NDArray[Any] = np.ndarray(shape, np.dtype(stored.dtype).newbyteorder("<"), stored.data)
    return array


def damage(stored: StoredArray) -> str:
    """What is wrong with a stored array; '' where it is whole."""
    if stored.dtype not in DTYPES:
        return f"its dtype is {stored.dtype!r}"
    try:
        shape = json.loads(stored.shape)
    except (TypeError, ValueError):
        return f"its shape is {stored.shape!r}"
    if not isinstance(shape, list) or not all(type(side) is int and side >= 0 for side in shape):
        return f"its shape is {stored.shape!r}"
    expected = math.prod(shape) * np.dtype(stored.dtype).itemsize
    if not isinstance(stored.data, bytes) or len(stored.data) != expected:
        return f"it has {len(stored.data)} bytes where {stored.dtype} {stored.shape} has {expected}"
    return "" if zlib.crc32(stored.data) == stored.crc32 else "its checksum is wrong"


def check_feature_key(key: str) -> str:
    """The key itself; GalleryError where it is not 8 to 64 hex digits."""
    if not _KEY.fullmatch(key):
        raise GalleryError(
            f"{key!r} is not a feature key.", "It is the hash of the part of a pack that makes features, 8 to 64 hex digits."
        )
    return key


def check_feature_name(name: str) -> str:
    """The name itself; GalleryError where it is not words joined by `/`, as in `keypoints/xfeat/xy`."""
    if not _NAME.fullmatch(name):
        raise GalleryError(
            f"{name!r} is not a feature name.",
            "Use letters, digits, `-`, `_` and `.` in words joined by `/`: keypoints/xfeat/xy.",
        )
    return name
