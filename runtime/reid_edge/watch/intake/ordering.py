"""Whose turn it is: camera by camera, oldest first, so that a burst is answered in one go; of the cameras the one that waits longest."""

from __future__ import annotations

from collections.abc import Collection

from reid_edge.watch.answer.committing import SettledFile
from reid_edge.watch.answer.events import moved
from reid_edge.watch.intake.settling import FileState
from reid_edge.watch.ledger.ledger import Ledger

_COLUMNS = "id, folder_id, path, size, mtime_ns, inode, camera, taken_at, tries"


def next_file(
    ledger: Ledger, folders: Collection[int], busy: Collection[int], last: SettledFile | None, event_seconds: float
) -> SettledFile | None:
    """The settled file to be answered next; None where there is none.

    Args:
        folders: ids of those that are there.
        busy: ids of files that are under work, or wait after a failure.
        last: the file before; its camera goes on as long as its event does.
    """
    where = f"state = 'settled' AND folder_id IN ({_marks(folders)}) AND id NOT IN ({_marks(busy)})"
    bound = (*folders, *busy)
    if last is not None and last.taken_at is not None:
        rows = ledger.database.rows(
            f"SELECT {_COLUMNS} FROM file WHERE {where} AND camera = ? AND taken_at BETWEEN ? AND ? ORDER BY taken_at, id LIMIT 1",
            (*bound, last.camera, moved(last.taken_at, -event_seconds), moved(last.taken_at, event_seconds)),
        )
        if rows:
            return _file(rows[0])
    rows = ledger.database.rows(f"SELECT camera FROM file WHERE {where} ORDER BY id LIMIT 1", bound)
    if not rows:
        return None
    for clock in ("taken_at IS NOT NULL ORDER BY taken_at, id", "taken_at IS NULL ORDER BY id"):
        found = ledger.database.rows(
            f"SELECT {_COLUMNS} FROM file WHERE {where} AND camera = ? AND {clock} LIMIT 1", (*bound, rows[0][0])
        )
        if found:
            return _file(found[0])
    return None


def settled_file(ledger: Ledger, file_id: int) -> SettledFile | None:
    """One file, where it still waits to be answered."""
    rows = ledger.database.rows(f"SELECT {_COLUMNS} FROM file WHERE id = ? AND state = 'settled'", (file_id,))
    return _file(rows[0]) if rows else None


def _marks(values: Collection[int]) -> str:
    return ", ".join("?" * len(values))


def _file(row: tuple[object, ...]) -> SettledFile:
    number, folder, path, size, mtime_ns, inode, camera, taken_at, tries = row
    state = FileState(size, mtime_ns, inode)  # type: ignore[arg-type]
    return SettledFile(number, folder, path, state, camera, taken_at, tries)  # type: ignore[arg-type]
