"""What changed in a gallery since an event: what a program that follows a gallery has to look at again."""

from __future__ import annotations

import json
from dataclasses import dataclass

from reid_edge.storage.database import Database


@dataclass(frozen=True)
class Position:
    """How far a program has followed a gallery: its newest event, and the batch of that event, by which another gallery is recognised."""

    event: int = 0
    batch: str = ""

    def __str__(self) -> str:
        return f"{self.event}:{self.batch}"

    @classmethod
    def parse(cls, text: str) -> Position | None:
        """What `str` wrote; None of anything else."""
        event, colon, batch = text.partition(":")
        return cls(int(event), batch) if colon and event.isascii() and event.isdecimal() and len(event) < 19 else None


@dataclass(frozen=True)
class Changes:
    """What the decisions after a position changed.

    Attributes:
        position: the newest event now.
        photos: hashes of the photos whose sightings or reviews were added, changed or removed.
        everything: answers about any photo may be different now: an individual has another name or other sightings, or the gallery is
            another one than before, such as a restored backup.
    """

    position: Position
    photos: frozenset[str]
    everything: bool


def position(database: Database) -> Position:
    """The newest event."""
    newest = database.rows("SELECT id, batch FROM event ORDER BY id DESC LIMIT 1")
    return Position(*newest[0]) if newest else Position()


def changes_since(database: Database, since: Position) -> Changes:
    """See `Changes`; an undo counts as a change of what it reverted."""
    with database.snapshot():
        now = position(database)
        if now == since:
            return Changes(now, frozenset(), everything=False)
        known = since == Position() or database.rows("SELECT 1 FROM event WHERE id = ? AND batch = ?", (since.event, since.batch))
        changed = changed_cells(database, since.event if known else 0)
        photos: set[str] = set()
        for table in ("sighting", "review"):
            ids = [row_id for of, row_id, _ in changed if of == table]
            found = database.rows(f"SELECT DISTINCT photo_sha256 FROM {table} WHERE id IN (?)", (ids,))
            photos.update(sha256 for (sha256,) in found)
        names = any(column in ("name", "individual_id") for _, _, column in changed)
        return Changes(now, frozenset(photos), everything=names or not known)


def changed_cells(database: Database, event: int) -> set[tuple[str, int, str]]:
    """Table, row id and column of all that the events after this one changed; an undo changed what it reverted."""
    rows = database.rows("SELECT changes FROM event WHERE id > ?", (event,))
    rows += database.rows("SELECT changes FROM event WHERE id <= ? AND batch IN (?)", (event, undone_batches(database, event)))
    return {(table, row_id, column) for (changes,) in rows for table, row_id, column, _ in json.loads(changes)}


def undone_batches(database: Database, event: int) -> list[str]:
    """The batches that the events after this one are undos of."""
    rows = database.rows("SELECT payload FROM event WHERE id > ? AND kind = 'undo'", (event,))
    return [str(batch) for (payload,) in rows for batch in json.loads(payload)["batches"]]
