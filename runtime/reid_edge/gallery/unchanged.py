"""Optimistic locking: a decision that was made on a state of the gallery which somebody changed since is refused, with what was changed.

The state is a position in the gallery's events. It is checked in the transaction of the decision, in which nobody else writes, so that two
processes on one gallery cannot both pass.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from reid_edge.errors import GalleryError
from reid_edge.gallery.changes import Position
from reid_edge.gallery.history import describe
from reid_edge.gallery.names import name_key
from reid_edge.gallery.records import Event
from reid_edge.storage.database import Database

_HINT = "Look at it again, then decide."
_EVENTS = "SELECT id, batch, at, kind, payload, undone, changes FROM event"

Row = tuple[str, int]
"""Table and row id."""

Change = tuple[str, int, str, Any]
"""Table, row id, column, and the earlier value."""


class StateConflict(GalleryError):
    """Somebody changed what a decision is about since the caller looked; nothing was stored.

    Attributes:
        events: what changed it, oldest first; none where the gallery is another one, such as a restored backup.
        name: what the first individual that the decision names is called now; '' where it is no more.
    """

    def __init__(self, events: list[Event], name: str = "") -> None:
        message = "Meanwhile another gallery took the place of this one."
        if events:
            person, words = str(events[-1].payload.get("person") or "somebody"), describe(events[-1])
            message = f"Meanwhile {words if words.startswith(person) else f'{person} decided: {words}'} ({events[-1].at})."
        super().__init__(message, _HINT)
        self.events = events
        self.name = name


@dataclass(frozen=True)
class About:
    """What a decision is about.

    Attributes:
        names: individuals, as they were called when the person looked.
        sightings: by id.
        rows: further rows.
        with_photos: whether photos that came to these individuals, or left them, count.
        ignored: batches that the person knows of.
    """

    names: tuple[str, ...] = ()
    sightings: tuple[int, ...] = ()
    rows: tuple[Row, ...] = ()
    with_photos: bool = False
    ignored: frozenset[str] = frozenset()


def check_unchanged(database: Database, seen: Position, about: About) -> None:
    """Raise where a later event changed what a decision is about; call it in the decision's transaction.

    Args:
        database: of the gallery.
        seen: the newest event when the state was read that the person decided on.
        about: see there.

    Raises:
        StateConflict: see there.
    """
    if seen.event and not database.rows("SELECT 1 FROM event WHERE id = ? AND batch = ?", (seen.event, seen.batch)):
        raise StateConflict([])
    changes = _changes_after(database, seen.event)
    individuals = [_individuals_called(database, name, changes) for name in about.names]
    every = {row for rows in individuals for row in rows}
    rows = {*about.rows, *(("sighting", number) for number in about.sightings), *(("individual", row) for row in every)}
    found = [
        event
        for event, cells in changes
        if event.batch not in about.ignored
        and any(
            (table, row) in rows
            or (about.with_photos and table == "sighting" and _owners(database, row, column, earlier) & every)
            for table, row, column, earlier in cells
        )
    ]
    if found:
        raise StateConflict(found, _name_now(database, individuals[0]) if individuals else "")


def _changes_after(database: Database, event: int) -> list[tuple[Event, list[Change]]]:
    """The later events, oldest first, each with the cells that it changed; an undo with those that it reverted."""
    found = []
    for *row, changes in database.rows(f"{_EVENTS} WHERE id > ? ORDER BY id", (event,)):
        number, batch, at, kind, payload, undone = row
        values: dict[str, Any] = json.loads(payload)
        cells: list[Change] = [tuple(cell) for cell in json.loads(changes)]
        if kind == "undo":
            sql = "SELECT kind, payload, changes FROM event WHERE batch IN (?)"
            for reverted, text, each in database.rows(sql, (list(values["batches"]),)):
                cells += _reverted(database, reverted, json.loads(text), [tuple(cell) for cell in json.loads(each)])
        found.append((Event(number, batch, at, kind, values, bool(undone)), cells))
    return found


def _reverted(database: Database, kind: str, payload: Mapping[str, Any], cells: list[Change]) -> Iterator[Change]:
    """The cells of an event that an undo changed, with what they were before the undo: the names, and the owners of photos."""
    owners = [row for table, row, *_ in cells if table == "individual"]
    owners += [row for (row,) in database.rows("SELECT id FROM individual WHERE name = ?", (str(payload.get("identity")),))]
    for table, row, column, earlier in cells:
        yield table, row, column, payload["new"] if kind == "rename" and column == "name" else earlier
        if (table, column) == ("sighting", "individual_id"):
            yield from ((table, row, column, owner) for owner in owners)


def _individuals_called(database: Database, name: str, changes: list[tuple[Event, list[Change]]]) -> list[int]:
    """Rows of the individuals that have a name, or had it before these changes; those that had it first."""
    key, then = name_key(name), dict[int, str]()
    for _, cells in changes:
        for table, row, column, earlier in cells:
            if table == "individual" and column == "name":
                then.setdefault(row, str(earlier))
            elif table == "individual" and column == "live" and row not in then:
                then[row] = str(database.rows("SELECT name FROM individual WHERE id = ?", (row,))[0][0])
    rows = [row for row, called in then.items() if name_key(called) == key]
    now = database.rows("SELECT id, name FROM individual WHERE live = 1")
    return list(dict.fromkeys([*rows, *(row for row, called in now if name_key(called) == key)]))


def _owners(database: Database, sighting: int, column: str, earlier: Any) -> set[int]:
    """The individuals that a change gave a photo to, or took it from."""
    if column not in ("individual_id", "live"):
        return set()
    ((now,),) = database.rows("SELECT individual_id FROM sighting WHERE id = ?", (sighting,))
    return {now, earlier} if column == "individual_id" else {now}


def _name_now(database: Database, individuals: list[int]) -> str:
    """What the first of these individuals is called, or the one that it was merged into; '' where there is none any more."""
    row = individuals[0] if individuals else None
    for _ in range(1000):
        found = database.rows("SELECT name, live, merged_into FROM individual WHERE id = ?", (row,)) if row is not None else []
        if not found or found[0][1]:
            return str(found[0][0]) if found else ""
        row = found[0][2]
    return ""
