"""Watching folders: scans put what is found into the ledger, and files that have settled are marked as ready to be read."""

# File names are bytes here, which pathlib does not take.
# ruff: noqa: PTH120

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from reid_edge.errors import ReidEdgeError
from reid_edge.photo import PHOTO_EXTENSIONS, optional
from reid_edge.photo.noted_time import noted_time, read_head
from reid_edge.photo.video import VIDEO_EXTENSIONS
from reid_edge.watch.configuration import Configuration
from reid_edge.watch.intake.cameras import camera_of_exif, camera_of_folder
from reid_edge.watch.intake.folders import WatchedFolder, check_presence, is_still_present, watched_folder
from reid_edge.watch.intake.scanning import Scanner
from reid_edge.watch.intake.settling import Settling
from reid_edge.watch.ledger.ledger import Ledger, shown
from reid_edge.watch.monitoring import Monitor

log = logging.getLogger(__name__)

_SETTLED_AT_ONCE = 200
_HINT_SECONDS = 0.2
# After so many scans in a row that found nothing, scans become half as frequent, and so on, down to the rarest.
_UNCHANGED_SCANS, _RAREST = 10, 8


class FolderWatcher:
    """All watched folders. A rescan finds everything that is in them; a hint only makes the next one earlier.

    Attributes:
        configuration: the running one; may be replaced.
        scans: how many walks through all folders are done.
    """

    def __init__(self, ledger: Ledger, configuration: Configuration, monitor: Monitor, move: Callable[[int], None]) -> None:
        """Note the folders in the ledger, and check which of them are present.

        Args:
            move: moves an answered file, by its id, out of its folder; called where the configuration asks for it.

        Raises:
            LedgerError, StorageError: they cannot be noted.
        """
        self.configuration = configuration
        self.scans = 0
        self._ledger = ledger
        self._monitor = monitor
        self._move = move
        self._settling = Settling()
        self._folders = [watched_folder(ledger, os.fsencode(path)) for path in configuration.folders]
        self._scanners = [self._scanner(folder) for folder in self._folders]
        self._scan: Iterator[None] | None = None
        self._scan_at = self._hint_at = self._began = 0.0
        self._changes = self._unchanged = 0
        self._hinted = threading.Event()

    def step(self) -> bool:
        """One step of a scan, and what settled; returns whether there is more to do at once.

        Raises:
            LedgerError, StorageError: it is not noted; the next scan finds the same.
        """
        return self._continue_scan() | self._settle()

    def hint(self) -> None:
        """Something may have changed: scan soon. May be called from any thread."""
        self._hinted.set()

    @property
    def is_quiet(self) -> bool:
        """Whether everything in the folders was found and has settled."""
        return self.scans > 0 and self._scan is None and not len(self._settling)

    @property
    def present_ids(self) -> list[int]:
        """Ids of the folders that are present."""
        return [folder.id for folder in self._folders if folder.is_present]

    @property
    def all_present(self) -> bool:
        """Whether no folder is absent."""
        return all(folder.is_present for folder in self._folders)

    def present_paths(self) -> list[Path]:
        """Paths of the folders that are present."""
        return [Path(os.fsdecode(folder.path)) for folder in self._folders if folder.is_present]

    def shown(self) -> str:
        """All folders as text for people."""
        return ", ".join(shown(folder.path) for folder in self._folders)

    def is_still_present(self, folder_id: int) -> bool:
        """Whether a folder is the one that was scanned: not unmounted, nor another disk at its path."""
        return is_still_present(next(folder for folder in self._folders if folder.id == folder_id))

    def root_of(self, path: bytes) -> bytes:
        """The innermost watched folder that a file lies in."""
        fitting = [folder.path for folder in self._folders if path.startswith(folder.path.rstrip(b"/") + b"/")]
        return max(fitting, key=len, default=os.path.dirname(path))

    def _scanner(self, folder: WatchedFolder) -> Scanner:
        out = self.configuration.out.stat()
        excluded = [(out.st_dev, out.st_ino)]
        for other in self._folders:
            if other is not folder and check_presence(self._ledger, other) and other.place is not None:
                excluded.append((other.place.device, other.place.inode))
        recursive, extensions = self.configuration.recursive, _extensions(self.configuration)
        return Scanner(self._ledger, self._settling, folder, recursive, excluded, extensions)

    def _continue_scan(self) -> bool:
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
            self._scan_at = now + self.configuration.rescan_seconds * self._rarity()
            # Files that change all the time must not make a walk through a large folder all that is done.
            self._hint_at = now + max(_HINT_SECONDS, 5 * (now - self._began))
            return False
        except BaseException:
            self._scan, self._scan_at = None, 0.0
            raise

    def _rarity(self) -> int:
        """How many times as long as configured until the next scan: 1, and up to `_RAREST` while nothing arrives.

        A scan looks at every file, which keeps a disk awake and takes power. File events still make one at once.
        """
        changes = sum(scanner.changes for scanner in self._scanners)
        present = all(folder.is_present for folder in self._folders)  # the return of a missing one is no file event
        self._unchanged = self._unchanged + 1 if changes == self._changes and present else 0
        self._changes = changes
        return int(min(_RAREST, 1 << self._unchanged // _UNCHANGED_SCANS))

    def _whole_scan(self) -> Iterator[None]:
        for scanner, folder in zip(self._scanners, self._folders, strict=True):
            was_present = folder.is_present
            yield from scanner.steps()
            if was_present != folder.is_present or self.scans == 0:
                self._note_presence(folder)
            if self.configuration.move:
                for file_id in scanner.decided:
                    self._move(file_id)
                    yield
        self._monitor.absent(Path(os.fsdecode(folder.path)) for folder in self._folders if not folder.is_present)

    def _note_presence(self, folder: WatchedFolder) -> None:
        if not folder.is_present:
            log.warning("The folder %s is missing. Its photos wait until it is back.", shown(folder.path))
            return
        if self.scans:
            log.info("The folder %s is back.", shown(folder.path))
        self._ledger.requeue_files(folder.id)

    def _settle(self) -> bool:
        found = self._settling.settled(time.monotonic(), self.configuration.settle_seconds, _SETTLED_AT_ONCE)
        if not found:
            return False
        heads = [read_head(Path(os.fsdecode(path))) for _, path, _ in found]
        times = [self._taken_at(path, head) for (_, path, _), head in zip(found, heads, strict=True)]
        try:
            with self._ledger.transaction():
                for (file_id, path, stamp), head, time_text in zip(found, heads, times, strict=True):
                    self._ledger.settle_file(file_id, stamp, self._camera(path, head), time_text)
        except ReidEdgeError:
            self.hint()  # the next scan gives them to settle again
            raise
        return True

    def _taken_at(self, path: bytes, head: bytes) -> str | None:
        return noted_time(Path(os.fsdecode(path)), head, self.configuration.name_time)

    def _camera(self, path: bytes, head: bytes) -> str:
        camera = camera_of_exif(head) if self.configuration.camera == "exif" else ""
        return camera or camera_of_folder(self.root_of(path), path)


def _extensions(configuration: Configuration) -> frozenset[str]:
    """What is a photo: also what only an optional reader decodes, so that it is in quarantine, not unseen, where that is missing."""
    photos = PHOTO_EXTENSIONS.union(*optional.EXTENSIONS.values())
    return photos if configuration.video_seconds is None else photos | VIDEO_EXTENSIONS
