"""Rows by the name that they have in every gallery: their uid."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Collection
from typing import Any

from reid_edge.storage.database import Database

TABLES = ("individual", "sighting", "review", "conflict")
"""The tables whose rows are synchronised, each after those that it refers to."""

COLUMNS: dict[str, tuple[str, ...]] = {
    "individual": ("name", "live", "sex", "life_stage", "notes", "merged_into"),
    "sighting": (
        *(
            "individual_id",
            "live",
            "added_at",
            "photo_sha256",
            "animal_index",
            "photo_name",
            "photo_path",
            "species",
            "viewpoint",
        ),
        *("taken_at", "latitude", "longitude", "place", "encounter", "box"),
    ),
    "review": (
        *("live", "batch", "photo_sha256", "photo_name", "animal_index", "box", "kind", "individual_id", "sighting_id", "person"),
        *("decided_at", "answer"),
    ),
    "conflict": ("live", "raised_at", "reason", "facts"),
}
"""What is taken over of a row; the thumbnail of a sighting, which never changes, goes along when it is added."""

REFERENCES = {"individual_id": "individual", "merged_into": "individual", "sighting_id": "sighting"}
"""The table that a column refers to."""

Cell = tuple[str, int, str]
Change = tuple[str, int, str, Any]
"""Table, row id, column, and the earlier value, as an event records it."""


def name_rows(database: Database) -> None:
    """Give a uid to each row that has none: one that follows from the event that added it, so that copies of a gallery agree."""
    with database.transaction():
        missing = {table: {row for (row,) in database.rows(f"SELECT id FROM {table} WHERE uid IS NULL")} for table in TABLES}
        if not any(missing.values()):
            return
        for station, sequence, changes in database.rows("SELECT station, sequence, changes FROM event ORDER BY id"):
            for number, (table, row, column, earlier) in enumerate(json.loads(changes)):
                if column == "live" and earlier == 0 and row in missing[table]:
                    missing[table].remove(row)
                    uid = hashlib.sha256(f"{station} {sequence} {number}".encode()).hexdigest()[:32]
                    database.execute(f"UPDATE {table} SET uid = ? WHERE id = ?", (uid, row))
        for table, rows in missing.items():
            for row in rows:
                database.execute(f"UPDATE {table} SET uid = ? WHERE id = ?", (uuid.uuid4().hex, row))


class Names:
    """The uids of a gallery's rows, and the rows of uids; read when asked for."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._uids: dict[tuple[str, int], str | None] = {}

    def uid(self, table: str, row: int) -> str | None:
        """The uid of a row; None where there is no such row."""
        key = (table, row)
        if key not in self._uids:
            found = self.database.rows(f"SELECT uid FROM {table} WHERE id = ?", (row,))
            self._uids[key] = found[0][0] if found else None
        return self._uids[key]

    def row(self, table: str, uid: str | None) -> int | None:
        """The id of the row with this uid, or of the row that stands for it (`alias`); None where there is none."""
        if uid is None:
            return None
        found = self.database.rows(
            f"SELECT id FROM {table} WHERE uid = coalesce((SELECT target FROM alias WHERE uid = ?), ?)", (uid, uid)
        )
        return int(found[0][0]) if found else None

    def cells(self, table: str, row: int) -> dict[str, Any]:
        """The columns of a row that are synchronised; empty where there is no such row."""
        columns = COLUMNS[table]
        found = self.database.rows(f"SELECT {', '.join(columns)} FROM {table} WHERE id = ?", (row,))
        return dict(zip(columns, found[0], strict=True)) if found else {}


def translated(column: str, value: Any, source: Names, target: Names) -> Any:
    """A value of a column of one gallery as it is in another: where it is the id of a row, the id that this row has there."""
    table = REFERENCES.get(column)
    return value if table is None or value is None else target.row(table, source.uid(table, value))


def own_station(database: Database) -> str:
    """The station that a gallery is."""
    return str(database.rows("SELECT station FROM gallery")[0][0])


def last_sequences(database: Database) -> dict[str, int]:
    """The last sequence of each station that a gallery has events of."""
    return dict(database.rows("SELECT station, max(sequence) FROM event GROUP BY station"))


def rows_by_uid(database: Database, table: str, uids: Collection[str]) -> dict[str, int]:
    """Row ids by uid, of those that there are."""
    return dict(database.rows(f"SELECT uid, id FROM {table} WHERE uid IN (?)", (list(uids),)))
