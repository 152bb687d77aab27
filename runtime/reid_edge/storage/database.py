"""The one way to open a SQLite file: its checks, transactions, migrations, and what each of its errors means.

What sets one database apart from another (a gallery, a ledger) is a `DatabaseKind`.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from reid_edge.errors import GalleryError, ReidEdgeError, StorageError
from reid_edge.storage.clock import Clock, now, system_clock
from reid_edge.storage.errors import file_errors

BUSY_SECONDS = 5.0
# Before 3.51.3 a checkpoint could, rarely, corrupt a database in WAL mode (https://www.sqlite.org/wal.html, "the WAL-reset bug").
WAL_SINCE = (3, 51, 3)
_JOURNAL_BYTES = 1 << 20
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


def create_database(kind: DatabaseKind, path: Path, clock: Clock = system_clock) -> None:
    """Make the file with every table, in one transaction: a kill leaves the whole database or an empty file that counts as none.

    Raises:
        kind.error: something that is not empty has that name, or the folder does not exist.
        StorageError: the disk is full or read-only.
    """
    taken = kind.error(f"{path} already exists.", f"Choose another path, or use it as the {kind.noun} it is.")
    with kind.errors(path):
        if path.is_file() and path.stat().st_size and not path.with_name(path.name + "-journal").exists():
            raise taken
        _check_place(kind, path, create=True)
        database = Database(path, kind, _connect(path, "mode=rwc"), True, clock)
    with contextlib.closing(database):
        if not _make_tables(database):
            raise taken


def open_database(
    kind: DatabaseKind,
    path: Path,
    writable: bool = True,
    *,
    create: bool = False,
    migrate: bool = True,
    clock: Clock = system_clock,
) -> Database:
    """Open the database at `path`.

    Args:
        kind: what it must be.
        path: of the SQLite file.
        writable: False also opens one on a read-only disk, and refuses every change.
        create: make it where it is missing; only with `writable`.
        migrate: bring an older one to this version, where its disk can be written.
        clock: what the times that the database notes are taken from.

    Raises:
        kind.error: missing, something else, of a newer version, damaged, or locked for longer than BUSY_SECONDS.
        StorageError: it must be written and the disk is full or read-only.
    """
    with kind.errors(path):
        _check_place(kind, path, create)
        # The folder holds the journal.
        can_write = (create and not path.exists()) or (os.access(path, os.W_OK) and os.access(path.resolve().parent, os.W_OK))
        if writable and not can_write:
            raise StorageError(
                f"The {kind.noun} {path} cannot be written: its disk or folder is read-only.",
                "Copy it to a disk that can be written, or correct the permissions.",
            )
        # A reader also opens for writing where it can, so that a transaction that a kill left half-written is rolled back.
        connection = _connect(path, "mode=rwc" if create else "mode=rw") if can_write else _connect_read_only(kind, path)
    database = Database(path, kind, connection, can_write, clock)
    try:
        if create:
            _make_tables(database)
        _check_version(database, migrate)
        if can_write and migrate:
            _migrate(database)
        if writable:
            _set_journal(database)
        else:
            if can_write:
                database.execute("PRAGMA query_only = ON")
            database.writable = False
    except BaseException:
        database.close()
        raise
    return database


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


def _check_place(kind: DatabaseKind, path: Path, create: bool) -> None:
    if path.is_dir():
        raise kind.error(f"{path} is a folder, not a {kind.noun}.", kind.wrong_file.format(path=path))
    if path.exists() and not path.is_file():
        raise kind.error(f"{path} is not a regular file.", kind.wrong_file.format(path=path))
    if create and not path.resolve().parent.is_dir():
        raise kind.error(f"The folder {path.parent} does not exist.", "Make it first.")
    if not create and not path.exists():
        raise kind.error(f"There is no {kind.noun} at {path}.", kind.missing.format(path=path))


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.resolve().as_uri()}?{mode}", uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute("PRAGMA foreign_keys = ON")
        # EXTRA also syncs the folder after a journal is deleted to commit: with FULL a power cut may bring the journal back, and with it
        # the state before the commit (https://www.sqlite.org/pragma.html#pragma_synchronous). For other journals it is the same as FULL.
        connection.execute("PRAGMA synchronous = EXTRA")
        connection.execute("PRAGMA schema_version").fetchall()  # reads the file, so what is wrong with it shows here
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _connect_read_only(kind: DatabaseKind, path: Path) -> sqlite3.Connection:
    try:
        return _connect(path, "mode=ro")
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise
    for suffix in ("-journal", "-wal"):
        leftover = path.resolve().with_name(path.resolve().name + suffix)
        if leftover.exists() and leftover.stat().st_size:
            raise StorageError(
                f"The {kind.noun} {path} was interrupted while it was written, and its disk is read-only, so it cannot be repaired.",
                f"Copy it together with {leftover.name} to a writable disk and open it there.",
            )
    # In WAL mode even a reader wants to make a file beside the database. Here nobody can, so nobody can change the database either.
    return _connect(path, "immutable=1")


def _make_tables(database: Database) -> bool:
    """Make an empty file a database of its kind; returns whether it was empty."""
    with database.transaction():
        if database.rows("PRAGMA schema_version") != [(0,)]:
            return False
        database.execute(f"PRAGMA application_id = {database.kind.application_id}")
        database.execute("CREATE TABLE migration (name TEXT PRIMARY KEY, applied_at TEXT NOT NULL)")
        _migrate(database)
        return True


def _applied(database: Database) -> set[str]:
    return {name for (name,) in database.rows("SELECT name FROM migration")}


def _check_version(database: Database, migrate: bool) -> None:
    kind, path = database.kind, database.path
    if database.rows("PRAGMA application_id") != [(kind.application_id,)]:
        raise kind.error(f"{path} is a SQLite file but not a {kind.noun}.", kind.wrong_file.format(path=path))
    applied, known = _applied(database), {name for name, _ in kind.migrations}
    if applied - known:
        raise kind.error(f"The {kind.noun} {path} was made by a newer version of reid-edge.", "Update reid-edge on this machine.")
    if migrate and known - applied and not database.writable:
        raise kind.error(
            f"The {kind.noun} {path} was made by an older version of reid-edge and its disk is read-only.",
            "Copy it to a writable disk; opening it there brings it up to date.",
        )


def _migrate(database: Database) -> None:
    if _applied(database).issuperset(name for name, _ in database.kind.migrations):
        return
    with database.transaction():
        applied = _applied(database)  # again: another process may have migrated it meanwhile
        for name, change in database.kind.migrations:
            if name not in applied:
                change(database)
                database.execute("INSERT INTO migration VALUES (?, ?)", (name, database.now()))


def _set_journal(database: Database) -> None:
    journal = "wal" if sqlite3.sqlite_version_info >= WAL_SINCE else database.kind.rollback_journal
    if database.rows("PRAGMA journal_mode") != [(journal,)]:
        database.rows(f"PRAGMA journal_mode = {journal}")
    database.rows(f"PRAGMA journal_size_limit = {_JOURNAL_BYTES}")
