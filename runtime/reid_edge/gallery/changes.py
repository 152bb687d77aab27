"""What changed in a gallery since an event: what a program that follows a gallery has to look at again."""

from __future__ import annotations

import json
from dataclasses import dataclass

from reid_edge.storage.database import Database


@dataclass(frozen=True)
class Changes:
    """What the decisions after an event changed.

    Attributes:
        last: the newest event; 0 where there is none.
        photos: hashes of the photos whose sightings or reviews were added, changed or removed.
        names: whether the name of an individual, or whose sightings are, changed: answers about any photo may be of another name now.
    """

    last: int
    photos: frozenset[str]
    names: bool


def changes_since(database: Database, event: int) -> Changes:
    """See `Changes`; an undo counts as a change of what it reverted."""
    with database.snapshot():
        ((last,),) = database.rows("SELECT coalesce(max(id), 0) FROM event")
        rows = database.rows("SELECT kind, payload, changes FROM event WHERE id > ?", (event,))
        undone = [batch for kind, payload, _ in rows if kind == "undo" for batch in json.loads(payload)["batches"]]
        rows += database.rows(
            "SELECT kind, payload, changes FROM event WHERE id <= ? AND batch IN (SELECT value FROM json_each(?))",
            (event, json.dumps(undone)),
        )
        changed = {(table, row_id, column) for _, _, changes in rows for table, row_id, column, _ in json.loads(changes)}
        photos: set[str] = set()
        for table in ("sighting", "review"):
            ids = json.dumps([row_id for of, row_id, _ in changed if of == table])
            found = database.rows(
                f"SELECT DISTINCT photo_sha256 FROM {table} WHERE id IN (SELECT value FROM json_each(?))", (ids,)
            )
            photos.update(sha256 for (sha256,) in found)
        names = any(column in ("name", "individual_id") for _, _, column in changed)
        return Changes(last, frozenset(photos), names)
