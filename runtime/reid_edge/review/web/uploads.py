"""A photo that was sent in: it is written to a temporary file, and decoded in the process that photos of strangers are decoded in."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from reid_edge.photo import Photo
from reid_edge.review.reading import PhotoReader
from reid_edge.storage.errors import storage_errors


def read_upload(file: BinaryIO, name: str, reader: PhotoReader) -> Photo:
    """The photo of a file that was sent in; nothing of it stays on the disk.

    Args:
        file: its bytes.
        name: for people; it is never used as a path.
        reader: decodes it.

    Raises:
        PhotoError: it is no photo that can be decoded.
        StorageError: the folder for temporary files is full.
    """
    with (
        storage_errors("keep a photo in the folder for temporary files"),
        tempfile.TemporaryDirectory(prefix="reid-edge-") as folder,
    ):
        place = Path(folder) / "photo"
        with place.open("wb") as copy:
            shutil.copyfileobj(file, copy)
        return replace(reader.read(place), name=name, path=None)
