"""A database on a PostgreSQL server: its statements and transactions. `storage.postgres_errors` says what each of its errors means.

One schema of the server's database holds the tables. Transactions that write wait for each other by an advisory lock, as in SQLite, so
that row ids grow in the order of the commits and nobody who follows the events by id misses one.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from reid_edge.storage.address import ServerAddress
from reid_edge.storage.clock import Clock, system_clock
from reid_edge.storage.database import Database, DatabaseKind, apply_migrations, check_version
from reid_edge.storage.postgres_errors import postgres_errors

CONNECT_SECONDS, LOCK_SECONDS = 10, 5


class PostgresDatabase(Database):
    """An open database on a server. A connection that was lost is made again by the next statement outside a transaction."""

    path: ServerAddress

    def __init__(self, path: ServerAddress, kind: DatabaseKind, writable: bool, clock: Clock) -> None:
        """Connect.

        Raises:
            kind.error: the server does not answer, or refuses the user or the database.
        """
        super().__init__(path, kind, writable, clock)
        self._read_only = False
        self._connection = self._connect()

    @property
    def title(self) -> str:
        """The name of the database, or of the schema where it has one of its own."""
        return self.path.database if self.path.schema == "public" else self.path.schema

    @property
    def cache(self) -> Path:
        """A folder of this user, one for each gallery of each server."""
        folder = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        return Path(folder) / "reid-edge" / "galleries" / self.path.fingerprint

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        with self._lock, self._errors():
            return self._execute(sql, parameters).fetchall()

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Run one changing statement; returns how many rows it changed."""
        with self._lock, self._errors():
            return self._execute(sql, parameters).rowcount

    def insert(self, table: str, **columns: Any) -> int:
        """Insert one row into a table with an id; returns its id."""
        ((row_id,),) = self.rows(f"{_insertion(table, columns)} RETURNING id", tuple(columns.values()))
        return int(row_id)

    def try_insert(self, table: str, **columns: Any) -> bool:
        """Insert one row; False where a constraint of the table refuses it."""
        with self._lock, self._errors():
            try:
                with self._connection.transaction():  # a savepoint: an error would end the whole transaction
                    self._execute(_insertion(table, columns), tuple(columns.values()))
            except psycopg.IntegrityError:
                return False
        return True

    def replaced(self) -> bool:
        """False: a server's database that is restored has other events, by which whoever follows it recognises that."""
        return False

    def problems(self, most: int = 20) -> Iterator[str]:
        """Nothing: the server checks its own files (initdb --data-checksums, pg_amcheck)."""
        yield from ()

    def run_script(self, sqlite: str, postgres: str = "") -> None:
        """Run the script for PostgreSQL."""
        with self._lock, self._errors():
            self._connection.execute((postgres or _translated(sqlite)).encode())

    def copy_rows(
        self, table: str, columns: Sequence[str], rows: Iterator[Sequence[Any]], types: Sequence[str] | None = None
    ) -> None:
        """Add many rows at once, in the open transaction.

        Args:
            table, columns: where to.
            rows: their values.
            types: PostgreSQL's names of the columns' types, to send the values as bytes, which is faster than as text; `bytea` for one that
                is given as the server has it.
        """
        sql = f"COPY {table} ({', '.join(columns)}) FROM STDIN{' (FORMAT BINARY)' if types else ''}".encode()
        with self._lock, self._errors(), self._connection.cursor() as cursor, cursor.copy(sql) as copy:
            if types:
                copy.set_types(types)
            for row in rows:
                copy.write_row(row)

    def query_only(self) -> None:
        """From now on the server refuses changes from here."""
        self._read_only = True
        self.writable = False
        with self._lock, self._errors():
            self._connection.execute("SET default_transaction_read_only = on")

    def _execute(self, sql: str, parameters: Sequence[Any]) -> psycopg.RawCursor[tuple[Any, ...]]:
        if self._connection.closed and not self._within_transaction:
            self._connection = self._connect()
        return psycopg.RawCursor(self._connection).execute(_numbered(sql).encode(), parameters or None, binary=True)

    def _connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        self._within_transaction = False
        to = self.path
        named: dict[str, Any] = {
            "host": to.host,
            "port": to.port,
            "user": to.user,
            "password": to.password,
            "dbname": to.database,
        }
        options: dict[str, Any] = {"connect_timeout": CONNECT_SECONDS, "application_name": "reid-edge"}
        options |= {
            "keepalives_idle": 30,
            "tcp_user_timeout": 30_000,
        }  # seconds, milliseconds: a server that went away is noticed
        given = {key: value for key, value in {**options, **dict(to.options), **named}.items() if value}
        with self._errors():
            connection = psycopg.connect(make_conninfo("", **given), autocommit=True)
            settings = f"SET search_path = {_quoted(to.schema)}, public; SET lock_timeout = '{LOCK_SECONDS}s'"
            connection.execute(f"{settings}; SET client_min_messages = warning".encode())
            if self._read_only:
                connection.execute("SET default_transaction_read_only = on")
        return connection

    def _errors(self) -> contextlib.AbstractContextManager[None]:
        return postgres_errors(self.kind, self.path)

    def _in_transaction(self) -> bool:
        return self._within_transaction

    def _begin(self, write: bool) -> None:
        self.execute("BEGIN ISOLATION LEVEL READ COMMITTED" if write else "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        self._within_transaction = True
        if write:
            key = self.kind.application_id
            self.rows("SELECT pg_advisory_xact_lock(?, hashtext(current_schema()))", (key,))

    def _commit(self) -> None:
        with self._errors():
            done = self._connection.execute("COMMIT").statusmessage
        self._within_transaction = False
        if done != "COMMIT":  # a statement inside failed, and whoever called went on
            raise self.kind.error(f"The change of {self.path} was not stored, because a statement of it failed.", "Run again.")

    def _roll_back(self) -> None:
        with contextlib.suppress(psycopg.Error):
            if not self._connection.closed:
                self._connection.execute("ROLLBACK")
        self._within_transaction = False

    def _disconnect(self) -> None:
        self._connection.close()


def create_server_database(kind: DatabaseKind, address: ServerAddress, clock: Clock = system_clock) -> None:
    """Make every table in the schema of the address, in one transaction.

    Raises:
        kind.error: the schema has a table `migration`, the server does not answer, or refuses.
        StorageError: the server's disk is full, or it is read-only.
    """
    database = PostgresDatabase(address, kind, True, clock)
    with contextlib.closing(database):
        if address.schema != "public" and not database.rows("SELECT 1 FROM pg_namespace WHERE nspname = ?", (address.schema,)):
            database.execute(f"CREATE SCHEMA IF NOT EXISTS {_quoted(address.schema)}")
        with database.transaction():
            if _comment(database) is not None:
                raise kind.error(
                    f"{address} already exists.", f"Use it as the {kind.noun} it is, or name a schema: ?schema=NAME."
                )
            database.execute('CREATE TABLE migration (name TEXT COLLATE "C" PRIMARY KEY, applied_at TEXT NOT NULL)')
            database.execute(f"COMMENT ON TABLE migration IS '{_mark(kind)}'")
            apply_migrations(database)


def open_server_database(
    kind: DatabaseKind, address: ServerAddress, writable: bool = True, clock: Clock = system_clock
) -> PostgresDatabase:
    """Open the database at an address; one of an older version is brought to this one where the user may do that.

    Raises:
        kind.error: the server does not answer or refuses, the database is none of this kind, of a newer version, or locked.
        StorageError: it must be written and the server or the user can only read.
    """
    database = PostgresDatabase(address, kind, writable, clock)
    try:
        comment = _comment(database)
        if comment is None:
            raise kind.error(f"There is no {kind.noun} at {address}.", kind.missing.format(path=address))
        if comment != _mark(kind):
            raise kind.error(
                f"The table `migration` at {address} is not that of a {kind.noun}.", "Name another schema: ?schema=NAME"
            )
        ((is_owner,),) = database.rows("SELECT has_table_privilege('migration', 'INSERT')")
        database.writable = writable and bool(is_owner)
        check_version(database, migrate=True)
        database.writable = writable
        if writable:
            apply_migrations(database)
        else:
            database.query_only()
    except BaseException:
        database.close()
        raise
    return database


def server_database_exists(kind: DatabaseKind, address: ServerAddress) -> bool:
    """Whether there is a database of this kind; errors of the connection as `open_server_database`."""
    with contextlib.closing(PostgresDatabase(address, kind, False, system_clock)) as database:
        return _comment(database) is not None


def _mark(kind: DatabaseKind) -> str:
    return f"reid-edge {kind.noun}"


def _comment(database: PostgresDatabase) -> str | None:
    """What the table `migration` says that it is; None where there is no such table in the schema."""
    rows = database.rows(
        "SELECT coalesce(obj_description(c.oid, 'pg_class'), '') FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE c.relname = 'migration' AND n.nspname = ?",
        (database.path.schema,),
    )
    return str(rows[0][0]) if rows else None


def _insertion(table: str, columns: dict[str, Any]) -> str:
    names = ", ".join(f'"{name}"' for name in columns)
    return f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' * len(columns))})"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


_TYPES = (
    (r"\bINTEGER PRIMARY KEY( AUTOINCREMENT)?", "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY"),
    (r"\bINTEGER\b", "BIGINT"),
    (r"\bREAL\b", "DOUBLE PRECISION"),
    (r"\bBLOB\b", "BYTEA"),
    (r"\bTEXT\b", 'TEXT COLLATE "C"'),  # the order of SQLite, whatever that of the server's database is
)


def _translated(script: str) -> str:
    """The tables of a script for SQLite as tables of PostgreSQL."""
    for pattern, replacement in _TYPES:
        script = re.sub(pattern, replacement, script)
    return script


@functools.cache
def _numbered(sql: str) -> str:
    """The statement with the parameters that PostgreSQL numbers, and lists as its arrays."""
    sql = re.sub(r"\bNOT IN \(\?\)", "<> ALL(?)", sql)
    sql = re.sub(r"\bIN \(\?\)", "= ANY(?)", sql)
    first, *rest = sql.split("?")
    return first + "".join(f"${number}{part}" for number, part in enumerate(rest, 1))
