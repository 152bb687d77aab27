"""Files and folders that are on the disk when the function returns, and appear whole or not at all.

A new name is on the disk only when the folder that holds it was synced. Every function raises OSError where the disk refuses;
`storage.errors` turns that into a StorageError.
"""

from __future__ import annotations

import contextlib
import errno
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

TEMPORARY = ".tmp"
"""Suffix of a file that is being written; one that a killed process left may be deleted."""

# FAT, SMB, some FUSE file systems, and every file system on Windows cannot sync a folder, or not for this user.
# A disk that fails says EIO, and one that is full ENOSPC: these are raised.
_CANNOT_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EBADF, errno.EACCES, errno.EPERM}

_synced: set[Path] = set()


def sync_file(file: int | Path) -> None:
    """Wait until the bytes of a file (a descriptor or a path) are on the disk."""
    if isinstance(file, int):
        os.fsync(file)
    else:
        with file.open("rb") as opened:
            os.fsync(opened.fileno())


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk, as far as its file system can do that."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in _CANNOT_SYNC:
            raise


def write_synced(path: Path, content: bytes) -> None:
    """Write a new file and sync it; its name is durable once the folder is synced. FileExistsError where there is one."""
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def replacing(path: Path, durable: bool = True) -> Iterator[BinaryIO]:
    """A new file, open for writing, that takes the place of `path` at the end; on an error it vanishes and `path` stays.

    Args:
        path: of the file that is to be replaced; need not exist.
        durable: wait until bytes and name are on the disk, so that a power cut leaves the old file or the new one, and after the
            end the new one. False for what can be made again.
    """
    temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex}{TEMPORARY}")
    with temporary.open("xb") as file:
        try:
            yield file
            file.flush()
            if durable:
                os.fsync(file.fileno())
            temporary.replace(path)
            if durable:
                sync_folder(path.parent)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def move_into_place(source: Path, target: Path) -> None:
    """Give a file that is whole and synced its name, replacing what has that name; both lie on one disk."""
    source.replace(target)
    sync_folder(target.resolve().parent)


def replace_folder(source: Path, target: Path, aside: Path) -> None:
    """Give a folder that is whole and synced its name. What had that name becomes `aside`; on an error it is put back."""
    replaced = os.path.lexists(target)
    if replaced:
        target.rename(aside)
    try:
        source.rename(target)
    except OSError:
        if replaced:
            aside.rename(target)
        raise
    sync_folder(target.parent)


def make_folder(path: Path) -> None:
    """Make a folder with its parents; once this returns they survive a power cut.

    Once in each process all folders above it on its disk are synced, also where they exist already: an earlier process may have been
    killed between the making and the syncing.
    """
    path = path.absolute()
    if path in _synced and path.is_dir():
        return
    path.mkdir(parents=True, exist_ok=True)
    device = path.stat().st_dev
    for parent in path.parents:
        if parent.stat().st_dev != device:
            break
        sync_folder(parent)
    _synced.add(path)
