"""A folder of a limited size for thumbnails and reports: the oldest files are deleted first.

Such a folder holds only files that can be spared. Age is the order of writing, which the file names hold, not the device's clock.
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
    """A folder of numbered files; the oldest are deleted when they take too many bytes.

    Attributes:
        folder: its path. Files with other names in it are neither counted nor touched.
        keep_bytes: the limit; may be changed. 0 keeps nothing.
        bytes: the current size.
    """

    def __init__(self, folder: Path, keep_bytes: int) -> None:
        """Create or read the folder, delete unfinished files of a killed process, and trim it to its limit.

        Raises:
            StorageError: the folder cannot be created or read.
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
        """Write a file, which appears whole or not at all. Older files are deleted for it, also when the disk is full.

        Args:
            name: its name after the number, such as `asha.jpg`.
            data: its content.

        Returns:
            Its path; None where it alone exceeds the limit.

        Raises:
            StorageError: the disk is full of other files, or fails.
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

    def holds(self, name: str) -> bool:
        """Whether a file of this name, after the number, is kept."""
        return any(file.path.name.partition("-")[2] == name for file in self._files)

    def trim(self, more: int = 0) -> None:
        """Delete the oldest files until `more` bytes fit.

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
