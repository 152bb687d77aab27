"""The ledger: what was seen, what was decided, and what is still to be delivered, in one SQLite file that is the only truth."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

from reid_edge.storage.database import Database
from reid_edge.watch.ledger.connection import open_ledger, read_ledger
from reid_edge.watch.ledger.files import Files
from reid_edge.watch.ledger.folders import Folders
from reid_edge.watch.ledger.overview import Overview
from reid_edge.watch.ledger.records import Counts, LedgerEvent, LedgerFile, LedgerPhoto, Message, shown
from reid_edge.watch.ledger.schema import LedgerError

__all__ = ["LEDGER_NAME", "Counts", "Ledger", "LedgerError", "LedgerEvent", "LedgerFile", "LedgerPhoto", "Message", "shown"]

LEDGER_NAME = "ledger.sqlite"


class Ledger(Files, Folders, Overview):
    """An open ledger; a context manager. Threads may share it. Its functions are in one module per topic.

    Attributes:
        path: of the SQLite file.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self.path = database.path

    @classmethod
    def open(cls, path: Path) -> Ledger:
        """The ledger at `path`, made where there is none, for this process alone.

        Raises:
            LedgerError: another daemon has it, it is damaged, no ledger, or of a newer version.
            StorageError: the disk is full, read-only or fails.
        """
        return cls(open_ledger(path))

    @classmethod
    def read(cls, path: Path) -> Ledger:
        """The ledger at `path` for reading only, also while a daemon is at work; errors as `open`."""
        return cls(read_ledger(path))

    def close(self) -> None:
        """Close the file."""
        self.database.close()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
