"""The rows of a comparison that may be killed: records of one size, each with its checksum, in the cache of the working file."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_PREFIX = "pairs-"
_HEAD = struct.Struct("<II")  # checksum, number of the row


class RowsFile:
    """Rows by photo. A kill, also in the midst of a record, loses at most the photo in hand.

    Attributes:
        rows: by number of the photo, float32 [2, N].
        kept: whether they reach the disk; they are in memory only where the folder cannot be written.
    """

    def __init__(self, work: Path, key: str, photos: int) -> None:
        """Read what an earlier run with this key left; what runs with other keys left is deleted.

        Args:
            work: the working file.
            key: of all that the rows depend on, hex digits.
            photos: N.
        """
        folder = work.with_name(work.name + ".cache")
        self._path, self._photos = folder / f"{_PREFIX}{key[:32]}.bin", photos
        self.rows: dict[int, NDArray[np.float32]] = {}
        self.kept = True
        try:
            folder.mkdir(exist_ok=True)
            self._read()
            for stale in folder.glob(f"{_PREFIX}*.bin"):
                if stale != self._path:
                    stale.unlink(missing_ok=True)
        except OSError:
            self.kept = False

    def add(self, photo: int, row: NDArray[np.float32]) -> None:
        """Keep the row of a photo."""
        self.rows[photo] = row
        if self.kept:
            data = row.astype("<f4").tobytes()
            try:
                with self._path.open("ab", buffering=0) as file:
                    file.write(_HEAD.pack(zlib.crc32(data), photo) + data)
            except OSError:
                self.kept = False

    def _read(self) -> None:
        if not self._path.exists():
            return
        content, size = self._path.read_bytes(), _HEAD.size + 8 * self._photos
        whole = 0
        for start in range(0, len(content) - size + 1, size):
            checksum, photo = _HEAD.unpack_from(content, start)
            data = content[start + _HEAD.size : start + size]
            if zlib.crc32(data) != checksum or photo >= self._photos:
                break
            self.rows[photo] = np.frombuffer(data, "<f4").reshape(2, -1).astype(np.float32)
            whole = start + size
        if whole < len(content):
            with self._path.open("r+b") as file:
                file.truncate(whole)
