"""Opening and making a database wherever it is: the one place that tells a file from a server."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from reid_edge.errors import UsageError
from reid_edge.installation import install_command
from reid_edge.storage import sqlite_opening
from reid_edge.storage.address import Place
from reid_edge.storage.database import Database, DatabaseKind


def create(kind: DatabaseKind, place: Place) -> None:
    """Make a database with every table; errors as `sqlite_opening.create_database` and `postgres.create_server_database`."""
    if isinstance(place, Path):
        sqlite_opening.create_database(kind, place)
        return
    with _needing_psycopg():
        from reid_edge.storage.postgres import create_server_database

    create_server_database(kind, place)


def open_place(kind: DatabaseKind, place: Place, writable: bool = True) -> Database:
    """Open a database; errors as `sqlite_opening.open_database` and `postgres.open_server_database`."""
    if isinstance(place, Path):
        return sqlite_opening.open_database(kind, place, writable)
    with _needing_psycopg():
        from reid_edge.storage.postgres import open_server_database

    return open_server_database(kind, place, writable)


def exists(kind: DatabaseKind, place: Place) -> bool:
    """Whether something is there that is not the empty file which a creation leaves that was killed in its first moment."""
    if isinstance(place, Path):
        return place.exists() and not (place.is_file() and not place.stat().st_size)
    with _needing_psycopg():
        from reid_edge.storage.postgres import server_database_exists

    return server_database_exists(kind, place)


@contextlib.contextmanager
def _needing_psycopg() -> Iterator[None]:
    """The module of servers needs a package of the extra `postgres`; UsageError where that is missing."""
    try:
        yield
    except ImportError as error:
        raise UsageError(
            "A gallery on a PostgreSQL server needs the package psycopg, which is not installed.",
            f"Run: {install_command('postgres')}",
        ) from error
