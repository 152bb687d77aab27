"""A SQLite database: its statements and transactions, and what each of its errors means. `storage.opening` opens it.

What sets one database apart from another (a gallery, a ledger) is a `DatabaseKind`.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from reid_edge.errors import GalleryError, ReidEdgeError, StorageError
from reid_edge.storage.clock import Clock, now
from reid_edge.storage.errors import file_errors

_FREE_SPACE = "Free some space and run the command again; everything that was acknowledged is kept."

Migration = tuple[str, Callable[["Database"], None]]
"""The name that is noted in the table `migration`, and the function that changes the tables, in an open transaction."""


@dataclass(frozen=True)
class DatabaseKind:
    """One kind of database. In every hint `{path}` stands for the file.

    Attributes:
        noun: what people call it: `gallery`.
        error: raised where it is missing, damaged, locked, of a newer version or another file.
        application_id: in the header of the SQLite file; shows which kind a file is.
        migrations: in their order; a database notes which of them it has.
        rollback_journal: journal mode where WAL is not safe. `delete` leaves one file; `persist` needs fewer syncs a transaction.
        missing, wrong_file, damaged, in_use, conflict: hints for a file that is missing, is something else, is damaged, is locked,
            or holds an entry that must be unique already.
    """

    noun: str
    error: type[GalleryError]
    application_id: int
    migrations: tuple[Migration, ...]
    rollback_journal: Literal["delete", "persist"]
    missing: str
    wrong_file: str
    damaged: str
    in_use: str
    conflict: str = ""

    @contextlib.contextmanager
    def errors(self, path: Path) -> Iterator[None]:
        """Turn what SQLite and the operating system raise about `path` into `error` and StorageError."""
        try:
            with file_errors(path):
                yield
        except (sqlite3.ProgrammingError, sqlite3.InterfaceError):
            raise  # a mistake in this program, not in the file
        except sqlite3.Error as error:
            raise self._meaning(path, str(error)) from error

    def _meaning(self, path: Path, text: str) -> ReidEdgeError:
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
            ("is locked", self.error, "The {noun} {path} is in use by another process.", self.in_use),
            ("not a database", self.error, "{path} is not a {noun}.", self.wrong_file),
            ("malformed", self.error, "The {noun} {path} is damaged.", self.damaged),
            (
                "UNIQUE constraint",
                self.error,
                "Another process has just added the same entry to the {noun} {path}.",
                self.conflict,
            ),
        )
        for part, error, message, hint in meanings:
            if part in text:
                return error(message.format(noun=self.noun, path=path), hint.format(path=path))
        return self.error(f"The {self.noun} {path} cannot be used: {text}.", self.damaged.format(path=path))


class Database:
    """An open database, which several threads may use: each statement, and each transaction, runs alone.

    Attributes:
        path: of the SQLite file.
        kind: what it is.
        writable: False where it was opened for reading only, or can only be read.
    """

    def __init__(self, path: Path, kind: DatabaseKind, connection: sqlite3.Connection, writable: bool, clock: Clock) -> None:
        self.path = path
        self.kind = kind
        self.writable = writable
        self._connection = connection
        self._clock = clock
        self._lock = threading.RLock()
        self._closing = contextlib.ExitStack()

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        with self._lock, self.kind.errors(self.path):
            return self._connection.execute(sql, parameters).fetchall()

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> sqlite3.Cursor:
        """Run one changing statement; its cursor has `rowcount`."""
        with self._lock, self.kind.errors(self.path):
            return self._connection.execute(sql, parameters)

    def insert(self, table: str, **columns: Any) -> int:
        """Insert one row; returns its id."""
        names = ", ".join(f'"{name}"' for name in columns)
        row = self.execute(f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' * len(columns))})", tuple(columns.values()))
        return int(row.lastrowid or 0)

    def try_insert(self, table: str, **columns: Any) -> bool:
        """Insert one row; False where a constraint of the table refuses it."""
        try:
            self.insert(table, **columns)
        except ReidEdgeError as error:
            if isinstance(error.__cause__, sqlite3.IntegrityError):
                return False
            raise
        return True

    def now(self) -> str:
        """The time of this database's clock as ISO 8601 in UTC, to the second."""
        return now(self._clock)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All changes inside reach the disk together or not at all; one inside another joins it."""
        if not self.writable:
            raise self.kind.error(f"The {self.kind.noun} {self.path} is open for reading only.", "Open it for writing.")
        with self._within("BEGIN IMMEDIATE"):
            yield

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[None]:
        """All reads inside see the same state."""
        with self._within("BEGIN"):
            yield

    @contextlib.contextmanager
    def _within(self, begin: str) -> Iterator[None]:
        with self._lock:
            if self._connection.in_transaction:
                yield
                return
            self.execute(begin)
            try:
                yield
                self.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # SQLite has already rolled back by itself after some failures
                    with contextlib.suppress(sqlite3.Error):
                        self._connection.rollback()
                raise

    def on_close(self, release: Callable[[], object]) -> None:
        """Call `release` after the file was closed; for a lock that is held as long as the database is open."""
        self._closing.callback(release)

    def close(self) -> None:
        """Close the file; what was committed stays."""
        with self._lock, self._closing:
            self._connection.close()


def sql_script(script: str) -> Callable[[Database], None]:
    """A migration that runs these statements, each of which ends at the end of a line."""

    def run(database: Database) -> None:
        statement = ""
        for line in script.splitlines(keepends=True):
            statement += line
            if sqlite3.complete_statement(statement):  # one by one: `executescript` would commit the transaction
                database.execute(statement)
                statement = ""

    return run
