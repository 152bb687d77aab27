"""Raw scores of pairs of gallery photos: a file beside the gallery that grows by one record per photo, and can be made again.

A record holds one photo's scores with the photos of its own shortlist, so the table of all pairs stays sparse. Each is on the disk before
the next is computed, and one that was cut off is dropped: a run that was stopped continues.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reid_edge.errors import GalleryError, StorageError
from reid_edge.gallery.arrays import check_feature_key
from reid_edge.storage.durable import sync_file

_HEAD = np.dtype([("sighting", "<i8"), ("pairs", "<i8"), ("crc", "<i8")])


@dataclass(frozen=True)
class PhotoPairs:
    """One gallery photo and those of its shortlist.

    Attributes:
        candidates: int64 [B], sighting ids.
        raw: float32 [B, S], their scores; NaN where one was not computed.
    """

    candidates: NDArray[np.int64]
    raw: NDArray[np.float32]


class PairScoreFile:
    """The records of one gallery, for one set of networks and settings."""

    def __init__(self, gallery: Path, key: str, scores: int) -> None:
        """Nothing is read yet.

        Args:
            gallery: its file.
            key: 64 hexadecimal digits, of the networks and settings that the scores depend on.
            scores: S.
        """
        self.path = gallery.with_name(gallery.name + ".cache") / f"{check_feature_key(key)[:16]}-pairs.bin"
        self._scores = scores

    def read(self) -> Mapping[int, PhotoPairs]:
        """The records by sighting id, up to the first that is not whole.

        Raises:
            GalleryError: the file cannot be read.
        """
        return {sighting: pairs for sighting, pairs, _ in self._records()}

    def append(self, sighting: int, pairs: PhotoPairs) -> None:
        """Add a record, after the last whole one; once this returns, it is on the disk. One process writes at a time.

        Raises:
            StorageError: it cannot be written.
        """
        body = pairs.candidates.astype("<i8").tobytes() + pairs.raw.astype("<f4").tobytes()
        head = np.array([(sighting, len(pairs.candidates), zlib.crc32(body))], _HEAD).tobytes()
        try:
            with self.path.open("r+b") as file:
                file.seek(0, os.SEEK_END)
                file.write(head + body)
                file.flush()
                sync_file(file.fileno())
        except OSError as error:
            raise StorageError(
                f"{self.path} cannot be written ({error.strerror or error}).", "Free space there, then run the command again."
            ) from error

    def make_ready(self) -> None:
        """Make the file where it is missing, and cut off a record that is not whole.

        Raises:
            GalleryError, StorageError: it cannot be read or made.
        """
        whole = max((end for _, _, end in self._records()), default=0)
        try:
            self.path.parent.mkdir(exist_ok=True)
            self.path.touch()
            os.truncate(self.path, whole)
        except OSError as error:
            raise StorageError(f"{self.path} cannot be made ({error.strerror or error}).", "Free space there.") from error

    def _records(self) -> Iterator[tuple[int, PhotoPairs, int]]:
        """Sighting, record, and the place in the file where it ends."""
        try:
            content = self.path.read_bytes() if self.path.exists() else b""
        except OSError as error:
            raise GalleryError(f"{self.path} cannot be read ({error.strerror or error}).", "Check the permissions.") from error
        start, of_pair = 0, 8 + 4 * self._scores
        while start + _HEAD.itemsize <= len(content):
            head = np.frombuffer(content, _HEAD, 1, start)[0]
            begin, pairs = start + _HEAD.itemsize, int(head["pairs"])
            end = begin + pairs * of_pair
            if pairs < 0 or end > len(content) or zlib.crc32(content[begin:end]) != head["crc"]:
                return
            candidates = np.frombuffer(content, "<i8", pairs, begin).astype(np.int64)
            raw = np.frombuffer(content, "<f4", pairs * self._scores, begin + 8 * pairs).reshape(pairs, self._scores)
            yield int(head["sighting"]), PhotoPairs(candidates, raw.astype(np.float32)), end
            start = end
