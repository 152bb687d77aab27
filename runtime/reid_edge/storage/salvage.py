"""Reading a damaged SQLite file past what is broken, and without its indexes."""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from reid_edge.storage import sqlite_opening
from reid_edge.storage.database import DatabaseKind
from reid_edge.storage.sqlite import sqlite_errors

_PAGE = 200  # rows read at a time, until one of them cannot be
_SMALLEST_ROW = 24  # bytes; bounds how many rows a file can hold
_MOST_UNREADABLE = 5_000  # ids that are tried one by one beyond the last that can be read
_UNREADABLE = (sqlite3.DatabaseError, UnicodeDecodeError)


class DamagedDatabase:
    """A damaged database, locked against every other process while it is open; a context manager.

    Attributes:
        unreadable: the tables of which some rows could not be read so far.
    """

    def __init__(self, kind: DatabaseKind, path: Path) -> None:
        """Open the file and lock it.

        Raises:
            kind.error: no file, another file, in use by another process, or damaged beyond reading.
            StorageError: the disk fails, or may not be written.
        """
        self.unreadable: set[str] = set()
        self._kind = kind
        self._path = path
        if not path.is_file():
            raise kind.error(f"There is no {kind.noun} at {path}.", "Check the path.")
        with self.errors():
            self._connection = sqlite3.connect(
                f"{path.resolve().as_uri()}?mode=rw", uri=True, timeout=sqlite_opening.BUSY_SECONDS, isolation_level=None
            )
            try:
                self._lock_exclusive()
            except BaseException:
                self._connection.close()
                raise

    def __enter__(self) -> DamagedDatabase:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._connection.close()

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        """As the kind's `errors`; SQLite's own message about an overwritten schema may be no text."""
        with sqlite_errors(self._kind, self._path):
            try:
                yield
            except UnicodeDecodeError:
                raise self._kind.error(
                    f"The {self._kind.noun} {self._path} is damaged where its tables are described.", "Restore a backup."
                ) from None

    def need(self, *tables: str) -> None:
        """Refuse a database in which one of these tables is not described any more, since all of its rows are lost."""
        with self.errors():
            lost = [table for table in tables if not self._connection.execute(f"PRAGMA table_info({table})").fetchall()]
        if lost:
            raise self._kind.error(
                f"The {self._kind.noun} {self._path} is damaged where its tables are described.", "Restore a backup."
            )

    def rows(self, table: str, columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        """Every row of a table that can be read, by id; notes in `unreadable` where one cannot be.

        A column that a database of an earlier version does not have is None; a table that it does not have has no rows.
        """
        present = {row[1] for row in self._connection.execute(f"PRAGMA table_info({table})")}
        if not present:
            return
        columns = [column if column in present else "NULL" for column in columns]
        for number in self._readable_ids(table):
            row = self._row(table, columns, number)
            if row is None:
                self.unreadable.add(table)
            else:
                yield row

    def last_id(self, table: str) -> int:
        """The last id that an AUTOINCREMENT table has given; 0 where that cannot be read."""
        try:
            row = self._connection.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table,)).fetchone()
        except sqlite3.DatabaseError:
            return 0
        return int(row[0]) if row and isinstance(row[0], int) else 0

    def _lock_exclusive(self) -> None:
        connection = self._connection
        connection.execute("PRAGMA writable_schema = ON")  # a broken index or trigger must not hide the tables
        if connection.execute("PRAGMA application_id").fetchone() != (self._kind.application_id,):
            raise self._kind.error(
                f"{self._path} is a SQLite file but not a {self._kind.noun}.", f"Name the {self._kind.noun}'s file."
            )
        if connection.execute("PRAGMA journal_mode").fetchone() == ("wal",):
            connection.execute("PRAGMA journal_mode = DELETE")  # only where nobody else has it open
        connection.execute("BEGIN EXCLUSIVE")

    def _readable_ids(self, table: str) -> Iterator[int]:
        """Ids of a table in their order, past what cannot be read."""
        last, most = 0, self._most_rows()
        while True:
            try:
                page = self._connection.execute(
                    f"SELECT id FROM {table} NOT INDEXED WHERE id > ? ORDER BY id LIMIT ?", (last, _PAGE)
                )
                ids = [number for (number,) in page]
            except _UNREADABLE:
                # A page ahead is broken: one row at a time, until the next one that can be read.
                self.unreadable.add(table)
                ahead = range(last + 1, min(last + _MOST_UNREADABLE, most) + 1)
                ids = list(itertools.islice((number for number in ahead if self._row(table, ["id"], number)), 1))
            if not ids:
                return
            yield from ids
            last = ids[-1]

    def _row(self, table: str, columns: Sequence[str], number: int) -> tuple[Any, ...] | None:
        try:
            row: tuple[Any, ...] | None = self._connection.execute(
                f"SELECT {', '.join(columns)} FROM {table} NOT INDEXED WHERE id = ?", (number,)
            ).fetchone()
        except _UNREADABLE:
            return None
        return row

    def _most_rows(self) -> int:
        ((pages,), (size,)) = (self._connection.execute(f"PRAGMA {name}").fetchone() for name in ("page_count", "page_size"))
        return int(pages) * int(size) // _SMALLEST_ROW
