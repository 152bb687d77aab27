"""Settling: a file is read when its size and time have been still for a while, by the monotonic clock; a growing one is waited for."""

# File names are bytes here, which pathlib does not take.
# ruff: noqa: PTH116

from __future__ import annotations

import os
import stat
from dataclasses import dataclass

_MOST = (1 << 63) - 1  # an integer of SQLite


@dataclass(frozen=True)
class FileState:
    """What changes when a file does."""

    size: int
    mtime_ns: int
    inode: int

    @classmethod
    def of(cls, status: os.stat_result) -> FileState:
        """From what `os.stat` says."""
        return cls(status.st_size, status.st_mtime_ns, status.st_ino & _MOST)  # some file systems use all 64 bits


@dataclass
class _Pending:
    path: bytes
    state: FileState
    since: float
    looked: float


class Settling:
    """The files that may still be growing. Only equality of times counts, so that no clock of a camera or of this device matters."""

    def __init__(self) -> None:
        self._pending: dict[int, _Pending] = {}

    def __len__(self) -> int:
        return len(self._pending)

    def observe(self, file_id: int, path: bytes, state: FileState, now: float) -> None:
        """A file was seen in this state at the monotonic time `now`, in seconds."""
        known = self._pending.get(file_id)
        if known is None or known.state != state:
            self._pending[file_id] = _Pending(path, state, now, now)

    def forget(self, file_id: int) -> None:
        """A file is gone, or its folder is."""
        self._pending.pop(file_id, None)

    def settled(self, now: float, seconds: float, most: int) -> list[tuple[int, bytes, FileState]]:
        """Up to `most` files that have been still for `seconds`, which are forgotten here; each is looked at again first.

        A file that cannot be looked at is forgotten: the next scan says what became of it.
        """
        found: list[tuple[int, bytes, FileState]] = []
        for file_id, pending in list(self._pending.items()):
            if now - pending.looked < seconds:
                continue
            if len(found) >= most:
                break
            pending.looked = now
            state = state_of(pending.path)
            if state is None:
                del self._pending[file_id]
            elif state != pending.state:
                self._pending[file_id] = _Pending(pending.path, state, now, now)
            else:
                del self._pending[file_id]
                found.append((file_id, pending.path, state))
        return found


def state_of(path: bytes) -> FileState | None:
    """The state of a regular file, through links; None where there is none or it cannot be looked at."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return FileState.of(status) if stat.S_ISREG(status.st_mode) else None
