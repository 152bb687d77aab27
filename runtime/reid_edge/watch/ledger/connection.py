"""Opening a ledger: for writing by one daemon at a time, for reading by anybody."""

from __future__ import annotations

from pathlib import Path

from reid_edge.storage.database import Database
from reid_edge.storage.errors import file_errors
from reid_edge.storage.locks import lock_file
from reid_edge.storage.sqlite_opening import open_database
from reid_edge.watch.ledger.schema import LEDGER, LedgerError


class LedgerInUseError(LedgerError):
    """Another daemon has the ledger."""


def open_ledger(path: Path) -> Database:
    """The ledger at `path` for writing, made where it is missing, and locked until it is closed or the process ends.

    Raises:
        LedgerError: another daemon has it; damaged; no ledger; of a newer version.
        StorageError: the disk is full, read-only or fails.
    """
    # The lock is on a file of its own: closing any other handle of the ledger in this process would release a lock on the ledger itself.
    with file_errors(path):
        try:
            lock = lock_file(path.with_name(path.name + ".lock"), wait=False)
        except BlockingIOError:
            raise LedgerInUseError(
                f"Another reid-edge watch is at work in {path.parent}; two would answer every photo twice.",
                "Give this one another --out, or stop the other one first.",
            ) from None
    try:
        database = open_database(LEDGER, path, create=True)
    except BaseException:
        lock.close()
        raise
    database.on_close(lock.close)
    return database


def read_ledger(path: Path) -> Database:
    """The ledger at `path` for reading, while a daemon may be writing it. One of an earlier version is brought up to date first.

    Raises:
        LedgerError, StorageError: as `open_ledger`; LedgerError also where it is missing, or a daemon of an earlier version has it.
    """
    database = open_database(LEDGER, path, writable=False, migrate=False)
    if len(database.rows("SELECT 1 FROM migration")) == len(LEDGER.migrations):
        return database
    database.close()
    try:
        open_ledger(path).close()
    except LedgerInUseError as error:
        raise LedgerError(
            f"A daemon of an earlier version of reid-edge is at work on {path}.", "Stop it; this version continues its work."
        ) from error
    return open_database(LEDGER, path, writable=False, migrate=False)
