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
from reid_edge.storage.clock import now
from reid_edge.watch.intake.folders import Folder, look, still_there
from reid_edge.watch.intake.settling import FileState, Settling
from reid_edge.watch.ledger.ledger import Ledger

_STEP = 400
_MOST_LEFT = 1000


@dataclass(frozen=True)
class _Found:
    path: bytes
    state: FileState


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
        folder: Folder,
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
        self.left: list[tuple[int, bytes]] = []  # some decided files that still lie in the folder, found by the last scan

    def steps(self) -> Iterator[None]:
        """Scan once; each step commits what it found. An absent folder is noted as absent, and its files stay as they are.

        Raises:
            LedgerError, StorageError: the step is not noted; the next scan finds the same.
        """
        self.left = []
        if not look(self._ledger, self._folder):
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
        marks = ", ".join("?" * len(batch))
        rows = self._ledger.database.rows(
            f"SELECT path, id, folder_id, size, mtime_ns, inode, state, moved_to FROM file WHERE path IN ({marks})",
            [found.path for found in batch],
        )
        known = {row[0]: row[1:] for row in rows}
        changed = [
            found
            for found in batch
            if found.path not in known or FileState(*known[found.path][2:5]) != found.state or known[found.path][5] == "gone"
        ]
        ids: dict[bytes, int] = {}
        if changed:
            with self._ledger.transaction():
                for found in changed:
                    ids[found.path] = self._note_change(found, known.get(found.path))
        monotonic = time.monotonic()
        undecided = []
        for found in batch:
            if found.path in ids:
                file_id, state = ids[found.path], "seen"
            else:
                file_id, state = known[found.path][0], known[found.path][5]
            if state == "seen":
                self._settling.observe(file_id, found.path, found.state, monotonic)
            if state != "decided":
                undecided.append(file_id)
            elif len(self.left) < _MOST_LEFT:
                self.left.append((file_id, found.path))
        return undecided

    def _note_change(self, found: _Found, row: tuple[object, ...] | None) -> int:
        database, state, time_text = self._ledger.database, found.state, now()
        if row is not None and row[6] is not None:
            # The photo that had this name was moved away; the camera uses the name again.
            database.execute("UPDATE file SET path = moved_to WHERE id = ?", (row[0],))
            row = None
        if row is not None:
            file_id = int(str(row[0]))
            database.execute(
                "UPDATE file SET folder_id = ?, size = ?, mtime_ns = ?, inode = ?, state = 'seen', photo_id = NULL, reason = '', "
                "tries = 0, changed_at = ? WHERE id = ?",
                (self._folder.id, state.size, state.mtime_ns, state.inode, time_text, file_id),
            )
            return file_id
        return database.insert(
            "file",
            folder_id=self._folder.id,
            path=found.path,
            size=state.size,
            mtime_ns=state.mtime_ns,
            inode=state.inode,
            state="seen",
            first_seen_at=time_text,
            changed_at=time_text,
        )

    def _note_gone(self, undecided: set[int], unread: list[bytes]) -> Iterator[None]:
        """Files that were to be answered and are no longer there, while their folder is."""
        last = 0
        while True:
            rows = self._ledger.database.rows(
                "SELECT id, path FROM file WHERE folder_id = ? AND state IN ('seen', 'settled', 'quarantined') AND id > ? "
                "ORDER BY id LIMIT ?",
                (self._folder.id, last, _STEP),
            )
            if not rows:
                return
            last = rows[-1][0]
            missing = [
                (file_id, path)
                for file_id, path in rows
                if file_id not in undecided and not any(path.startswith(folder + b"/") for folder in unread) and is_missing(path)
            ]
            # Only a root that is the same volume from before the walk until now proves that a file of it is gone.
            if missing and still_there(self._folder):
                with self._ledger.transaction():
                    for file_id, _ in missing:
                        note_gone(self._ledger, file_id)
                        self._settling.forget(file_id)
            yield


def note_gone(ledger: Ledger, file_id: int) -> None:
    """A file vanished before it was decided, while its folder was there."""
    ledger.database.execute(
        "UPDATE file SET state = 'gone', changed_at = ? WHERE id = ? AND state IN ('seen', 'settled', 'quarantined')",
        (now(), file_id),
    )


def is_missing(path: bytes) -> bool:
    """Whether there is surely nothing at a path; False where that cannot be told."""
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def _regular(entry: os.DirEntry[bytes]) -> _Found | None:
    try:
        status = entry.stat()
    except OSError:
        return None
    return _Found(entry.path, FileState.of(status)) if stat.S_ISREG(status.st_mode) else None


def _is_folder(entry: os.DirEntry[bytes]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False
