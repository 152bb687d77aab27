"""A SQLite database: its statements and transactions, and what each of its errors means. `storage.sqlite_opening` opens it."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from reid_edge.errors import ReidEdgeError, StorageError
from reid_edge.storage.clock import Clock
from reid_edge.storage.database import Database, DatabaseKind
from reid_edge.storage.errors import file_errors

_FREE_SPACE = "Free some space and run the command again; everything that was acknowledged is kept."


@contextlib.contextmanager
def sqlite_errors(kind: DatabaseKind, path: Path) -> Iterator[None]:
    """Turn what SQLite and the operating system raise about `path` into `kind.error` and StorageError."""
    try:
        with file_errors(path):
            yield
    except (sqlite3.ProgrammingError, sqlite3.InterfaceError):
        raise  # a mistake in this program, not in the file
    except sqlite3.Error as error:
        raise _meaning(kind, path, str(error)) from error


class SqliteDatabase(Database):
    """An open SQLite file."""

    path: Path

    def __init__(self, path: Path, kind: DatabaseKind, connection: sqlite3.Connection, writable: bool, clock: Clock) -> None:
        super().__init__(path, kind, writable, clock)
        self._connection = connection
        self._absolute = path.absolute()
        self._file = _file_number(self._absolute)

    @property
    def title(self) -> str:
        """The name of the file without its suffix."""
        return self.path.stem

    @property
    def cache(self) -> Path:
        """The folder beside the file."""
        return self.path.with_name(self.path.name + ".cache")

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        with self._lock, sqlite_errors(self.kind, self.path):
            return self._execute(sql, parameters).fetchall()

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Run one changing statement; returns how many rows it changed."""
        with self._lock, sqlite_errors(self.kind, self.path):
            return self._execute(sql, parameters).rowcount

    def insert(self, table: str, **columns: Any) -> int:
        """Insert one row into a table with an id; returns its id."""
        names = ", ".join(f'"{name}"' for name in columns)
        sql = f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' * len(columns))})"
        with self._lock, sqlite_errors(self.kind, self.path):
            return int(self._execute(sql, tuple(columns.values())).lastrowid or 0)

    def try_insert(self, table: str, **columns: Any) -> bool:
        """Insert one row; False where a constraint of the table refuses it."""
        try:
            self.insert(table, **columns)
        except ReidEdgeError as error:
            if isinstance(error.__cause__, sqlite3.IntegrityError):
                return False
            raise
        return True

    def replaced(self) -> bool:
        """Whether another file has the name by now, or none."""
        return self._file != _file_number(self._absolute)

    def problems(self, most: int = 20) -> Iterator[str]:
        """What SQLite's own check finds."""
        for (problem,) in self.rows(f"PRAGMA integrity_check({most})"):
            if problem != "ok":
                yield f"SQLite: {problem}"
        for table, row, parent, _ in self.rows("PRAGMA foreign_key_check"):
            yield f"Row {row} of {table} refers to a missing {parent}"

    def run_script(self, sqlite: str, postgres: str = "") -> None:
        """Run the script for SQLite."""
        statement = ""
        for line in sqlite.splitlines(keepends=True):
            statement += line
            if sqlite3.complete_statement(statement):  # one by one: `executescript` would commit the transaction
                self.execute(statement)
                statement = ""

    def _execute(self, sql: str, parameters: Sequence[Any]) -> sqlite3.Cursor:
        if any(isinstance(each, list) for each in parameters):
            sql, parameters = _with_lists(sql), [json.dumps(each) if isinstance(each, list) else each for each in parameters]
        return self._connection.execute(sql, parameters)

    def _in_transaction(self) -> bool:
        return self._connection.in_transaction

    def _begin(self, write: bool) -> None:
        self.execute("BEGIN IMMEDIATE" if write else "BEGIN")
        if write and self.replaced():  # what is written into the old file is lost with it
            raise self.kind.error(
                f"The {self.kind.noun} {self.path} is no longer the file that was opened, so nothing was written.",
                "Another file is in its place, or none. Start again.",
            )

    def _commit(self) -> None:
        self.execute("COMMIT")

    def _roll_back(self) -> None:
        if self._connection.in_transaction:  # SQLite has already rolled back by itself after some failures
            with contextlib.suppress(sqlite3.Error):
                self._connection.rollback()

    def _disconnect(self) -> None:
        self._connection.close()


@functools.cache
def _with_lists(sql: str) -> str:
    return re.sub(r"\bIN \(\?\)", "IN (SELECT value FROM json_each(?))", sql)


def _file_number(path: Path) -> tuple[int, int] | None:
    try:
        status = os.stat(path)  # noqa: PTH116
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _meaning(kind: DatabaseKind, path: Path, text: str) -> ReidEdgeError:
    # By text: Python 3.10 has no error codes, and SQLite's texts are constants of its source.
    meanings: tuple[tuple[str, type[ReidEdgeError], str, str], ...] = (
        ("disk is full", StorageError, "Could not write {path}: the disk is full.", _FREE_SPACE),
        ("readonly database", StorageError, "Could not write {path}: it is read-only.", "Copy it to a writable disk."),
        (
            "disk I/O error",
            StorageError,
            "The disk that holds {path} fails.",
            "Copy the file to another disk, then check it.",
        ),
        (
            "unable to open",
            StorageError,
            "Could not open {path}.",
            "Check that its folder exists and may be read and written.",
        ),
        ("is locked", kind.error, "The {noun} {path} is in use by another process.", kind.in_use),
        ("not a database", kind.error, "{path} is not a {noun}.", kind.wrong_file),
        ("malformed", kind.error, "The {noun} {path} is damaged.", kind.damaged),
        (
            "UNIQUE constraint",
            kind.error,
            "Another process has just added the same entry to the {noun} {path}.",
            kind.conflict,
        ),
    )
    for part, error, message, hint in meanings:
        if part in text:
            return error(message.format(noun=kind.noun, path=path), hint.format(path=path))
    return kind.error(f"The {kind.noun} {path} cannot be used: {text}.", kind.damaged.format(path=path))
