"""What a question is about: its event carries the uids of the individuals and photos, which every gallery that has them knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from reid_edge.gallery.records import Event
from reid_edge.gallery.sync.pairs import stations_individual
from reid_edge.gallery.sync.pending import PendingEvent
from reid_edge.gallery.sync.rows import REFERENCES, Names

_NOTES = ("sex", "life_stage", "notes")


def about_event(event: PendingEvent, station: Names) -> dict[str, Any]:
    """For the payload of an event that becomes a question: uids of its rows, of the individual that it gave photos to, and its notes."""
    rows: dict[str, dict[int, None]] = {"individual": {}, "sighting": {}}
    into: int | None = None
    for table, row, column, earlier in event.changes:
        if table in rows:
            rows[table].setdefault(row)
        new = {**event.inserted.get((table, row), {}), column: event.values.get((table, row, column))}
        for name, value in ((column, earlier), *new.items()):
            refers = REFERENCES.get(name)
            if refers in rows and value is not None:
                rows[refers].setdefault(value)
        into = new.get("individual_id") or new.get("merged_into") or into
    if event.row["kind"] == "pair" and event.payload["of"] == "individuals":
        named = (stations_individual(station, name) for name in (*event.payload["first"], *event.payload["second"]))
        rows["individual"] |= {row: None for row in named if row is not None}
    return {
        **{table: [station.uid(table, row) for row in found] for table, found in rows.items()},
        "into": None if into is None else station.uid("individual", into),
        "notes": {column: value for (_, _, column), value in event.values.items() if column in _NOTES},
    }


@dataclass(frozen=True)
class Subject:
    """An individual that a question is about.

    Attributes:
        row: of the gallery.
        name: of the individual; of one that is gone, the one that it had last.
        now: what it is called now, or the individual that it was merged into; '' where it was removed.
    """

    row: int
    name: str
    now: str


@dataclass(frozen=True)
class QuestionSubjects:
    """What a question is about, as it is now.

    Attributes:
        event: the decision; None where the gallery has none with that number.
        individuals: all that it names.
        into: the one to whom it gives photos; None where it gives none.
        sightings: row ids, also of those that are hidden.
        notes: that it makes.
    """

    event: Event | None = None
    individuals: tuple[Subject, ...] = ()
    into: Subject | None = None
    sightings: tuple[int, ...] = ()
    notes: Mapping[str, str] = field(default_factory=dict)


def subject(names: Names, uid: str | None) -> Subject | None:
    """The individual with this uid; None where there is none."""
    row = names.row("individual", uid)
    if row is None:
        return None
    cells = names.cells("individual", row)
    name, at = str(cells["name"]), row
    for _ in range(1000):
        if cells["live"] or cells["merged_into"] is None:
            break
        at = cells["merged_into"]
        cells = names.cells("individual", at)
    return Subject(row, name, str(cells["name"]) if cells["live"] else "")
