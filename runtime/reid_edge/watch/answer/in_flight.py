"""The photo that is being answered, marked where the next process finds it: a photo that kills the daemon must not kill it for ever.

A network may take all memory or crash the process; then nothing is left to note it. So the note is made before. It is written in place
and not synced: what a process wrote outlasts its end without that, and a power cut, which is not the photo's fault, does not count.
Where processes die of different photos and none is answered in between, the engine is at fault, and no photo is.
"""

from __future__ import annotations

import contextlib
import os
import threading
from dataclasses import dataclass
from pathlib import Path

from reid_edge.storage.errors import file_errors

_BYTES = 128
_NONE = "-"


@dataclass(frozen=True)
class Death:
    """A process died in the middle of an answer. `file_id`: of which file; `blamed`: False where the engine is at fault."""

    file_id: int
    blamed: bool


class InFlightMarker:
    """A small file that says which of the ledger's files is being answered, and of which ones processes died since the last answer."""

    def __init__(self, path: Path) -> None:
        """Open it, made where there is none.

        Raises:
            StorageError: it cannot be opened.
        """
        self._path = path
        self._boot = _boot_id()
        self._suspects: list[int] = []
        self._lock = threading.Lock()
        with file_errors(path):
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def last_death(self) -> Death | None:
        """How the previous process died of a photo, returned once; None where it did not, or the machine itself went down.

        Raises:
            StorageError: it cannot be read or written.
        """
        with file_errors(self._path):
            words = os.pread(self._file, _BYTES, 0).decode("ascii", "replace").split()
        if len(words) < 2 or words[0] != self._boot or not all(word.isdecimal() for word in words[2:]):
            return None
        self._suspects = [int(word) for word in words[2:]]
        if not words[1].isdecimal():
            return None
        died = int(words[1])
        self._suspects = [*(other for other in self._suspects if other != died), died][-2:]
        self._write(_NONE)
        return Death(died, blamed=self._suspects == [died])

    def begin(self, file_id: int) -> None:
        """A file's answer begins.

        Raises:
            StorageError: it cannot be noted.
        """
        self._write(str(file_id))

    def end(self, answered: bool) -> None:
        """It is answered, or failed in a way that the daemon survived; errors as `begin`."""
        if answered:
            self._suspects = []
        self._write(_NONE)

    def close(self) -> None:
        """The process ends by its own will, maybe in the middle of an answer, which is no photo's fault. From any thread; nothing is noted
        from now on."""
        with self._lock:
            if self._file >= 0:
                with contextlib.suppress(OSError):  # then the photo may be blamed once too often
                    os.pwrite(self._file, self._line(_NONE), 0)
                os.close(self._file)
                self._file = -1

    def _write(self, current: str) -> None:
        with self._lock, file_errors(self._path):
            if self._file >= 0:
                os.pwrite(self._file, self._line(current), 0)

    def _line(self, current: str) -> bytes:
        return " ".join([self._boot, current, *map(str, self._suspects)]).encode().ljust(_BYTES)


def _boot_id() -> str:
    """Changes when the machine starts (random(4)); '-' where the kernel does not tell."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return "-"
