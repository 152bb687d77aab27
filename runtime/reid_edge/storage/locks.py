"""Locks between processes; the operating system releases them when the process ends, however it ends."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

if sys.platform != "win32":
    import fcntl


def lock_file(path: Path, wait: bool = True) -> BinaryIO:
    """Make the file where it is missing and lock it until it is closed. Windows: not locked.

    Raises:
        BlockingIOError: another process has it, and `wait` is False.
        OSError: it cannot be made or locked.
    """
    file = path.open("ab")
    try:
        if sys.platform != "win32":
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BaseException:
        file.close()
        raise
    return file


@contextmanager
def only_writer(folder: Path, unfinished: str) -> Iterator[None]:
    """Wait until no other process writes into `folder`, then remove what a killed one left.

    Args:
        folder: exists; its file `.lock` is the lock.
        unfinished: pattern of the names of unfinished files and folders.
    """
    with lock_file(folder / ".lock"):
        if sys.platform != "win32":
            for leftover in folder.glob(unfinished):
                if leftover.is_dir() and not leftover.is_symlink():
                    shutil.rmtree(leftover, ignore_errors=True)
                else:
                    leftover.unlink(missing_ok=True)
        yield
