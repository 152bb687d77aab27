"""The history of a gallery: every decision is an event with the earlier value of each changed cell, which undo writes back."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from reid_edge.errors import GalleryError
from reid_edge.gallery.records import Event
from reid_edge.storage.database import Database

# The only columns a decision may change. Undo reads its list from the file, so it is checked against this one.
_CHANGEABLE = {
    ("individual", "name"),
    ("individual", "live"),
    ("individual", "sex"),
    ("individual", "life_stage"),
    ("individual", "notes"),
    ("individual", "merged_into"),
    ("sighting", "individual_id"),
    ("sighting", "live"),
    ("sighting", "photo_path"),
    ("sighting", "viewpoint"),
    ("review", "live"),
    ("review", "individual_id"),
    ("conflict", "live"),
}


@dataclass(frozen=True)
class UndoneBatch:
    """A batch that was undone: its id, when its last event happened, and its events, oldest first."""

    batch: str
    at: str
    events: tuple[Event, ...]

    @property
    def summary(self) -> str:
        """What was undone, in a few words."""
        if len(self.events) == 1:
            return describe(self.events[0])
        return ", ".join(f"{number} × {kind}" for kind, number in Counter(event.kind for event in self.events).items())


class Recording:
    """Changes rows for one decision, and records each change as (table, row id, column, earlier value)."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.changes: list[tuple[str, int, str, Any]] = []

    def set(self, table: str, row_id: int, column: str, value: Any) -> None:
        """Set one column of one row."""
        _check_change(table, column)
        ((earlier,),) = self._database.rows(f"SELECT {column} FROM {table} WHERE id = ?", (row_id,))
        self._database.execute(f"UPDATE {table} SET {column} = ? WHERE id = ?", (value, row_id))
        self.changes.append((table, row_id, column, earlier))

    def insert(self, table: str, **columns: Any) -> int:
        """Insert a row, which undo will hide; returns its id."""
        row_id = self._database.insert(table, **columns)
        self.changes.append((table, row_id, "live", 0))
        return row_id


_acting: ContextVar[str] = ContextVar("acting", default="")


@contextlib.contextmanager
def acting_as(person: str) -> Iterator[None]:
    """What is recorded inside, by this thread, is noted as the decision of this person where it does not name one."""
    token = _acting.set(person)
    try:
        yield
    finally:
        _acting.reset(token)


@contextlib.contextmanager
def recording(database: Database, batch: str, kind: str, payload: Mapping[str, Any]) -> Iterator[Recording]:
    """One transaction that holds the changes made through the Recording and the event that records them."""
    with database.transaction():
        record = Recording(database)
        yield record
        if person := _acting.get():
            payload = {"person": person, **payload}
        event = {"batch": batch, "at": database.now(), "kind": kind, "payload": json.dumps(payload)}
        ((station, last),) = database.rows(
            "SELECT station, (SELECT max(sequence) FROM event e WHERE e.station = g.station) FROM gallery g"
        )
        database.insert("event", **event, changes=json.dumps(record.changes), station=station, sequence=(last or 0) + 1)


def undo_batches(database: Database, count: int, batch: str) -> list[UndoneBatch]:
    """Undo the newest `count` batches that are not undone, newest first; the undo is itself an event, in `batch`.

    The events of all of them are reverted in one order, newest first, so that batches of two processes that ran at the same time
    can be undone together.

    Raises:
        GalleryError: nothing is left to undo, or a later decision of another batch stands on these.
    """
    with database.transaction():
        newest = database.rows(
            "SELECT batch, max(at) FROM event WHERE undone = 0 AND kind != 'undo' GROUP BY batch ORDER BY max(id) DESC LIMIT ?",
            (count,),
        )
        if not newest:
            raise GalleryError("There is nothing to undo.", "See `reid-edge gallery history`.")
        batches = [name for name, _ in newest]
        chosen = "kind != 'undo' AND undone = 0 AND batch IN (?)"
        rows = database.rows(f"SELECT {_COLUMNS}, changes FROM event WHERE {chosen} ORDER BY id DESC", (batches,))
        for row in rows:
            _revert(database, row[-1])
        _check_undone(database)
        database.execute(f"UPDATE event SET undone = 1 WHERE {chosen}", (batches,))
        events = [_event(row[:-1]) for row in reversed(rows)]
        with recording(database, batch, "undo", {"batches": batches, "events": len(events)}):
            pass
        return [UndoneBatch(name, at, tuple(event for event in events if event.batch == name)) for name, at in newest]


def undo_batch(database: Database, batch: str, undo: str, person: str = "") -> UndoneBatch:
    """Undo one batch, which need not be the newest; the undo is itself an event, in the batch `undo`.

    Raises:
        GalleryError: nothing of it is left to undo, or a later decision changed a row that it changed.
    """
    with database.transaction():
        rows = database.rows(
            f"SELECT {_COLUMNS}, changes FROM event WHERE batch = ? AND kind != 'undo' AND undone = 0 ORDER BY id DESC", (batch,)
        )
        if not rows:
            raise GalleryError("This decision is undone already.", "See `reid-edge gallery history`.")
        changed = {(table, row_id) for row in rows for table, row_id, *_ in json.loads(row[-1])}
        later = database.rows(
            f"SELECT {_COLUMNS}, changes FROM event WHERE id > ? AND batch != ? AND kind != 'undo' AND undone = 0 ORDER BY id DESC",
            (rows[-1][0], batch),
        )
        for row in later:
            if any((table, row_id) in changed for table, row_id, *_ in json.loads(row[-1])):
                raise GalleryError(f"A later decision stands on this one: {describe(_event(row[:-1]))}.", "Undo that one first.")
        for row in rows:
            _revert(database, row[-1])
        _check_undone(database)
        database.execute("UPDATE event SET undone = 1 WHERE batch = ? AND kind != 'undo'", (batch,))
        events = tuple(_event(row[:-1]) for row in reversed(rows))
        with recording(database, undo, "undo", {"batches": [batch], "events": len(events), "person": person}):
            pass
        return UndoneBatch(batch, events[-1].at, events)


def revert_events(database: Database, batches: Sequence[str]) -> None:
    """Revert what these batches changed, as one undo of another gallery did; records no event. Nothing where all are undone already.

    Raises:
        GalleryError: a later decision of another batch stands on them.
    """
    chosen = "kind != 'undo' AND undone = 0 AND batch IN (?)"
    rows = database.rows(f"SELECT {_COLUMNS}, changes FROM event WHERE {chosen} ORDER BY id DESC", (list(batches),))
    if not rows:
        return
    changed = {(table, row_id) for row in rows for table, row_id, *_ in json.loads(row[-1])}
    later = database.rows(
        "SELECT changes FROM event WHERE id > ? AND batch NOT IN (?) AND kind != 'undo' AND undone = 0",
        (rows[-1][0], list(batches)),
    )
    if any((table, row_id) in changed for (changes,) in later for table, row_id, *_ in json.loads(changes)):
        raise GalleryError("A later decision stands on this one.", "Undo that one first.")
    with database.savepoint():
        for row in rows:
            _revert(database, row[-1])
        _check_undone(database)
    database.execute(f"UPDATE event SET undone = 1 WHERE {chosen}", (list(batches),))


def read_events(database: Database, limit: int | None = None) -> list[Event]:
    """The newest `limit` events (all where None), newest first."""
    return [
        _event(row)
        for row in database.rows(f"SELECT {_COLUMNS} FROM event ORDER BY id DESC LIMIT ?", (_ALL if limit is None else limit,))
    ]


def describe(event: Event) -> str:
    """An event in a few words: `rename Zoe to Zoé`; of one that a synchronisation made a question: `rename Zoe to Zora (a question)`."""
    sentence = _SENTENCES.get(event.kind, event.kind)
    values: dict[str, Any] = {
        key: ", ".join(map(str, value)) if isinstance(value, list) else value for key, value in event.payload.items()
    }
    with contextlib.suppress(KeyError, TypeError):
        if event.kind in REVIEW_KINDS:
            values |= {"photo": values["photo_name"] or values["photo_sha256"][:12], "animal": values["animal_index"] + 1}
            values["person"] = values["person"] or "somebody"
        return sentence.format(**values) + (" (a question)" if event.payload.get("question") else "")
    return event.kind


_ALL = 1 << 62
_COLUMNS = "id, batch, at, kind, payload, undone"
_SENTENCES = {
    "add": "add {photo_name} to {identity}",
    "confirmed": "{person} confirmed that animal {animal} of {photo} is {identity}",
    "new": "{person} named animal {animal} of {photo}, a new individual, {identity}",
    "rejected": "{person} rejected that animal {animal} of {photo} is {identity}",
    "skipped": "{person} skipped animal {animal} of {photo}",
    "not_an_animal": "{person} said that animal {animal} of {photo} is not an animal",
    "confirm": "confirm that {photo_sha256} is {identity}",
    "reject": "reject that {photo_sha256} is {identity}",
    "rename": "rename {old} to {new}",
    "merge": "merge {sources} into {into}",
    "split": "split sightings {sightings} of {identity} off as {new}",
    "remove": "remove {identity} (sightings {sightings})",
    "reassign": "reassign sightings {sightings} to {identity}",
    "annotate": "note of {identity}: {what}",
    "viewpoint": "set the viewpoint of sightings {sightings} to {viewpoint}",
    "pair": "{person} said {answer} of {shown}",
    "relink": "relink photos {sightings} to {path}",
    "close": "close question {question}: {decision}",
    "undo": "undo {events} events",
}
REVIEW_KINDS = ("confirmed", "new", "rejected", "skipped", "not_an_animal")


def _event(row: tuple[Any, ...]) -> Event:
    event_id, batch, at, kind, payload, undone = row
    return Event(event_id, batch, at, kind, json.loads(payload), bool(undone))


def _revert(database: Database, changes: str) -> None:
    for table, row_id, column, earlier in reversed(json.loads(changes)):
        _check_change(table, column)
        database.execute(f"UPDATE {table} SET {column} = ? WHERE id = ?", (earlier, row_id))


def _check_change(table: str, column: str) -> None:
    if (table, column) not in _CHANGEABLE:
        raise GalleryError(
            f"An event of the gallery changes {table}.{column}, which no decision can.", "The gallery is damaged: restore it."
        )


def _check_undone(database: Database) -> None:
    """Another process may have put sightings or reviews under an individual that this undo hides."""
    for table, rows, verb in (("sighting", "sightings", "added"), ("review", "reviews", "made")):
        orphans = database.rows(
            f"SELECT i.name, count(*) FROM {table} s JOIN individual i ON i.id = s.individual_id "
            "WHERE s.live = 1 AND i.live = 0 GROUP BY i.id LIMIT 1"
        )
        if orphans:
            name, number = orphans[0]
            raise GalleryError(
                f"This cannot be undone alone: {number} {rows} of {name} were {verb} by another command at the same time.",
                "Undo both: reid-edge gallery undo --count 2",
            )
