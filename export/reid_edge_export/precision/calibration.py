"""The user's photos for the int8 calibration, identified by a hash in the exported file."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reid_edge_export.photos import read_image


@dataclass(frozen=True)
class Calibration:
    """Photos to calibrate on.

    Attributes:
        images: uint8 [H, W, 3], RGB.
        sha256: over the names and contents of their files, in hex.
    """

    images: Sequence[NDArray[np.uint8]]
    sha256: str


def read_calibration(paths: Sequence[Path]) -> Calibration:
    """The photos of these files, in this order.

    Raises:
        PhotoError: one cannot be read.
    """
    digest = hashlib.sha256()
    images = []
    for path in paths:
        images.append(read_image(path))
        digest.update(f"{path.name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return Calibration(images, digest.hexdigest())
