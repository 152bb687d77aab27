"""Settling: a file is read when its size and time have been still for a while, by the monotonic clock; a growing one is waited for."""

# File names are bytes here, which pathlib does not take.
# ruff: noqa: PTH116

from __future__ import annotations

import os
import stat
from dataclasses import dataclass

from reid_edge.watch.ledger.records import FileStamp


@dataclass
class _Pending:
    path: bytes
    stamp: FileStamp
    looked: float


class Settling:
    """The files that may still be growing. Only equality of times counts, so that no clock of a camera or of this device matters."""

    def __init__(self) -> None:
        self._pending: dict[int, _Pending] = {}

    def __len__(self) -> int:
        return len(self._pending)

    def observe(self, file_id: int, path: bytes, stamp: FileStamp, now: float) -> None:
        """A file was seen with this stamp at the monotonic time `now`, in seconds."""
        pending = self._pending.get(file_id)
        if pending is None or pending.stamp != stamp:
            self._pending[file_id] = _Pending(path, stamp, now)

    def forget(self, file_id: int) -> None:
        """A file is gone, or its folder is."""
        self._pending.pop(file_id, None)

    def settled(self, now: float, seconds: float, most: int) -> list[tuple[int, bytes, FileStamp]]:
        """Up to `most` files that have been still for `seconds`, which are forgotten here; each is looked at again first.

        A file that cannot be looked at is forgotten: the next scan finds out what became of it.
        """
        found: list[tuple[int, bytes, FileStamp]] = []
        for file_id, pending in list(self._pending.items()):
            if now - pending.looked < seconds:
                continue
            if len(found) >= most:
                break
            stamp = stamp_of(pending.path)
            if stamp is None:
                del self._pending[file_id]
            elif stamp != pending.stamp:
                self._pending[file_id] = _Pending(pending.path, stamp, now)
            else:
                del self._pending[file_id]
                found.append((file_id, pending.path, stamp))
        return found


def stamp_of(path: bytes) -> FileStamp | None:
    """The stamp of a regular file, through links; None where there is none or it cannot be looked at."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return FileStamp.of(status) if stat.S_ISREG(status.st_mode) else None
