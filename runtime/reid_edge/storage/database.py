"""An open database of either kind: its statements and transactions. `storage.sqlite` and `storage.postgres` are the two kinds.

What sets one database apart from another (a gallery, a ledger) is a `DatabaseKind`. Statements are written once, in the SQL that both
understand: `?` is a parameter, `IN (?)` takes a list of values, and `insert` gives the id of its row.
"""

from __future__ import annotations

import contextlib
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from reid_edge.errors import GalleryError
from reid_edge.storage.address import Place
from reid_edge.storage.clock import Clock, now

Migration = tuple[str, Callable[["Database"], None]]
"""The name that is noted in the table `migration`, and the function that changes the tables, in an open transaction."""


@dataclass(frozen=True)
class DatabaseKind:
    """One kind of database. In every hint `{path}` stands for the file, or for the address.

    Attributes:
        noun: what people call it: `gallery`.
        error: raised where it is missing, damaged, locked, of a newer version or another file.
        application_id: in the header of the SQLite file; shows which kind a file is.
        migrations: in their order; a database notes which of them it has.
        rollback_journal: journal mode where WAL is not used. `delete` leaves one file; `persist` needs fewer syncs a transaction.
        missing, wrong_file, damaged, in_use, conflict: hints for a file that is missing, is something else, is damaged, is locked,
            or holds an entry that must be unique already.
        uses_wal: whether WAL is used where it is safe. Not where another file may take the place of an open one: its WAL would stay.
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
    uses_wal: bool = True


class Database(ABC):
    """An open database, which several threads may use: each statement, and each transaction, runs alone.

    Attributes:
        path: of the SQLite file, or the address of the server.
        kind: what it is.
        writable: False where it was opened for reading only, or can only be read.
    """

    def __init__(self, path: Place, kind: DatabaseKind, writable: bool, clock: Clock) -> None:
        self.path = path
        self.kind = kind
        self.writable = writable
        self._clock = clock
        self._lock = threading.RLock()
        self._closing = contextlib.ExitStack()

    @property
    @abstractmethod
    def title(self) -> str:
        """A short name: that of the file without its suffix, or that of the database on the server."""

    @property
    @abstractmethod
    def cache(self) -> Path:
        """The folder for what can be made again from this database; it need not exist."""

    @abstractmethod
    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query."""

    @abstractmethod
    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Run one changing statement; returns how many rows it changed."""

    @abstractmethod
    def insert(self, table: str, **columns: Any) -> int:
        """Insert one row into a table with an id; returns its id."""

    @abstractmethod
    def try_insert(self, table: str, **columns: Any) -> bool:
        """Insert one row; False where a constraint of the table refuses it."""

    @abstractmethod
    def replaced(self) -> bool:
        """Whether another database is at `path` by now, such as a restored backup."""

    @abstractmethod
    def problems(self, most: int = 20) -> Iterator[str]:
        """What is wrong with the database as such, a sentence without its full stop each."""

    @abstractmethod
    def run_script(self, sqlite: str, postgres: str = "") -> None:
        """Run a script, whose statements each end at the end of a line, in the open transaction.

        Args:
            sqlite: the script for SQLite.
            postgres: the one for PostgreSQL; '' where that for SQLite only makes tables, whose types have names of their own there.
        """

    def now(self) -> str:
        """The time of this database's clock as ISO 8601 in UTC, to the second."""
        return now(self._clock)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All changes inside are stored together or not at all, and nobody else changes anything meanwhile; one inside another joins it."""
        if not self.writable:
            raise self.kind.error(f"The {self.kind.noun} {self.path} is open for reading only.", "Open it for writing.")
        with self._within(write=True):
            yield

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[None]:
        """All reads inside see the same state."""
        with self._within(write=False):
            yield

    @contextlib.contextmanager
    def savepoint(self) -> Iterator[None]:
        """Within a transaction: where something inside raises, what was changed inside is taken back, and the transaction goes on."""
        self.execute("SAVEPOINT inside")
        try:
            yield
        except BaseException:
            self.execute("ROLLBACK TO SAVEPOINT inside")
            raise
        finally:
            self.execute("RELEASE SAVEPOINT inside")

    @contextlib.contextmanager
    def _within(self, write: bool) -> Iterator[None]:
        with self._lock:
            if self._in_transaction():
                yield
                return
            try:
                self._begin(write)
                yield
                self._commit()
            except BaseException:
                self._roll_back()
                raise

    @abstractmethod
    def _in_transaction(self) -> bool: ...

    @abstractmethod
    def _begin(self, write: bool) -> None: ...

    @abstractmethod
    def _commit(self) -> None: ...

    @abstractmethod
    def _roll_back(self) -> None:
        """Undo what the transaction did, where there still is one; raises nothing."""

    def on_close(self, release: Callable[[], object]) -> None:
        """Call `release` after the database was closed; for a lock that is held as long as it is open."""
        self._closing.callback(release)

    def close(self) -> None:
        """Close it; what was committed stays."""
        with self._lock, self._closing:
            self._disconnect()

    @abstractmethod
    def _disconnect(self) -> None: ...


def applied_migrations(database: Database) -> set[str]:
    """The names of the migrations that the database has."""
    return {name for (name,) in database.rows("SELECT name FROM migration")}


def check_version(database: Database, migrate: bool) -> None:
    """Refuse a database of a newer version, and one of an older version that has to be migrated and cannot be written."""
    kind, path = database.kind, database.path
    applied, listed = applied_migrations(database), {name for name, _ in kind.migrations}
    if applied - listed:
        raise kind.error(f"The {kind.noun} {path} was made by a newer version of reid-edge.", "Update reid-edge on this machine.")
    if migrate and listed - applied and not database.writable:
        raise kind.error(
            f"The {kind.noun} {path} was made by an older version of reid-edge and can only be read.",
            "Open it for writing once, with the rights of its owner (a file: on a writable disk); that brings it up to date.",
        )


def apply_migrations(database: Database) -> None:
    """Bring a database to this version, all in one transaction."""
    if applied_migrations(database).issuperset(name for name, _ in database.kind.migrations):
        return
    with database.transaction():
        applied = applied_migrations(database)  # again: another process may have migrated it meanwhile
        for name, change in database.kind.migrations:
            if name not in applied:
                change(database)
                database.execute("INSERT INTO migration VALUES (?, ?)", (name, database.now()))


def sql_script(sqlite: str, postgres: str = "") -> Callable[[Database], None]:
    """A migration that runs these statements, each of which ends at the end of a line."""

    def run(database: Database) -> None:
        database.run_script(sqlite, postgres)

    return run
