"""Small photos, each with bytes of its own: frames without an animal, and frames with one of a few individuals."""

from __future__ import annotations

import hashlib
import struct
from datetime import datetime, timedelta

import cv2
import numpy as np
from numpy.typing import NDArray

INDIVIDUALS = ("Amani", "Bahati", "Chausiku", "Dalila")
_WIDTH, _HEIGHT, _CELLS = 96, 72, 4
_FIRST_SECOND = datetime(2026, 3, 1, 6, 0, 0)


def sha256(content: bytes) -> str:
    """What a photo is known by."""
    return hashlib.sha256(content).hexdigest()


def photo(number: int, individual: str | None = None, taken_second: int | None = None) -> bytes:
    """The JPEG of a photo: the same for the same arguments, another content for another number.

    Args:
        number: seeds the noise.
        individual: who is on it, one of `INDIVIDUALS`; None for an empty frame.
        taken_second: seconds after the first photo, by the camera's clock, written as EXIF; None for a camera that notes no time.
    """
    generator = np.random.default_rng(number)
    rgb = generator.integers(10, 60, (_HEIGHT, _WIDTH, 3), np.uint8)
    if individual is not None:
        x, y = (int(generator.integers(4, 28)), int(generator.integers(4, 20)))
        animal = _pattern(individual, 48).astype(np.int16) + generator.integers(-6, 7, (48, 48, 3))
        rgb[y : y + 48, x : x + 48] = np.clip(animal, 0, 255).astype(np.uint8)
    return with_exif(_jpeg(rgb), None if taken_second is None else _FIRST_SECOND + timedelta(seconds=taken_second))


def frames(count: int, animal_every: int = 4, first: int = 0, seconds_apart: int = 20) -> list[bytes]:
    """A camera's photos in the order they were taken; one of every so many shows an animal, the individuals take turns."""
    shown = [
        INDIVIDUALS[number // animal_every % len(INDIVIDUALS)] if number % animal_every == 0 else None
        for number in range(first, first + count)
    ]
    return [photo(first + index, who, (first + index) * seconds_apart) for index, who in enumerate(shown)]


def with_exif(jpeg: bytes, taken_at: datetime | None) -> bytes:
    """The JPEG with DateTimeOriginal (Exif 2.32, tag 0x9003) in front of everything else."""
    if taken_at is None:
        return jpeg
    text = taken_at.strftime("%Y:%m:%d %H:%M:%S").encode() + b"\0"
    first = struct.pack("<HHHIII", 1, 0x8769, 4, 1, 26, 0)  # one entry: the Exif directory begins at byte 26
    directory = struct.pack("<HHHIII", 1, 0x9003, 2, len(text), 44, 0)
    block = b"Exif\0\0II*\0" + struct.pack("<I", 8) + first + directory + text
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + jpeg[2:]


def _pattern(individual: str, size: int) -> NDArray[np.uint8]:
    """Bright cells in colours of its own; the mean of each stays above the threshold of saliency."""
    generator = np.random.default_rng(int.from_bytes(hashlib.sha256(individual.encode()).digest()[:8], "little"))
    cells = generator.integers(130, 256, (_CELLS, _CELLS, 3)).astype(np.uint8)
    cells[..., 0] = np.maximum(cells[..., 0], 200)
    return np.repeat(np.repeat(cells, size // _CELLS, axis=0), size // _CELLS, axis=1)


def _jpeg(rgb: NDArray[np.uint8]) -> bytes:
    done, encoded = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 90])
    assert done
    return encoded.tobytes()
