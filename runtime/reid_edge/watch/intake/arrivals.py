"""From the folders into the ledger: scans, and files that settle."""

# File names are bytes here, which pathlib does not take.
# ruff: noqa: PTH120

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from reid_edge.errors import ReidEdgeError
from reid_edge.photo import PHOTO_EXTENSIONS, optional
from reid_edge.photo.video import VIDEO_EXTENSIONS
from reid_edge.storage.clock import now
from reid_edge.watch.answer.moving import move_or_say
from reid_edge.watch.configuration import Configuration
from reid_edge.watch.intake.cameras import camera_of_exif, camera_of_folder, read_head, taken_at
from reid_edge.watch.intake.folders import Folder, look, still_there, watched_folder
from reid_edge.watch.intake.scanning import Scanner
from reid_edge.watch.intake.settling import Settling
from reid_edge.watch.ledger.ledger import Ledger, shown
from reid_edge.watch.monitoring import Monitor

log = logging.getLogger(__name__)

UNREADABLE = "Not readable now:"  # how the reason of a file begins that is worth another try when its folder comes back

_SETTLED_AT_ONCE = 200
_HINT_SECONDS = 0.2


class Arrivals:
    """The watched folders. A rescan finds everything that is there; a hint only makes it earlier.

    Attributes:
        configuration: the running one; may be replaced.
        scans: how many walks through all folders are done.
    """

    def __init__(self, ledger: Ledger, configuration: Configuration, monitor: Monitor) -> None:
        """Note the folders in the ledger, and look which of them are there.

        Raises:
            LedgerError, StorageError: they cannot be noted.
        """
        self.configuration = configuration
        self.scans = 0
        self._ledger = ledger
        self._monitor = monitor
        self._settling = Settling()
        self._folders = [watched_folder(ledger, os.fsencode(path)) for path in configuration.folders]
        self._scanners = [self._scanner(folder) for folder in self._folders]
        self._scan: Iterator[None] | None = None
        self._scan_at = self._hint_at = self._began = 0.0
        self._hinted = threading.Event()

    def step(self) -> bool:
        """One step of a scan, and what settled; returns whether there is more to do at once.

        Raises:
            LedgerError, StorageError: it is not noted; the next scan finds the same.
        """
        return self._scan_on() | self._settle()

    def hint(self) -> None:
        """Something may have changed: scan soon. May be called from any thread."""
        self._hinted.set()

    @property
    def is_quiet(self) -> bool:
        """Whether everything that is there was found and has settled."""
        return self.scans > 0 and self._scan is None and not len(self._settling)

    @property
    def folders_there(self) -> list[int]:
        """Ids of the folders that are there."""
        return [folder.id for folder in self._folders if folder.place is not None]

    @property
    def all_there(self) -> bool:
        """Whether no folder is missing."""
        return all(folder.place is not None for folder in self._folders)

    def paths_there(self) -> list[Path]:
        """Where the folders lie that are there."""
        return [Path(os.fsdecode(folder.path)) for folder in self._folders if folder.place is not None]

    def shown(self) -> str:
        """All folders as text for people."""
        return ", ".join(shown(folder.path) for folder in self._folders)

    def still_there(self, folder_id: int) -> bool:
        """Whether a folder is the one that was scanned: not unmounted, nor another disk in its place."""
        return still_there(next(folder for folder in self._folders if folder.id == folder_id))

    def root_of(self, path: bytes) -> bytes:
        """The innermost watched folder that a file lies in."""
        fitting = [folder.path for folder in self._folders if path.startswith(folder.path.rstrip(b"/") + b"/")]
        return max(fitting, key=len, default=os.path.dirname(path))

    def _scanner(self, folder: Folder) -> Scanner:
        out = self.configuration.out.stat()
        others = [other for other in self._folders if other is not folder]
        return Scanner(
            self._ledger,
            self._settling,
            folder,
            self.configuration.recursive,
            [(out.st_dev, out.st_ino), *((o.place.device, o.place.inode) for o in others if look(self._ledger, o) and o.place)],
            _extensions(self.configuration),
        )

    def _scan_on(self) -> bool:
        """One step of a scan; returns whether a scan is under way."""
        if self._scan is None:
            now = time.monotonic()
            if now < (self._hint_at if self._hinted.is_set() else self._scan_at):
                return False
            self._hinted.clear()
            self._scan, self._began = self._whole_scan(), now
        try:
            next(self._scan)
            return True
        except StopIteration:
            self._scan = None
            self.scans += 1
            now = time.monotonic()
            self._scan_at = now + self.configuration.rescan_seconds
            # Files that change all the time must not make a walk through a large folder all that is done.
            self._hint_at = now + max(_HINT_SECONDS, 5 * (now - self._began))
            return False
        except BaseException:
            self._scan, self._scan_at = None, 0.0
            raise

    def _whole_scan(self) -> Iterator[None]:
        for scanner, folder in zip(self._scanners, self._folders, strict=True):
            was_there = folder.place is not None
            yield from scanner.steps()
            if was_there != (folder.place is not None) or self.scans == 0:
                self._tell_presence(folder)
            if self.configuration.move:
                for file_id, _ in scanner.left:
                    move_or_say(self._ledger, file_id, self.configuration.out)
                    yield
        self._monitor.absent(Path(os.fsdecode(folder.path)) for folder in self._folders if folder.place is None)

    def _tell_presence(self, folder: Folder) -> None:
        if folder.place is None:
            log.warning("The folder %s is not there. Its photos wait until it is back.", shown(folder.path))
            return
        if self.scans:
            log.info("The folder %s is back.", shown(folder.path))
        # What could not be read for another reason than its content may be readable now.
        self._ledger.database.execute(
            "UPDATE file SET state = 'seen', tries = 0, changed_at = ? WHERE folder_id = ? AND state = 'quarantined' "
            "AND (reason LIKE ? OR reason LIKE ?)",
            (now(), folder.id, f"{UNREADABLE}%", f"%{optional.INSTALL}%"),
        )

    def _settle(self) -> bool:
        found = self._settling.settled(time.monotonic(), self.configuration.settle_seconds, _SETTLED_AT_ONCE)
        if not found:
            return False
        facts: list[Sequence[object]] = []
        for file_id, path, state in found:
            head = read_head(path)
            camera = camera_of_exif(head) if self.configuration.camera == "exif" else ""
            camera = camera or camera_of_folder(self.root_of(path), path)
            facts.append((state.size, state.mtime_ns, state.inode, camera, taken_at(head), file_id))
        try:
            with self._ledger.transaction():
                for fact in facts:
                    self._ledger.database.execute(
                        "UPDATE file SET state = 'settled', size = ?, mtime_ns = ?, inode = ?, camera = ?, taken_at = ? "
                        "WHERE id = ? AND state = 'seen'",
                        fact,
                    )
        except ReidEdgeError:
            self.hint()  # the next scan gives them to settle again
            raise
        return True


def _extensions(configuration: Configuration) -> frozenset[str]:
    """What is a photo: also what only an optional reader decodes, so that it is in quarantine, not unseen, where that is missing."""
    photos = PHOTO_EXTENSIONS.union(*optional.EXTENSIONS.values())
    return photos if configuration.video_seconds is None else photos | VIDEO_EXTENSIONS
