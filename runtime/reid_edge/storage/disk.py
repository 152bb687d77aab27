"""Writing that survives a power cut, and the disk's own refusals as StorageError."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reid_edge.errors import StorageError

_HINTS = {
    errno.ENOSPC: ("the disk is full", "Free some space and run it again."),
    errno.EDQUOT: ("the disk quota is used up", "Free some space and run it again."),
    errno.EROFS: ("the disk is read-only", "Mount it writable, or choose another place."),
    errno.EACCES: ("writing there is not permitted", "Choose a place you may write to."),
    errno.EPERM: ("writing there is not permitted", "Choose a place you may write to."),
}


@contextmanager
def storage_errors(doing: str) -> Iterator[None]:
    """Any OSError inside becomes a StorageError: `doing` ("import the pack into /store") could not be done, and why."""
    try:
        yield
    except OSError as error:
        why, hint = _HINTS.get(error.errno or 0, (error.strerror or str(error), "Check the disk and the path."))
        raise StorageError(f"Could not {doing}: {why}.", hint) from error


def write_synced(path: Path, content: bytes) -> None:
    """Write a new file, on the disk when this returns."""
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Put the entries of one folder on the disk; elsewhere than on POSIX folders cannot be synced."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
