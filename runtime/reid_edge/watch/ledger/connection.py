"""Opening a ledger: for writing by one daemon at a time, for reading by anybody."""

from __future__ import annotations

from pathlib import Path

from reid_edge.storage.database import Database
from reid_edge.storage.errors import file_errors
from reid_edge.storage.locks import lock_file
from reid_edge.storage.opening import open_database
from reid_edge.watch.ledger.schema import LEDGER, LedgerError


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
            raise LedgerError(
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
    """The ledger at `path` for reading, while a daemon may be writing it.

    Raises:
        LedgerError, StorageError: as `open_ledger`; LedgerError also where it is missing.
    """
    return open_database(LEDGER, path, writable=False, migrate=False)
