"""What is being answered, noted where the next process finds it: a photo that kills the daemon must not kill it for ever.

A network may take all memory or crash the process; then nothing is left to note it. So the note is made before. It is written in place
and not synced: what a process wrote outlasts its end without that, and a power cut, which is not the photo's fault, does not count.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

from reid_edge.gallery.connection import translated

_BYTES = 64


class UnderWork:
    """A small file with the id of the ledger's file that is being answered."""

    def __init__(self, path: Path) -> None:
        """Open it, made where there is none.

        Raises:
            StorageError: it cannot be opened.
        """
        self._path = path
        self._boot = _boot_id()
        self._turn = threading.Lock()
        with translated(path):
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def left_over(self) -> int | None:
        """The id of the file that a process was answering when it died, told once; None where none did, or the machine itself went down.

        Raises:
            StorageError: it cannot be read or written.
        """
        with translated(self._path):
            boot, _, number = os.pread(self._file, _BYTES, 0).decode("ascii", "replace").strip().partition(" ")
        self.end()
        return int(number) if boot == self._boot and number.isdecimal() else None

    def begin(self, file_id: int) -> None:
        """A file's answer begins.

        Raises:
            StorageError: it cannot be noted.
        """
        self._write(f"{self._boot} {file_id}")

    def end(self) -> None:
        """It is answered, or failed in a way that the daemon survived; errors as `begin`."""
        self._write("")

    def close(self) -> None:
        """The process ends by its own will, maybe in the middle of an answer, which is no photo's fault. From any thread; nothing is noted
        from now on."""
        with self._turn:
            if self._file >= 0:
                os.pwrite(self._file, b" " * _BYTES, 0)
                os.close(self._file)
                self._file = -1

    def _write(self, text: str) -> None:
        with self._turn, translated(self._path):
            if self._file >= 0:
                os.pwrite(self._file, text.encode().ljust(_BYTES), 0)


def _boot_id() -> str:
    """Changes when the machine starts (random(4)); '-' where the kernel does not tell."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return "-"
