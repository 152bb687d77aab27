"""What every part of the ledger stands on: one open database, and transactions over all of it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator
from typing import TypeVar

from reid_edge.storage.database import Database

PAGE = 500  # rows read at a time, so that a season's ledger is never in memory as a whole

_Row = TypeVar("_Row")


class Rows:
    """A part of the ledger: the statements about some of its tables.

    Attributes:
        database: the open file. Nothing outside of `reid_edge.watch.ledger` gives it statements.
    """

    database: Database

    def transaction(self) -> contextlib.AbstractContextManager[None]:
        """All changes inside reach the disk together or not at all; one inside another joins it."""
        return self.database.transaction()

    def snapshot(self) -> contextlib.AbstractContextManager[None]:
        """All reads inside see one state; other threads wait meanwhile."""
        return self.database.snapshot()


def pages(read: Callable[[int], list[_Row]], id_of: Callable[[_Row], int], after: int = 0) -> Iterator[_Row]:
    """All rows, a page at a time: `read` returns the next ones whose id is larger than the one it is given."""
    while rows := read(after):
        yield from rows
        after = id_of(rows[-1])


def marks(values: Collection[object]) -> str:
    """The placeholders for some values: `?, ?, ?`."""
    return ", ".join("?" * len(values))
