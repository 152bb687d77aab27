"""What each error of a PostgreSQL server means, and what to do about it. No message holds a password."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import psycopg

from reid_edge.errors import ReidEdgeError, StorageError
from reid_edge.storage.address import ServerAddress
from reid_edge.storage.database import DatabaseKind

_NETWORK = "Check that the server runs and that this machine reaches it, then run again; nothing was half done."
_LOGIN = "Check the user, and the password in ~/.pgpass or PGPASSWORD."
_RIGHTS = "Ask its owner for the role that this needs: reid-edge gallery roles."
_EXTENSION = "Install pgvector on the server (Debian: postgresql-16-pgvector), then as a superuser run: CREATE EXTENSION vector;"

# By SQLSTATE, or by its first two characters: https://www.postgresql.org/docs/current/errcodes-appendix.html
_MEANINGS: dict[str, tuple[str, str]] = {
    "08": ("The connection to {path} was lost.", _NETWORK),
    "0A000": ("The server of {path} lacks the extension vector.", _EXTENSION),
    "22P05": ("The database {path} cannot hold this text.", "Make the database with the encoding UTF8."),
    "25P02": ("An earlier statement failed in {path}.", "Run again."),
    "28": ("The server refused the login to {path}.", _LOGIN),
    "3D000": ("The server has no database {database}.", "Make one: CREATE DATABASE {database};"),
    "42501": ("The user of {path} may not do this.", _RIGHTS),
    "42704": ("The server of {path} lacks the extension vector.", _EXTENSION),
    "57014": ("The server stopped a statement at {path} that took too long.", "Run again, or raise its statement_timeout."),
    "57": ("The server of {path} is shutting down or starting.", _NETWORK),
    "58P01": ("The server of {path} lacks the extension vector.", _EXTENSION),
    "XX001": ("The {noun} {path} is damaged on the server's disk.", "Restore a dump: pg_restore."),
    "XX002": ("The {noun} {path} is damaged on the server's disk.", "Run REINDEX DATABASE, or restore a dump: pg_restore."),
}
_OF_STORAGE: dict[str, tuple[str, str]] = {
    "25006": ("Could not write {path}: the server is read-only.", "Name the primary server, not a replica of it."),
    "53100": (
        "Could not write {path}: the server's disk is full.",
        "Free some space on the server; what was acknowledged is kept.",
    ),
    "53200": ("The server of {path} is out of memory.", "Run again, or give the server more memory."),
    "53300": ("The server of {path} has no connection left.", "Run again later, or raise its max_connections."),
    "58030": ("The disk of the server of {path} fails.", "Ask who runs the server."),
}
_NO_PASSWORD = "no password supplied"
# The driver gives no SQLSTATE for what fails while it connects, so these are told apart by the server's untranslated texts.
_CONNECTING = (
    ("password authentication failed", "28"),
    (_NO_PASSWORD, "28"),
    ("no pg_hba.conf entry", "28"),
    ("role", "28"),
    ("database", "3D000"),
    ("too many", "53300"),
    ("remaining connection slots", "53300"),
    ("starting up", "57"),
    ("shutting down", "57"),
)


@contextlib.contextmanager
def postgres_errors(kind: DatabaseKind, address: ServerAddress) -> Iterator[None]:
    """Turn what the driver and the server raise into `kind.error` and StorageError."""
    try:
        yield
    except psycopg.Error as error:
        if isinstance(error, psycopg.ProgrammingError) and not {error.sqlstate, (error.sqlstate or "")[:2]} & _MEANINGS.keys():
            raise  # a mistake in this program, not in the database
        raise _meaning(kind, address, error) from None if error.sqlstate is None else error


def _meaning(kind: DatabaseKind, address: ServerAddress, error: psycopg.Error) -> ReidEdgeError:
    fields = {"noun": kind.noun, "path": address, "database": address.database}
    state = error.sqlstate or ""
    if not state and isinstance(error, psycopg.OperationalError):
        text = str(error)
        # The driver itself says that there is no password; all else that follows FATAL is the server's.
        fatal = _NO_PASSWORD if _NO_PASSWORD in text else text.partition("FATAL:")[2]
        state = next((state for part, state in _CONNECTING if part in fatal), "08") if fatal else "08"
        if not fatal and "terminat" not in text and "lost" not in text and "closed" not in text:
            reason = "did not answer in time" if "timeout" in text else "cannot be reached"
            return kind.error(f"The server of {address} {reason}.", _NETWORK)
    if state == "55P03":
        return kind.error(f"The {kind.noun} {address} is in use by another process.", kind.in_use.format(path=address))
    if state == "23505":
        return kind.error(f"Another process has just added the same entry to the {kind.noun} {address}.", kind.conflict)
    for meanings, error_kind in ((_OF_STORAGE, StorageError), (_MEANINGS, kind.error)):
        for code in (state, state[:2]):
            if code in meanings:
                message, hint = meanings[code]
                return error_kind(message.format(**fields), hint.format(**fields))
    return kind.error(
        f"The {kind.noun} {address} cannot be used: {_plain(error, address)}.", "Run again; look at the server's log."
    )


def _plain(error: psycopg.Error, address: ServerAddress) -> str:
    text = error.diag.message_primary or str(error).splitlines()[0]
    return text.replace(address.password, "***") if address.password else text
