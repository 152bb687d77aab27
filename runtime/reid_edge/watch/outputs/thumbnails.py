"""A small picture of each answered animal. A thumbnail that cannot be written is logged and does not stop the daemon."""

from __future__ import annotations

import logging
from pathlib import Path

from reid_edge.errors import ReidEdgeError
from reid_edge.identify.new_sighting import thumbnail
from reid_edge.photo import Photo
from reid_edge.storage.errors import file_errors
from reid_edge.watch.answer.answering import PhotoAnswer
from reid_edge.watch.outputs.rotation import RotatingFolder

THUMBNAILS = "thumbnails"

log = logging.getLogger(__name__)


class Thumbnails:
    """JPEGs in a folder that is created with the first one; the oldest are deleted when they take too many bytes."""

    def __init__(self, folder: Path) -> None:
        self._path = folder
        self._folder: RotatingFolder | None = None

    def keep(self, photo: Photo, answer: PhotoAnswer, keep_bytes: int) -> None:
        """Keep one of each animal of a photo, where `keep_bytes` is not 0; a failure is logged."""
        if not keep_bytes or not answer.described:
            return
        try:
            if self._folder is None:
                self._folder = RotatingFolder(self._path, keep_bytes)
            self._folder.keep_bytes = keep_bytes
            for described in answer.described:
                self._folder.add(_name(photo.sha256, described.animal.index), thumbnail(described.animal.crop))
        except ReidEdgeError as error:
            log.warning("A thumbnail could not be written: %s", error.message)


def find_thumbnail(folder: Path, sha256: str, index: int) -> bytes | None:
    """The thumbnail of one animal of a photo; None where it is no longer kept.

    Raises:
        StorageError: it cannot be read.
    """
    with file_errors(folder):
        return next((path.read_bytes() for path in folder.glob(f"*-{_name(sha256, index)}")), None)


def _name(sha256: str, index: int) -> str:
    return f"{sha256[:16]}-{index}.jpg"
