"""The decisions of a station that the hub does not have, each with the values that it set: what the events recorded, read backwards."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reid_edge.gallery.sync.rows import Cell, Change, Names
from reid_edge.storage.database import Database


@dataclass(frozen=True)
class PendingEvent:
    """One event that the hub does not have.

    Attributes:
        row: of the table `event`, by column.
        payload: what was decided.
        changes: what it changed, in the station's row ids.
        inserted: by table and id, the columns of each row that it added, as they were then.
        values: by cell, the value that it set; none of an event that was undone since.
        beliefs: by table and id of each row that it set, all columns of the row as they were before.
    """

    row: Mapping[str, Any]
    payload: Mapping[str, Any]
    changes: tuple[Change, ...]
    inserted: Mapping[tuple[str, int], Mapping[str, Any]]
    values: Mapping[Cell, Any]
    beliefs: Mapping[tuple[str, int], Mapping[str, Any]]


_EVENT = ("id", "batch", "at", "kind", "payload", "changes", "undone", "station", "sequence")


def pending_events(station: Database, last: Mapping[str, int]) -> list[PendingEvent]:
    """What the hub lacks, oldest first.

    Args:
        station: the gallery.
        last: by station, the last sequence that the hub has.
    """
    names, later = Names(station), dict[Cell, Any]()
    current: dict[tuple[str, int], dict[str, Any]] = {}

    def cells(table: str, row: int) -> dict[str, Any]:
        if (table, row) not in current:
            current[table, row] = names.cells(table, row)
        return {column: later.get((table, row, column), value) for column, value in current[table, row].items()}

    found = []
    for values in _rows(station, last):
        event = dict(zip(_EVENT, values, strict=True))
        changes: tuple[Change, ...] = tuple(
            (str(t), int(r), str(c), earlier) for t, r, c, earlier in json.loads(event["changes"])
        )
        inserted, news = {}, dict[Cell, Any]()
        added = {(table, row) for table, row, column, earlier in changes if column == "live" and earlier == 0}
        for table, row, column, earlier in reversed(changes):
            if (table, row) in added and column == "live":
                inserted[table, row] = cells(table, row)
            if event["undone"]:
                continue
            news[table, row, column] = cells(table, row).get(column)
            later[table, row, column] = earlier
        beliefs = {(table, row): cells(table, row) for table, row, *_ in changes if (table, row) not in added}
        found.append(PendingEvent(event, json.loads(event["payload"]), changes, inserted, news, beliefs))
    return found[::-1]


def _rows(station: Database, last: Mapping[str, int]) -> list[tuple[Any, ...]]:
    """Newest first."""
    lacking = []
    for (name,) in station.rows("SELECT DISTINCT station FROM event"):
        sql = f"SELECT {', '.join(_EVENT)} FROM event WHERE station = ? AND sequence > ?"
        lacking += station.rows(sql, (name, last.get(name, 0)))
    return sorted(lacking, reverse=True)
