"""Opening and making the file of a database: its checks, its migrations, its journal."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

from reid_edge.errors import StorageError
from reid_edge.storage.clock import Clock, system_clock
from reid_edge.storage.database import DatabaseKind, apply_migrations, check_version
from reid_edge.storage.sqlite import SqliteDatabase, sqlite_errors

BUSY_SECONDS = 5.0
# Before 3.51.3 a checkpoint could, rarely, corrupt a database in WAL mode (https://www.sqlite.org/wal.html, "the WAL-reset bug").
WAL_SINCE = (3, 51, 3)
_JOURNAL_BYTES = 1 << 20


def create_database(kind: DatabaseKind, path: Path, clock: Clock = system_clock) -> None:
    """Make the file with every table, in one transaction: a kill leaves the whole database or an empty file that counts as none.

    Raises:
        kind.error: something that is not empty has that name, or the folder does not exist.
        StorageError: the disk is full or read-only.
    """
    taken = kind.error(f"{path} already exists.", f"Choose another path, or use it as the {kind.noun} it is.")
    with sqlite_errors(kind, path):
        if path.is_file() and path.stat().st_size and not path.with_name(path.name + "-journal").exists():
            raise taken
        _check_place(kind, path, create=True)
        database = SqliteDatabase(path, kind, _connect(path, "mode=rwc"), True, clock)
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
) -> SqliteDatabase:
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
    with sqlite_errors(kind, path):
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
    database = SqliteDatabase(path, kind, connection, can_write, clock)
    try:
        if create:
            _make_tables(database)
        _check_kind(database)
        check_version(database, migrate)
        if can_write and migrate:
            apply_migrations(database)
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


def _make_tables(database: SqliteDatabase) -> bool:
    """Make an empty file a database of its kind; returns whether it was empty."""
    with database.transaction():
        if database.rows("PRAGMA schema_version") != [(0,)]:
            return False
        database.execute(f"PRAGMA application_id = {database.kind.application_id}")
        database.execute("CREATE TABLE migration (name TEXT PRIMARY KEY, applied_at TEXT NOT NULL)")
        apply_migrations(database)
        return True


def _check_kind(database: SqliteDatabase) -> None:
    kind, path = database.kind, database.path
    if database.rows("PRAGMA application_id") != [(kind.application_id,)]:
        raise kind.error(f"{path} is a SQLite file but not a {kind.noun}.", kind.wrong_file.format(path=path))


def _set_journal(database: SqliteDatabase) -> None:
    kind = database.kind
    journal = "wal" if kind.uses_wal and sqlite3.sqlite_version_info >= WAL_SINCE else kind.rollback_journal
    if database.rows("PRAGMA journal_mode") != [(journal,)]:
        database.rows(f"PRAGMA journal_mode = {journal}")
    database.rows(f"PRAGMA journal_size_limit = {_JOURNAL_BYTES}")
