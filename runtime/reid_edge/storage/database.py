"""The one door to a gallery's file: how it is opened, what a transaction is, and what every failure of it means."""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from reid_edge.errors import GalleryError, ReidEdgeError, StorageError
from reid_edge.gallery.schema import APPLICATION_ID, MIGRATIONS

BUSY_SECONDS = 5.0
# Before 3.51.3 a checkpoint could, rarely, corrupt a database in WAL mode (https://www.sqlite.org/wal.html, "the WAL-reset bug").
WAL_SINCE = (3, 51, 3)


Migrations = Sequence[tuple[str, str]]


class Database:
    """An open gallery file. Every statement goes through here, so every failure is a ReidEdgeError.

    Attributes:
        path: of the SQLite file.
        writable: False where it was opened for reading only, or can only be read.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, writable: bool) -> None:
        self.path = path
        self.writable = writable
        self._connection = connection

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        with translated(self.path):
            return self._connection.execute(sql, parameters).fetchall()

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> sqlite3.Cursor:
        """Run one changing statement; its cursor tells `rowcount`."""
        with translated(self.path):
            return self._connection.execute(sql, parameters)

    def insert(self, table: str, **columns: Any) -> int:
        """Insert one row; returns its id."""
        names = ", ".join(f'"{name}"' for name in columns)
        row = self.execute(f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' * len(columns))})", tuple(columns.values()))
        return int(row.lastrowid or 0)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All changes inside reach the disk together or not at all; one inside another joins it."""
        if not self.writable:
            raise GalleryError(f"The gallery {self.path} is open for reading only.", "Open it for writing.")
        with self._within("BEGIN IMMEDIATE"):
            yield

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[None]:
        """All reads inside see the same state of the gallery."""
        with self._within("BEGIN"):
            yield

    @contextlib.contextmanager
    def _within(self, begin: str) -> Iterator[None]:
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

    def close(self) -> None:
        """Close the file; what was committed stays."""
        self._connection.close()


def create_database(path: Path) -> None:
    """Make the file with every table, in one transaction: a kill leaves the whole gallery or an empty file that counts as none.

    Raises:
        GalleryError: something that is not empty lies there, or the folder does not exist.
        StorageError: the disk is full or read-only.
    """
    taken = GalleryError(f"{path} already exists.", "Choose another path, or use it as the gallery it is.")
    with translated(path):
        if path.is_file() and path.stat().st_size and not path.with_name(path.name + "-journal").exists():
            raise taken
        _check_place(path, made=False)
        database = Database(path, _connect(path, "mode=rwc"), writable=True)
    with contextlib.closing(database), database.transaction():
        if database.rows("PRAGMA schema_version") != [(0,)]:
            raise taken
        make_tables(database, APPLICATION_ID, MIGRATIONS)


def open_database(path: Path, writable: bool) -> Database:
    """Open the gallery file at `path`, brought to this version where it is older.

    Raises:
        GalleryError: no file, no gallery, a newer version, damaged, or locked for longer than BUSY_SECONDS.
        StorageError: it must be written and the disk is read-only.
    """
    with translated(path):
        if not path.exists():
            raise GalleryError(f"There is no gallery at {path}.", f"Make one: reid-edge gallery init --gallery {path}")
        _check_place(path, made=True)
        can_write = os.access(path, os.W_OK) and os.access(path.resolve().parent, os.W_OK)  # the folder holds the journal
        if writable and not can_write:
            raise StorageError(
                f"The gallery {path} cannot be written: its disk or folder is read-only.",
                "Copy it to a disk that can be written, or correct the permissions.",
            )
        # A reader also opens for writing where it can, so that a transaction that a kill left half-written is rolled back.
        database = Database(path, _connect(path, "mode=rw") if can_write else _connect_read_only(path), writable=can_write)
    try:
        _check_version(database)
        if can_write:
            _set_up(database, writable)
    except BaseException:
        database.close()
        raise
    return database


@contextlib.contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn what SQLite and the operating system raise about `path` into GalleryError and StorageError."""
    try:
        yield
    except (sqlite3.ProgrammingError, sqlite3.InterfaceError):
        raise  # a mistake in this program, not in the gallery
    except sqlite3.Error as error:
        raise _sqlite_meaning(path, str(error)) from error
    except OSError as error:
        raise _system_meaning(path, error) from error


_FREE_SPACE = "Free some space and run the command again; everything that was acknowledged is kept."
_RESTORE = "Run `reid-edge gallery check`, then restore a backup or import an export."
_MEANINGS: tuple[tuple[str, type[ReidEdgeError], str, str], ...] = (
    ("disk is full", StorageError, "The disk that holds {path} is full.", _FREE_SPACE),
    (
        "readonly database",
        StorageError,
        "{path} cannot be written: its disk or folder is read-only.",
        "Copy it to a writable disk.",
    ),
    ("disk I/O error", StorageError, "The disk that holds {path} fails.", "Copy the gallery to another disk, then check it."),
    (
        "is locked",
        GalleryError,
        "The gallery {path} is in use by another process.",
        "Wait until that one is done, then run again.",
    ),
    ("not a database", GalleryError, "{path} is not a gallery.", "Name the SQLite file that `reid-edge gallery init` made."),
    ("malformed", GalleryError, "The gallery {path} is damaged.", _RESTORE),
    (
        "UNIQUE constraint",
        GalleryError,
        "The gallery {path} holds the same name or photo meanwhile, from another command.",
        "Look at `reid-edge gallery history`; to undo both commands use --count 2.",
    ),
    ("unable to open", StorageError, "{path} cannot be opened.", "Check that its folder exists and may be read and written."),
)


def _sqlite_meaning(path: Path, text: str) -> ReidEdgeError:
    # By text: Python 3.10 has no error codes, and SQLite's texts are constants of its source.
    for part, kind, message, hint in _MEANINGS:
        if part in text:
            return kind(message.format(path=path), hint)
    return GalleryError(f"The gallery {path} cannot be used: {text}.", _RESTORE)


def _system_meaning(path: Path, error: OSError) -> ReidEdgeError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageError(f"The disk that holds {path} is full.", _FREE_SPACE)
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return StorageError(f"{path} may not be read or written here.", "Correct the permissions, or choose another place.")
    return StorageError(f"{path} cannot be used: {error.strerror or error}.", "Check the path and the disk.")


def _check_place(path: Path, made: bool) -> None:
    if path.is_dir():
        raise GalleryError(f"{path} is a folder, not a gallery.", "Name the SQLite file, gallery.sqlite for instance.")
    if path.exists() and not path.is_file():
        raise GalleryError(f"{path} is not a regular file.", "Name the SQLite file, gallery.sqlite for instance.")
    if not made and not path.resolve().parent.is_dir():
        raise GalleryError(f"The folder {path.parent} does not exist.", "Make it first.")


def _connect(path: Path, how: str) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?{how}", uri=True, timeout=BUSY_SECONDS, isolation_level=None)
    try:
        connection.execute("PRAGMA foreign_keys = ON")
        # EXTRA also syncs the folder after the journal is unlinked: with FULL a power cut may bring it back, and the state before with it.
        connection.execute("PRAGMA synchronous = EXTRA")
        connection.execute("PRAGMA schema_version").fetchall()  # reads the file, so what is wrong with it shows here
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _connect_read_only(path: Path) -> sqlite3.Connection:
    try:
        return _connect(path, "mode=ro")
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise
    for suffix in ("-journal", "-wal"):
        leftover = path.resolve().with_name(path.resolve().name + suffix)
        if leftover.exists() and leftover.stat().st_size:
            raise StorageError(
                f"The gallery {path} was interrupted while it was written, and its disk is read-only, so it cannot be repaired.",
                f"Copy it together with {leftover.name} to a writable disk and open it there.",
            )
    # In WAL mode even a reader wants to make a file beside the gallery. Here nobody can, so nobody can change the gallery either.
    return _connect(path, "immutable=1")


def _check_version(database: Database) -> None:
    if database.rows("PRAGMA application_id") != [(APPLICATION_ID,)]:
        raise GalleryError(
            f"{database.path} is a SQLite file but not a gallery.", "Name the SQLite file that `reid-edge gallery init` made."
        )
    applied = [name for (name,) in database.rows("SELECT name FROM migration")]
    known = [name for name, _ in MIGRATIONS]
    if set(applied) - set(known):
        raise GalleryError(
            f"The gallery {database.path} was made by a newer version of reid-edge.", "Update reid-edge on this machine."
        )
    if len(applied) < len(known) and not database.writable:
        raise GalleryError(
            f"The gallery {database.path} was made by an older version of reid-edge and its disk is read-only.",
            "Copy it to a writable disk; opening it there brings it up to date.",
        )


def _set_up(database: Database, writable: bool) -> None:
    applied = {name for (name,) in database.rows("SELECT name FROM migration")}
    if len(applied) < len(MIGRATIONS):
        with database.transaction():
            migrate(database, MIGRATIONS)
    if not writable:
        database.execute("PRAGMA query_only = ON")
        database.writable = False
        return
    journal = "wal" if sqlite3.sqlite_version_info >= WAL_SINCE else "delete"
    if database.rows("PRAGMA journal_mode") != [(journal,)]:
        database.rows(f"PRAGMA journal_mode = {journal}")


def make_tables(database: Database, application_id: int, migrations: Migrations) -> None:
    """Make an empty file a database of this kind; call it in a transaction."""
    database.execute(f"PRAGMA application_id = {application_id}")
    database.execute("CREATE TABLE migration (name TEXT PRIMARY KEY, applied_at TEXT NOT NULL)")
    migrate(database, migrations)


def migrate(database: Database, migrations: Migrations) -> None:
    """Bring the tables to this version; call it in a transaction.

    Args:
        migrations: (name, SQL script), in their order; those that `database` has are left out.
    """
    applied = {name for (name,) in database.rows("SELECT name FROM migration")}
    for name, script in migrations:
        if name in applied:
            continue
        for statement in _statements(script):
            database.execute(statement)
        database.execute("INSERT INTO migration VALUES (?, ?)", (name, now()))


def _statements(script: str) -> Iterator[str]:
    """The statements of a script one by one: `executescript` would commit the transaction they belong to."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def now() -> str:
    """The time now as ISO 8601 in UTC, to the second."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
