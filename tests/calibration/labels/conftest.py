"""Labels of photos that are really there: smooth random pictures, which perceptual hashes can tell apart."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest


def _picture(seed: int) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    return cv2.resize(coarse, (320, 240), interpolation=cv2.INTER_CUBIC)


@pytest.fixture
def picture() -> Callable[[int], np.ndarray]:
    """picture(7): the seventh picture, BGR uint8 [240, 320, 3]."""
    return _picture


@pytest.fixture
def draw(tmp_path: Path) -> Callable[..., Path]:
    """draw("Ada/1.jpg", 7): the seventh picture as a file of the temporary folder; other names of a seed are other files of it."""

    def drawn(name: str, seed: int, quality: int = 95) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        coded, data = cv2.imencode(path.suffix, _picture(seed), [cv2.IMWRITE_JPEG_QUALITY, quality])
        assert coded
        path.write_bytes(data.tobytes())
        return path

    return drawn


def _exif(date_time_original: bytes) -> bytes:
    """A JPEG segment: a TIFF header, a directory that names the EXIF directory at 26, and in that one the text at 44."""
    tiff = struct.pack("<2sHI", b"II", 42, 8) + struct.pack("<HHHIII", 1, 0x8769, 4, 1, 26, 0)
    tiff += struct.pack("<HHHIII", 1, 0x9003, 2, 20, 44, 0) + date_time_original + b"\0"
    block = b"Exif\0\0" + tiff
    return b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block


@pytest.fixture
def note_date() -> Callable[[Path, str], None]:
    """note_date(path, "2021:05:06 07:08:09"): as a camera does, in the EXIF block of a JPEG file."""

    def noted(path: Path, text: str) -> None:
        data = path.read_bytes()
        path.write_bytes(data[:2] + _exif(text.encode()) + data[2:])

    return noted
