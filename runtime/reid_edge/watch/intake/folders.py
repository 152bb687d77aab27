"""Watched folders: whether one is there, or its card was pulled and its disk unmounted, which is no reason to think its photos gone."""

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
class Folder:
    """A watched root as the ledger knows it; `place` is None where it is not there."""

    id: int
    path: bytes
    place: Place | None = None


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


def watched_folder(ledger: Ledger, path: bytes) -> Folder:
    """The ledger's row of a root, made where there is none."""
    rows = ledger.database.rows("SELECT id FROM folder WHERE path = ?", (path,))
    number = rows[0][0] if rows else ledger.database.insert("folder", path=path, present=1, device_id="")
    return Folder(int(number), path)


def look(ledger: Ledger, folder: Folder) -> bool:
    """Whether a root is there now; where that changed, it is noted and told in one transaction.

    A root that once lay on a mounted volume is absent where only the empty place of the mount is left: an unmounted card is a folder
    that is not there, never a folder without photos.
    """
    place = place_of(folder.path)
    ((present, known),) = ledger.database.rows("SELECT present, device_id FROM folder WHERE id = ?", (folder.id,))
    if place is not None and known:
        mount = known.partition(" ")[2]
        here = shown(place.mount)
        if mount != here and mount.startswith(here.rstrip("/") + "/"):
            place = None
    folder.place = place
    device_id = known if place is None else str(place)
    if bool(present) != (place is not None) or device_id != known:
        with ledger.transaction():
            ledger.database.execute(
                "UPDATE folder SET present = ?, device_id = ?, changes = changes + ? WHERE id = ?",
                (int(place is not None), device_id, int(bool(present) != (place is not None)), folder.id),
            )
            if bool(present) != (place is not None):
                ((changes,),) = ledger.database.rows("SELECT changes FROM folder WHERE id = ?", (folder.id,))
                ledger.post(
                    "folder",
                    f"folder:{folder.id}:{changes}",
                    "",
                    {"path": shown(folder.path), "present": place is not None},
                )
    return place is not None


def still_there(folder: Folder) -> bool:
    """Whether a root is the very folder that `look` found, on the same volume."""
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
