"""Opening a ledger's file: its lock, its migrations, its transactions, and the translation of every failure."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from reid_edge.errors import GalleryError, StorageError
from reid_edge.gallery.connection import BUSY_SECONDS, WAL_SINCE, Database, make_tables, migrate, translated
from reid_edge.watch.ledger.schema import APPLICATION_ID, MIGRATIONS

_JOURNAL_BYTES = 1 << 20


class LedgerError(GalleryError):
    """A ledger that is missing, damaged, of a newer version, or in use by another daemon."""


class LedgerInUseError(LedgerError):
    """Another daemon has the ledger."""


class LedgerDatabase(Database):
    """An open ledger file, which several threads may use: each statement, and each transaction, excludes the others."""

    def __init__(self, path: Path, connection: sqlite3.Connection, lock_file: BinaryIO | None) -> None:
        """The lock is held as long as the ledger is open; None for a reader."""
        super().__init__(path, connection, writable=lock_file is not None)
        self._lock_file = lock_file
        self._lock = threading.RLock()

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        with self._lock, ledger_errors(self.path):
            return super().rows(sql, parameters)

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> sqlite3.Cursor:
        """Run one changing statement; its cursor tells `rowcount`."""
        with self._lock, ledger_errors(self.path):
            return super().execute(sql, parameters)

    @contextlib.contextmanager
    def _within(self, begin: str) -> Iterator[None]:
        with self._lock, super()._within(begin):
            yield

    def close(self) -> None:
        """Close the file and release it for another daemon."""
        with self._lock:
            super().close()
            if self._lock_file is not None:
                self._lock_file.close()


def open_ledger(path: Path) -> LedgerDatabase:
    """The ledger at `path` for writing, made where there is none, and locked until it is closed or the process ends.

    Raises:
        LedgerError: another daemon has it; damaged; no ledger; of a newer version.
        StorageError: the disk is full, read-only or fails.
    """
    lock_file = _lock(path)
    try:
        with ledger_errors(path):
            connection = _connect(path, "mode=rwc")
        database = LedgerDatabase(path, connection, lock_file)
        try:
            _prepare(database)
        except BaseException:
            connection.close()
            raise
    except BaseException:
        lock_file.close()
        raise
    return database


def read_ledger(path: Path) -> LedgerDatabase:
    """The ledger at `path` for reading, while a daemon may be writing it.

    Raises:
        LedgerError, StorageError: as `open_ledger`; LedgerError also where there is none.
    """
    if not path.is_file():
        raise LedgerError(f"There is no ledger at {path}.", "Name the folder that `reid-edge watch --out` was given.")
    # Opened for writing where that may be, so that a transaction that a kill left half-written is rolled back.
    writable = os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)
    with ledger_errors(path):
        connection = _connect(path, "mode=rw" if writable else "mode=ro")
    database = LedgerDatabase(path, connection, None)
    try:
        _check(database)
        is_current = len(database.rows("SELECT 1 FROM migration")) == len(MIGRATIONS)
        database.execute("PRAGMA query_only = ON")
        if is_current:
            return database
    except BaseException:
        database.close()
        raise
    database.close()
    _bring_up_to_date(path, writable)
    return read_ledger(path)


def _bring_up_to_date(path: Path, writable: bool) -> None:
    message = f"The ledger {path} was made by an earlier version of reid-edge"
    if not writable:
        raise LedgerError(f"{message}, and may not be written.", "Copy it to a folder that can be written; it is updated there.")
    try:
        open_ledger(path).close()
    except LedgerInUseError as error:
        raise LedgerError(f"{message}, which is still at work.", "Stop that daemon; the new version goes on with it.") from error


def _lock(path: Path) -> BinaryIO:
    """The lock is on a file of its own: closing any other handle of the ledger in this process would give up one on itself."""
    with translated(path):
        file = path.with_name(path.name + ".lock").open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise LedgerInUseError(
            f"Another reid-edge watch is at work in {path.parent}; two would answer every photo twice.",
            "Give this one another --out, or stop the other one first.",
        ) from error
    return file


def _connect(path: Path, how: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.resolve().as_uri()}?{how}", uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA schema_version").fetchall()  # reads the file, so what is wrong with it shows here
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _prepare(database: LedgerDatabase) -> None:
    if database.rows("PRAGMA schema_version") == [(0,)]:
        with database.transaction():
            make_tables(database, APPLICATION_ID, MIGRATIONS)
    _check(database)
    with database.transaction():
        migrate(database, MIGRATIONS)
    # Where the journal is deleted to commit, a power cut can bring it back, and with it what was before the commit
    # (https://www.sqlite.org/pragma.html#pragma_synchronous, EXTRA). One that persists is overwritten and synced.
    journal = "wal" if sqlite3.sqlite_version_info >= WAL_SINCE else "persist"
    database.rows(f"PRAGMA journal_mode = {journal}")
    database.rows(f"PRAGMA journal_size_limit = {_JOURNAL_BYTES}")


def _check(database: LedgerDatabase) -> None:
    if database.rows("PRAGMA application_id") != [(APPLICATION_ID,)]:
        raise LedgerError(f"{database.path} is a SQLite file but not a ledger.", "Give another folder as --out.")
    if {name for (name,) in database.rows("SELECT name FROM migration")} - {name for name, _ in MIGRATIONS}:
        raise LedgerError(f"The ledger {database.path} was made by a newer version of reid-edge.", "Update reid-edge here.")


@contextlib.contextmanager
def ledger_errors(path: Path) -> Iterator[None]:
    """What SQLite raises becomes LedgerError or StorageError."""
    try:
        with translated(path):
            yield
    except (StorageError, LedgerError):
        raise
    except GalleryError as error:
        text = str(error.__cause__ or error)
        if "is locked" in text:
            raise LedgerError(f"The ledger {path} is in use by another process.", "It is tried again.") from error
        if "not a database" in text:
            raise LedgerError(f"{path} is not a ledger.", "Give another folder as --out.") from error
        raise LedgerError(
            f"The ledger {path} is damaged or cannot be used: {text}.",
            "Keep a copy of it, then restore a backup, or start a new --out: every photo there is answered again.",
        ) from error
