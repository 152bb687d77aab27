"""Answers about pairs that stations gave apart: one that contradicts an answer or a merge which its station did not know is a question."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reid_edge.gallery.names import name_key
from reid_edge.gallery.pair_answers import PairAnswer, pair_of, read_pair_answers
from reid_edge.gallery.sync.rows import Names
from reid_edge.storage.database import Database


def contradicts_answer(station: Database, hub: Database, payload: Mapping[str, Any]) -> bool:
    """Whether the hub's newest answer about the same pair is another one, which the station did not know.

    One that could not tell (`unsure`) is contradicted by none; but it takes the place of no answer either.
    """
    newest = next((each for each in reversed(read_pair_answers(hub)) if (each.of, each.pair) == pair_of(payload)), None)
    return newest is not None and newest.answer not in ("unsure", payload["answer"]) and _is_unknown(station, hub, newest)


def contradicts_merge(station: Names, hub: Names, payload: Mapping[str, Any]) -> bool:
    """Whether two individuals that the station says are different are one on the hub."""
    if payload["of"] != "individuals" or payload["answer"] != "different":
        return False
    first, second = ({_living(hub, _row(station, hub, name)) for name in payload[side]} - {None} for side in ("first", "second"))
    return bool(first & second)


def are_different(station: Database, hub: Database, source: str, target: str) -> bool:
    """Whether somebody said of two individuals of the hub, by name, that they are different, and the station does not know that."""
    names = frozenset(map(name_key, (source, target)))
    newest = next(
        (
            each
            for each in reversed(read_pair_answers(hub))
            if each.of == "individuals" and frozenset(map(name_key, (*each.first, *each.second))) == names
        ),
        None,
    )
    return newest is not None and newest.answer == "different" and _is_unknown(station, hub, newest)


def _is_unknown(station: Database, hub: Database, answer: PairAnswer) -> bool:
    ((name, sequence),) = hub.rows("SELECT station, sequence FROM event WHERE id = ?", (answer.sequence,))
    return not station.rows("SELECT 1 FROM event WHERE station = ? AND sequence = ?", (name, sequence))


def stations_individual(station: Names, name: str) -> int | None:
    """The row of the station's individual of this name; None where there is none."""
    rows = station.database.rows("SELECT id FROM individual WHERE live = 1 AND name = ?", (name,))
    return int(rows[0][0]) if rows else None


def _row(station: Names, hub: Names, name: str) -> int | None:
    """The row of the hub that is the station's individual of this name; None where there is none."""
    row = stations_individual(station, name)
    return None if row is None else hub.row("individual", station.uid("individual", row))


def _living(hub: Names, row: int | None) -> int | None:
    """The individual, or the one that it was merged into."""
    for _ in range(1000):
        cells = {} if row is None else hub.cells("individual", row)
        if not cells or cells["live"]:
            return row if cells else None
        row = cells["merged_into"]
    return None
