"""One decision of a station, repeated on the hub: carried out where it still means the same there, else kept as a question."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from reid_edge.errors import GalleryError
from reid_edge.gallery.history import describe, revert_events
from reid_edge.gallery.names import name_key
from reid_edge.gallery.records import Event
from reid_edge.gallery.review_records import FINAL
from reid_edge.gallery.sync.about import about_event
from reid_edge.gallery.sync.pairs import are_different, contradicts_answer, contradicts_merge
from reid_edge.gallery.sync.pending import PendingEvent
from reid_edge.gallery.sync.rows import REFERENCES, TABLES, Change, Names, name_rows, translated
from reid_edge.storage.database import Database

_ANYWHERE = {"photo_path"}  # where a photo lies is a fact of a machine, not a decision about an animal
# Of a row that is hidden: what the station believed of it has to be so still.
_IDENTITY = {"individual": ("name",), "sighting": ("individual_id",), "review": ("individual_id",), "conflict": ()}


class _Contradiction(Exception):
    """The decision contradicts what the hub has, for this reason."""


class Replay:
    """Repeats events of one station on the hub, one transaction each.

    Attributes:
        questions: how many of them became questions.
    """

    def __init__(self, station: Database, hub: Database) -> None:
        self._source = Names(station)
        self._hub = hub
        self._target = Names(hub)
        self.questions = 0

    def repeat(self, event: PendingEvent) -> bool:
        """Repeat one event; False where the hub has it already."""
        with self._hub.transaction():
            key = (event.row["station"], event.row["sequence"])
            if self._hub.rows("SELECT 1 FROM event WHERE station = ? AND sequence = ?", key):
                return False
            try:
                changes = self._carried_out(event)
            except _Contradiction as contradiction:
                changes = [*self._inserted(event, hidden=True), self._question(event, str(contradiction))]
            self._record(event, changes)
        return True

    def _carried_out(self, event: PendingEvent) -> list[Change]:
        """What the event changed on the hub; checked as a whole before anything is written."""
        if event.row["undone"]:
            return self._inserted(event, hidden=True)
        kind = event.row["kind"]
        if kind == "undo":
            self._undo(event)
            return []
        if kind == "pair" and (
            contradicts_answer(self._source.database, self._hub, event.payload)
            or contradicts_merge(self._source, self._target, event.payload)
        ):
            raise _Contradiction("pair")
        if kind == "merge" and any(column == "merged_into" for _, _, column in event.values):
            return self._merged(event)
        updates = self._updates(event)
        self._check_inserted(event)
        changes = self._inserted(event)
        for table, row, column in updates:
            value = translated(column, event.values[table, row, column], self._source, self._target)
            if column in ("individual_id", "merged_into") and value is not None:
                value = self._living(value)
            changes.append(self._set(table, self._row(table, row), column, value))
        return changes

    def _updates(self, event: PendingEvent) -> list[tuple[str, int, str]]:
        """The cells that the event sets and the hub does not have so; raises where one of them contradicts the hub."""
        updates = []
        for table, row, column, earlier in event.changes:
            if (table, row) in event.inserted:
                continue
            belief, here = event.beliefs[table, row], self._target.cells(table, self._row(table, row))
            new = translated(column, event.values[table, row, column], self._source, self._target)
            if here[column] == new and (column != "live" or not new):
                continue
            if column not in _ANYWHERE and here[column] != translated(column, earlier, self._source, self._target):
                raise _Contradiction("changed")
            if belief["live"] and not here["live"]:
                raise _Contradiction("gone")
            if column == "live" and not new:
                self._check_hidden(event, table, row, here)
            if column == "name":
                self._check_name(str(new), self._row(table, row))
            self._check_reference(event, column, event.values[table, row, column], new)
            updates.append((table, row, column))
        return updates

    def _check_reference(self, event: PendingEvent, column: str, given: int | None, new: int | None) -> None:
        if column not in REFERENCES or given is None or (REFERENCES[column], given) in event.inserted:
            return
        if new is None:
            raise _Contradiction("gone")
        if REFERENCES[column] == "individual":
            self._living(new)

    def _check_hidden(self, event: PendingEvent, table: str, row: int, here: Mapping[str, Any]) -> None:
        belief = event.beliefs[table, row]
        for column in _IDENTITY[table]:
            if here[column] != translated(column, belief[column], self._source, self._target):
                raise _Contradiction("changed")
        if table != "individual":
            return
        hidden = {
            (of, self._row(of, number))
            for (of, number, column), value in event.values.items()
            if column == "live" and value == 0 and (of, number) not in event.inserted
        }
        for of in ("sighting", "review"):
            having = self._hub.rows(f"SELECT id FROM {of} WHERE individual_id = ? AND live = 1", (self._row(table, row),))
            if any((of, number) not in hidden for (number,) in having):
                raise _Contradiction("kept")

    def _check_name(self, name: str, own: int | None) -> None:
        if any(number != own for number in self._of_name(name)):
            raise _Contradiction("name")

    def _of_name(self, name: str) -> list[int]:
        """The living individuals of this name, in any spelling."""
        key = name_key(name)
        return [
            number for number, each in self._hub.rows("SELECT id, name FROM individual WHERE live = 1") if name_key(each) == key
        ]

    def _check_inserted(self, event: PendingEvent) -> None:
        """Raise where a photo or an answer of the event contradicts one of the hub; note what is the same."""
        for (table, row), cells in event.inserted.items():
            if table == "sighting":
                self._check_sighting(event, row, cells)
            elif table == "review":
                self._check_review(event, row, cells)

    def _check_sighting(self, event: PendingEvent, row: int, cells: Mapping[str, Any]) -> None:
        given = cells["individual_id"]
        added = event.inserted.get(("individual", given))
        if added is None:
            self._living(self._row("individual", given))
        hiding = self._hidden_by(event, "sighting")
        for other, individual in self._hub.rows(
            "SELECT id, individual_id FROM sighting WHERE live = 1 AND photo_sha256 = ? AND animal_index = ?",
            (cells["photo_sha256"], cells["animal_index"]),
        ):
            if other in hiding:
                continue
            if added is not None and individual in self._of_name(added["name"]):
                self._same("individual", given, individual)
            elif added is not None or self._living(self._row("individual", given)) != individual:
                raise _Contradiction("photo")
            self._same("sighting", row, other)

    def _check_review(self, event: PendingEvent, row: int, cells: Mapping[str, Any]) -> None:
        hiding = self._hidden_by(event, "review")
        given, individual = cells["individual_id"], None
        if given is not None and ("individual", given) not in event.inserted:
            individual = self._living(self._row("individual", given))
        for other, kind, named in self._hub.rows(
            "SELECT id, kind, individual_id FROM review WHERE live = 1 AND photo_sha256 = ? AND animal_index = ?",
            (cells["photo_sha256"], cells["animal_index"]),
        ):
            if other in hiding:
                continue
            if (kind, named) == (cells["kind"], individual):
                self._same("review", row, other)
            elif kind in FINAL and cells["kind"] in FINAL:
                raise _Contradiction("review")

    def _hidden_by(self, event: PendingEvent, table: str) -> set[int | None]:
        return {
            self._row(of, row)
            for (of, row, column), value in event.values.items()
            if of == table and column == "live" and value == 0 and (of, row) not in event.inserted
        }

    def _inserted(self, event: PendingEvent, hidden: bool = False) -> list[Change]:
        """Add the event's rows to the hub; hidden where the decision is not carried out, so that nothing of it is lost."""
        changes: list[Change] = []
        for table in TABLES:
            for (of, row), cells in event.inserted.items():
                if of == table and self._target.row(table, self._source.uid(table, row)) is None:
                    changes += self._insert(event, table, row, dict(cells), hidden)
        return changes

    def _insert(self, event: PendingEvent, table: str, row: int, cells: dict[str, Any], hidden: bool) -> list[Change]:
        uid = self._source.uid(table, row)
        values = {column: translated(column, value, self._source, self._target) for column, value in cells.items()}
        if values.get("individual_id") is not None and not hidden:
            values["individual_id"] = self._living(values["individual_id"])
        changes: list[Change] = []
        if hidden:
            values["live"] = 0
        elif table == "individual" and self._of_name(values["name"]):
            values["name"] = self._free_name(values["name"])
            changes.append(self._question(event, "name", values["name"]))
        if table == "sighting":
            ((thumbnail,),) = self._source.database.rows("SELECT thumbnail FROM sighting WHERE id = ?", (row,))
            values["thumbnail"] = thumbnail
        number = self._hub.insert(table, uid=uid, **values)
        if table == "sighting":  # a review that was stored before its sighting
            for (review,) in self._source.database.rows("SELECT id FROM review WHERE sighting_id = ?", (row,)):
                there = self._target.row("review", self._source.uid("review", review))
                if there is not None:
                    self._hub.execute("UPDATE review SET sighting_id = ? WHERE id = ?", (number, there))
        changes.append((table, number, "live", 0))
        return changes

    def _free_name(self, name: str) -> str:
        number = 2
        while self._of_name(f"{name} ({number})"):
            number += 1
        return f"{name} ({number})"

    def _merged(self, event: PendingEvent) -> list[Change]:
        """A merge as it is meant: whatever the hub has of the merged individuals goes along."""
        pairs = []
        for table, row, column, _ in event.changes:
            if column == "merged_into":
                target = self._living(self._row("individual", event.values[table, row, column]))
                source, belief = self._row(table, row), event.beliefs[table, row]
                here = self._target.cells(table, source)
                if not here["live"]:
                    if self._living(source) != target:
                        raise _Contradiction("gone")
                elif here["name"] != belief["name"]:
                    raise _Contradiction("changed")
                elif source != target:
                    pairs.append((source, target))
        changes = []
        for source, target in pairs:
            names = (str(self._target.cells("individual", row)["name"]) for row in (source, target))
            if are_different(self._source.database, self._hub, *names):
                raise _Contradiction("pair")
        for source, target in pairs:
            for of in ("sighting", "review"):
                for (number,) in self._hub.rows(f"SELECT id FROM {of} WHERE individual_id = ? ORDER BY id", (source,)):
                    changes.append(self._set(of, number, "individual_id", target))
            changes.append(self._set("individual", source, "merged_into", target))
            changes.append(self._set("individual", source, "live", 0))
        return changes

    def _undo(self, event: PendingEvent) -> None:
        try:
            revert_events(self._hub, list(event.payload["batches"]))
        except GalleryError:
            raise _Contradiction("undo") from None

    def _living(self, individual: int) -> int:
        """The individual, or the one that it was merged into."""
        for _ in range(1000):
            cells = self._target.cells("individual", individual)
            if cells.get("live"):
                return individual
            if not cells or cells["merged_into"] is None:
                break
            individual = cells["merged_into"]
        raise _Contradiction("gone")

    def _row(self, table: str, row: int) -> int:
        """The row of the hub that is this row of the station."""
        found = self._target.row(table, self._source.uid(table, row))
        if found is None:
            raise _Contradiction("gone")
        return found

    def _same(self, table: str, row: int, other: int) -> None:
        """Note that a row that only the station has is one that the hub has."""
        uid, target = self._source.uid(table, row), self._target.uid(table, other)
        if target is None:
            name_rows(self._hub)
            self._target = Names(self._hub)
            target = self._target.uid(table, other)
        if uid != target:
            self._hub.try_insert("alias", uid=uid, target=target)

    def _set(self, table: str, row: int, column: str, value: Any) -> Change:
        ((earlier,),) = self._hub.rows(f"SELECT {column} FROM {table} WHERE id = ?", (row,))
        self._hub.execute(f"UPDATE {table} SET {column} = ? WHERE id = ?", (value, row))
        return table, row, column, earlier

    def _question(self, event: PendingEvent, reason: str, added_as: str = "") -> Change:
        self.questions += 1
        row = event.row
        decided = Event(0, row["batch"], row["at"], row["kind"], event.payload, False)
        facts = {"station": row["station"], "sequence": row["sequence"], "batch": row["batch"], "decided_at": row["at"]}
        facts |= {"decision": describe(decided), "added_as": added_as}
        uid = hashlib.sha256(f"{row['station']} {row['sequence']} {reason} {added_as}".encode()).hexdigest()[:32]
        text = json.dumps(facts, ensure_ascii=False)
        number = self._hub.insert("conflict", uid=uid, raised_at=self._hub.now(), reason=reason, facts=text)
        return "conflict", number, "live", 0

    def _record(self, event: PendingEvent, changes: list[Change]) -> None:
        row = {key: event.row[key] for key in ("batch", "at", "kind", "undone", "station", "sequence")}
        payload = dict(event.payload)
        if isinstance(payload.get("sightings"), list):
            found = [self._target.row("sighting", self._source.uid("sighting", number)) for number in payload["sightings"]]
            payload["sightings"] = [number for number in found if number is not None]
        if any(table == "conflict" and column == "live" and not earlier for table, _, column, earlier in changes):
            payload["question"] = True
            payload["about"] = about_event(event, self._source)
        self._hub.insert("event", **row, payload=json.dumps(payload), changes=json.dumps(changes))
