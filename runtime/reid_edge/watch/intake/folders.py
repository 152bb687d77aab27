"""Watched folders: whether one is present, or its card was pulled or its disk unmounted, which does not make its photos gone."""

# File names are bytes here, which pathlib does not take.
# ruff: noqa: PTH116, PTH120

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from reid_edge.watch.ledger.ledger import Ledger, shown


@dataclass(frozen=True)
class Place:
    """Where a folder lies.

    Attributes:
        mount: the mount point of the volume that holds it.
        device, inode: of the folder itself.
    """

    mount: bytes
    device: int
    inode: int

    def __str__(self) -> str:
        return f"{self.device}:{self.inode} {shown(self.mount)}"


@dataclass
class WatchedFolder:
    """A watched root; `place` is None while it is absent."""

    id: int
    path: bytes
    place: Place | None = None

    @property
    def is_present(self) -> bool:
        """Whether it was present when it was last looked at."""
        return self.place is not None


def place_of(path: bytes) -> Place | None:
    """Where a folder lies; None where there is none, or it cannot be read."""
    try:
        real = os.path.realpath(path)
        status = os.stat(real)
        if not stat.S_ISDIR(status.st_mode):
            return None
        with os.scandir(real):  # a dead card or network disk answers stat from memory
            return Place(_mount_point(real), status.st_dev, status.st_ino)
    except OSError:
        return None


def watched_folder(ledger: Ledger, path: bytes) -> WatchedFolder:
    """A root with its id in the ledger, where it is added if it is new."""
    return WatchedFolder(ledger.folder_id(path), path)


def check_presence(ledger: Ledger, folder: WatchedFolder) -> bool:
    """Whether a root is present now; a change is noted and posted.

    A root that once lay on a mounted volume is absent where only the empty mount point is left: an unmounted card is a folder
    that is absent, never a folder without photos.
    """
    place = place_of(folder.path)
    volume = ledger.folder_volume(folder.id)
    if place is not None and volume:
        last_mount, mount = volume.partition(" ")[2], shown(place.mount)
        if last_mount != mount and last_mount.startswith(mount.rstrip("/") + "/"):
            place = None
    folder.place = place
    ledger.note_folder(folder.id, place is not None, volume if place is None else str(place))
    return place is not None


def is_still_present(folder: WatchedFolder) -> bool:
    """Whether a root is the very folder that `check_presence` found, on the same volume."""
    return folder.place is not None and place_of(folder.path) == folder.place


def _mount_point(real: bytes) -> bytes:
    """The longest mount point that is a part of a path, from the kernel's table (proc(5), mountinfo), else by device numbers."""
    try:
        table = Path("/proc/self/mountinfo").read_bytes()
    except OSError:
        return _mount_point_by_device(real)
    best = b"/"
    for line in table.splitlines():
        point = re.sub(rb"\\([0-7]{3})", lambda code: bytes([int(code[1], 8)]), line.split(b" ", 5)[4])
        if len(point) > len(best) and (real == point or real.startswith(point + b"/")):
            best = point
    return best


def _mount_point_by_device(real: bytes) -> bytes:
    while not os.path.ismount(real):
        real = os.path.dirname(real)
    return real
