"""Checked copies of a SQLite file, taken while it is in use."""

from __future__ import annotations

import contextlib
import math
import sqlite3
import uuid
from pathlib import Path

from reid_edge.storage import sqlite_opening
from reid_edge.storage.database import DatabaseKind
from reid_edge.storage.durable import TEMPORARY, move_into_place, sync_file
from reid_edge.storage.sqlite import sqlite_errors
from reid_edge.storage.sqlite_opening import open_database

SIDE_FILES = ("-journal", "-wal", "-shm")
"""Suffixes of the files that SQLite puts beside a database."""

_PAGES = 1024  # copied at a time; between them other processes can write
_REST_SECONDS = 0.005
_MOST_RESTARTS = 3  # SQLite begins again where another process wrote; then all pages are copied at once, and writers wait


def copy_database(kind: DatabaseKind, source: Path, target: Path) -> None:
    """Copy a database to `target`, which appears whole, checked and on the disk, or not at all.

    Raises:
        kind.error: the copy is damaged, because the source is.
        StorageError: the disk is full or fails.
    """
    temporary = target.with_name(f"{target.name}.{uuid.uuid4().hex}{TEMPORARY}")
    try:
        with sqlite_errors(kind, source):
            _copy(source, temporary)
        with sqlite_errors(kind, target):
            problem = _first_problem(kind, temporary)
            if problem:
                raise kind.error(
                    f"{source} is damaged, so it was not copied: {problem}.",
                    f"Earlier copies stay. {kind.damaged.format(path=source)}",
                )
            sync_file(temporary)
            move_into_place(temporary, target)
    finally:
        delete_database(temporary)


def delete_database(path: Path) -> None:
    """Delete a SQLite file and the files beside it; nothing where there is none."""
    for suffix in ("", *SIDE_FILES):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _copy(source: Path, target: Path) -> None:
    with (
        contextlib.closing(
            sqlite3.connect(f"{source.resolve().as_uri()}?mode=ro", uri=True, timeout=sqlite_opening.BUSY_SECONDS)
        ) as reading,
        contextlib.closing(sqlite3.connect(target)) as writing,
    ):
        try:
            reading.backup(writing, pages=_PAGES, sleep=_REST_SECONDS, progress=_Restarts().count)
        except _TooManyRestarts:
            reading.backup(writing)
        writing.execute("PRAGMA journal_mode = DELETE")  # one file, also of a database in WAL mode


class _TooManyRestarts(Exception):
    """Other processes write so often that the copy would not end."""


class _Restarts:
    """Counts how often a copy began again."""

    def __init__(self) -> None:
        self._remaining, self._restarts = math.inf, 0

    def count(self, _status: int, remaining: int, _total: int) -> None:
        """Called after every part of the copy; raises _TooManyRestarts."""
        self._restarts += remaining > self._remaining
        self._remaining = remaining
        if self._restarts > _MOST_RESTARTS:
            raise _TooManyRestarts


def _first_problem(kind: DatabaseKind, copy: Path) -> str:
    try:
        with contextlib.closing(open_database(kind, copy, writable=False, migrate=False)) as opened:
            return next(opened.problems(most=1), "")
    except kind.error as error:
        return str(error.__cause__ or error)
