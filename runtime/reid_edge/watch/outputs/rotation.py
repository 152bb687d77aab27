"""Keeping what the daemon makes for looking at, thumbnails and reports, within a number of bytes: the oldest go first.

Nothing that is the only one of its kind is kept in such a folder. Age is the order in which the files were made, which their names
tell, and not the device's clock.
"""

from __future__ import annotations

import errno
import re
from dataclasses import dataclass
from pathlib import Path

from reid_edge.storage.durable import TEMPORARY, replacing
from reid_edge.storage.errors import file_errors

_NUMBERED = re.compile(r"(\d{9,})-.+")


@dataclass(frozen=True)
class _File:
    number: int
    path: Path
    bytes: int


class RotatingFolder:
    """A folder of numbered files, of which the oldest are deleted when there are too many bytes.

    Attributes:
        folder: where they lie; files of other names in it are neither counted nor touched.
        keep_bytes: how many bytes there may be; may be changed. 0 keeps nothing.
        bytes: how many there are.
    """

    def __init__(self, folder: Path, keep_bytes: int) -> None:
        """Make the folder where it is missing, look what is there, take unfinished files of a kill away, and bring it within its bytes.

        Raises:
            StorageError: the folder cannot be made or read.
        """
        self.folder = folder
        self.keep_bytes = keep_bytes
        self._files: list[_File] = []
        with file_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            for path in folder.iterdir():
                numbered = _NUMBERED.fullmatch(path.name)
                if numbered and path.name.endswith(TEMPORARY):
                    path.unlink(missing_ok=True)
                elif numbered and path.is_file() and not path.is_symlink():
                    self._files.append(_File(int(numbered[1]), path, path.stat().st_size))
        self._files.sort(key=lambda file: (file.number, file.path.name))
        self.bytes = sum(file.bytes for file in self._files)
        self._number = self._files[-1].number if self._files else 0
        self.trim()

    def add(self, name: str, data: bytes) -> Path | None:
        """Write a file, which appears whole or not at all; older ones go for it, also where the disk is full.

        Args:
            name: its name behind the number: `asha.jpg`.
            data: its bytes.

        Returns:
            Where it is; None where it alone is more than may be kept.

        Raises:
            StorageError: the disk is full of other things, or fails.
        """
        if len(data) > self.keep_bytes:
            return None
        self.trim(len(data))
        self._number += 1
        path = self.folder / f"{self._number:09d}-{name}"
        while True:
            try:
                with replacing(path, durable=False) as file:
                    file.write(data)
                break
            except OSError as error:
                if error.errno not in (errno.ENOSPC, errno.EDQUOT) or not self._files:
                    with file_errors(path):
                        raise
                self._delete_oldest()
        self._files.append(_File(self._number, path, len(data)))
        self.bytes += len(data)
        return path

    def trim(self, more: int = 0) -> None:
        """Delete the oldest until `more` bytes fit in.

        Raises:
            StorageError: one cannot be deleted.
        """
        while self._files and self.bytes + more > self.keep_bytes:
            self._delete_oldest()

    def _delete_oldest(self) -> None:
        oldest = self._files[0]
        with file_errors(oldest.path):
            oldest.path.unlink(missing_ok=True)
        del self._files[0]
        self.bytes -= oldest.bytes
