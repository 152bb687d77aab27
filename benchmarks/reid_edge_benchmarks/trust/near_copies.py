"""Near-copies of a photo, such as a burst of the camera gives: cut a little closer, darker or brighter, saved again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from reid_edge.errors import StorageError
from reid_edge.gallery.enrolment_list import Enrolment
from reid_edge.photo import read_photo
from reid_edge_calibration.progress import Progress

_SIDE = (0.85, 0.98)  # of the photo's sides that a cut keeps
_BRIGHTNESS = (0.75, 1.3)
_QUALITY = (45, 95)  # of JPEG


def write_near_copies(photos: Sequence[Enrolment], count: int, folder: Path, progress: Progress) -> list[Enrolment]:
    """Write near-copies of these photos in turn; a copy that is in the folder already is kept.

    Args:
        photos: of one individual.
        count: how many.
        folder: is created.
        progress: wraps an iterable and a word for it.

    Returns:
        the copies, each labelled as the photo that it was made of.

    Raises:
        PhotoError: a photo cannot be read.
        StorageError: a copy cannot be written.
    """
    copies = []
    for number in progress(range(count), "Making near-copies"):
        source, path = photos[number % len(photos)], folder / f"{number:03d}.jpg"
        if not path.exists():
            _write(path, *near_copy(read_photo(source.path).rgb, number))
        copies.append(replace(source, path=path))
    return copies


def near_copy(rgb: NDArray[np.uint8], seed: int) -> tuple[NDArray[np.uint8], int]:
    """Another picture of the same moment.

    Args:
        rgb: uint8 [H, W, 3].
        seed: of the cut, the brightness and the quality.

    Returns:
        uint8 [h, w, 3], and the quality to save it with as JPEG, 1..100.
    """
    random = np.random.default_rng(seed)
    height, width = rgb.shape[:2]
    h, w = (max(1, round(side * random.uniform(*_SIDE))) for side in (height, width))
    y, x = int(random.integers(height - h + 1)), int(random.integers(width - w + 1))
    bright = np.clip(rgb[y : y + h, x : x + w] * random.uniform(*_BRIGHTNESS), 0, 255)
    return np.ascontiguousarray(bright.astype(np.uint8)), int(random.integers(*_QUALITY))


def _write(path: Path, rgb: NDArray[np.uint8], quality: int) -> None:
    _, encoded = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded.tobytes())
    except OSError as error:
        raise StorageError(f"{path} cannot be written ({error.strerror or error}).", "Free space there.") from error
