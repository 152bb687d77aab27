"""Folders that a power cut does not take away: a new name is on the disk only when the folder that holds it was synced."""

from __future__ import annotations

import os
from pathlib import Path

_synced: set[Path] = set()


def sync_folder(path: Path) -> None:
    """Wait until the names in a folder are on the disk. OSError where that fails."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(path: Path) -> None:
    """Make a folder, absolute, with its parents; once this returns they outlast a power cut. OSError where that fails.

    Once in each process all folders above it on its disk are synced, also where it is there already: an earlier process may have been
    killed between the making and the syncing.
    """
    if path in _synced and path.is_dir():
        return
    path.mkdir(parents=True, exist_ok=True)
    device = path.stat().st_dev
    for parent in path.parents:
        if parent.stat().st_dev != device or not os.access(parent, os.R_OK):
            break
        sync_folder(parent)
    _synced.add(path)
