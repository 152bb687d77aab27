"""Scanning: a walk through a watched folder compares every photo file with the ledger; it is the truth, and file events only a hint.

A scan goes in steps of a few hundred files, so that a folder with a season's photos does not keep the daemon from answering.
"""

# File names are bytes here, which pathlib does not take.
# ruff: noqa: PTH116

from __future__ import annotations

import os
import stat
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from reid_edge.photo.files import PHOTO_EXTENSIONS
from reid_edge.watch.intake.folders import WatchedFolder, check_presence, is_still_present
from reid_edge.watch.intake.settling import Settling
from reid_edge.watch.ledger.ledger import Ledger
from reid_edge.watch.ledger.records import FileStamp, FoundFile
from reid_edge.watch.ledger.states import FileState

_STEP = 400
_MOST_DECIDED = 1000


@dataclass(frozen=True)
class _Found:
    path: bytes
    stamp: FileStamp


class Scanner:
    """Walks one root.

    Args:
        ledger: gets new and changed files, with state `seen`.
        settling: gets every file that is not settled yet.
        folder: the root.
        recursive: walk sub-folders.
        excluded: (device, inode) of folders that are not walked: the daemon's own output.
        extensions: lower case, with the dot.
    """

    def __init__(
        self,
        ledger: Ledger,
        settling: Settling,
        folder: WatchedFolder,
        recursive: bool,
        excluded: Collection[tuple[int, int]] = (),
        extensions: Collection[str] = PHOTO_EXTENSIONS,
    ) -> None:
        self._ledger = ledger
        self._settling = settling
        self._folder = folder
        self._recursive = recursive
        self._excluded = frozenset(excluded)
        self._extensions = tuple(extension.encode() for extension in extensions)
        self.changes = 0  # files that scans have found new or changed
        self.decided: list[int] = []  # ids of some decided files that still lie in the folder, found by the last scan

    def steps(self) -> Iterator[None]:
        """Scan once; each step commits what it found. An absent folder is noted as absent, and its files stay as they are.

        Raises:
            LedgerError, StorageError: the step is not noted; the next scan finds the same.
        """
        self.decided = []
        if not check_presence(self._ledger, self._folder):
            return
        undecided: set[int] = set()
        unread: list[bytes] = []
        batch: list[_Found] = []
        for found in self._walk(unread):
            if found is not None:
                batch.append(found)
            if len(batch) >= _STEP or found is None:
                undecided.update(self._note(batch))
                batch = []
                yield
        undecided.update(self._note(batch))
        yield
        yield from self._note_gone(undecided, unread)

    def _walk(self, unread: list[bytes]) -> Iterator[_Found | None]:
        """Photo files, each real folder once, links followed; None between two folders. Folders that cannot be read go to `unread`."""
        walked = set(self._excluded)
        pending = [self._folder.path]
        while pending:
            here = pending.pop()
            try:
                status = os.stat(here)
                if (status.st_dev, status.st_ino) in walked:
                    continue
                walked.add((status.st_dev, status.st_ino))
                with os.scandir(here) as entries:
                    inside = sorted((entry for entry in entries if not entry.name.startswith(b".")), key=lambda entry: entry.name)
            except OSError:
                unread.append(here)
                continue
            folders = []
            for entry in inside:
                if entry.name.lower().endswith(self._extensions):
                    found = _regular(entry)
                    if found is not None:
                        yield found
                        continue
                if self._recursive and _is_folder(entry):
                    folders.append(entry)
            # Links last, so that a folder inside the root is walked by its own name.
            folders.sort(key=lambda entry: (not entry.is_symlink(), entry.name), reverse=True)
            pending[:0] = [entry.path for entry in folders if entry.is_symlink()]
            pending += [entry.path for entry in folders if not entry.is_symlink()]
            yield None

    def _note(self, batch: list[_Found]) -> list[int]:
        """Compare some files with the ledger; returns the ids of those that are not decided."""
        if not batch:
            return []
        known = self._ledger.found_files([found.path for found in batch])
        changed = [found for found in batch if _is_changed(found, known.get(found.path))]
        if changed:
            self.changes += len(changed)
            with self._ledger.transaction():
                for found in changed:
                    known[found.path] = self._note_change(found, known.get(found.path))
        monotonic = time.monotonic()
        undecided = []
        for found in batch:
            file = known[found.path]
            if file.state is FileState.SEEN:
                self._settling.observe(file.id, found.path, found.stamp, monotonic)
            if file.state is not FileState.DECIDED:
                undecided.append(file.id)
            elif len(self.decided) < _MOST_DECIDED:
                self.decided.append(file.id)
        return undecided

    def _note_change(self, found: _Found, file: FoundFile | None) -> FoundFile:
        if file is not None and file.moved_to is not None:
            # The photo that had this name was moved away; the camera uses the name again.
            self._ledger.release_path(file.id)
            file = None
        if file is None:
            number = self._ledger.add_file(self._folder.id, found.path, found.stamp)
        else:
            number = file.id
            self._ledger.change_file(number, self._folder.id, found.stamp)
        return FoundFile(number, found.stamp, FileState.SEEN, None)

    def _note_gone(self, undecided: set[int], unread: list[bytes]) -> Iterator[None]:
        """Files that were to be answered and have vanished, while their folder is present."""
        last = 0
        while rows := self._ledger.undecided_files(self._folder.id, last, _STEP):
            last = rows[-1][0]
            missing = [
                file_id
                for file_id, path in rows
                if file_id not in undecided and not any(path.startswith(folder + b"/") for folder in unread) and is_missing(path)
            ]
            # Only a root that is the same volume from before the walk until now proves that a file of it is gone.
            if missing and is_still_present(self._folder):
                with self._ledger.transaction():
                    for file_id in missing:
                        self._ledger.vanish_file(file_id)
                        self._settling.forget(file_id)
            yield


def is_missing(path: bytes) -> bool:
    """Whether a path certainly does not exist; False where that is unknown."""
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def _is_changed(found: _Found, file: FoundFile | None) -> bool:
    return file is None or file.stamp != found.stamp or file.state is FileState.GONE


def _regular(entry: os.DirEntry[bytes]) -> _Found | None:
    try:
        status = entry.stat()
    except OSError:
        return None
    return _Found(entry.path, FileStamp.of(status)) if stat.S_ISREG(status.st_mode) else None


def _is_folder(entry: os.DirEntry[bytes]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False
