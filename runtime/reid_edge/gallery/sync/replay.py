"""One decision of a station, repeated on the hub: carried out where it still means the same there, else kept as a question."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from reid_edge.errors import GalleryError
from reid_edge.gallery.history import describe, revert_events
from reid_edge.gallery.records import Event
from reid_edge.gallery.sync.about import about_event
from reid_edge.gallery.sync.contradictions import Contradiction, HubRows
from reid_edge.gallery.sync.pairs import are_different, contradicts_answer, contradicts_merge
from reid_edge.gallery.sync.pending import PendingEvent
from reid_edge.gallery.sync.rows import TABLES, Change, Names, translated
from reid_edge.storage.database import Database


class Replay:
    """Repeats events of one station on the hub, one transaction each.

    Attributes:
        questions: how many of them became questions.
    """

    def __init__(self, station: Database, hub: Database) -> None:
        self._source = Names(station)
        self._hub = hub
        self._rows = HubRows(self._source, hub)
        self.questions = 0

    def repeat(self, event: PendingEvent) -> bool:
        """Repeat one event; False where the hub has it already."""
        with self._hub.transaction():
            key = (event.row["station"], event.row["sequence"])
            if self._hub.rows("SELECT 1 FROM event WHERE station = ? AND sequence = ?", key):
                return False
            try:
                changes = self._carried_out(event)
            except Contradiction as contradiction:
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
            or contradicts_merge(self._source, self._rows.names, event.payload)
        ):
            raise Contradiction("pair")
        if kind == "merge" and any(column == "merged_into" for _, _, column in event.values):
            return self._merged(event)
        updates = self._rows.updates(event)
        self._rows.check_inserted(event)
        changes = self._inserted(event)
        for table, row, column in updates:
            value = translated(column, event.values[table, row, column], self._source, self._rows.names)
            if column in ("individual_id", "merged_into") and value is not None:
                value = self._rows.living(value)
            changes.append(self._set(table, self._rows.row(table, row), column, value))
        return changes

    def _inserted(self, event: PendingEvent, hidden: bool = False) -> list[Change]:
        """Add the event's rows to the hub; hidden where the decision is not carried out, so that nothing of it is lost."""
        changes: list[Change] = []
        for table in TABLES:
            for (of, row), cells in event.inserted.items():
                if of == table and self._rows.names.row(table, self._source.uid(table, row)) is None:
                    changes += self._insert(event, table, row, dict(cells), hidden)
        return changes

    def _insert(self, event: PendingEvent, table: str, row: int, cells: dict[str, Any], hidden: bool) -> list[Change]:
        uid = self._source.uid(table, row)
        values = {column: translated(column, value, self._source, self._rows.names) for column, value in cells.items()}
        if values.get("individual_id") is not None and not hidden:
            values["individual_id"] = self._rows.living(values["individual_id"])
        changes: list[Change] = []
        if hidden:
            values["live"] = 0
        elif table == "individual" and self._rows.of_name(values["name"]):
            values["name"] = self._free_name(values["name"])
            changes.append(self._question(event, "name", values["name"]))
        if table == "sighting":
            ((thumbnail,),) = self._source.database.rows("SELECT thumbnail FROM sighting WHERE id = ?", (row,))
            values["thumbnail"] = thumbnail
        number = self._hub.insert(table, uid=uid, **values)
        if table == "sighting":  # a review that was stored before its sighting
            for (review,) in self._source.database.rows("SELECT id FROM review WHERE sighting_id = ?", (row,)):
                there = self._rows.names.row("review", self._source.uid("review", review))
                if there is not None:
                    self._hub.execute("UPDATE review SET sighting_id = ? WHERE id = ?", (number, there))
        changes.append((table, number, "live", 0))
        return changes

    def _free_name(self, name: str) -> str:
        number = 2
        while self._rows.of_name(f"{name} ({number})"):
            number += 1
        return f"{name} ({number})"

    def _merged(self, event: PendingEvent) -> list[Change]:
        """A merge as it is meant: whatever the hub has of the merged individuals goes along."""
        pairs = []
        for table, row, column, _ in event.changes:
            if column == "merged_into":
                target = self._rows.living(self._rows.row("individual", event.values[table, row, column]))
                source, belief = self._rows.row(table, row), event.beliefs[table, row]
                here = self._rows.names.cells(table, source)
                if not here["live"]:
                    if self._rows.living(source) != target:
                        raise Contradiction("gone")
                elif here["name"] != belief["name"]:
                    raise Contradiction("changed")
                elif source != target:
                    pairs.append((source, target))
        changes = []
        for source, target in pairs:
            names = (str(self._rows.names.cells("individual", row)["name"]) for row in (source, target))
            if are_different(self._source.database, self._hub, *names):
                raise Contradiction("pair")
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
            raise Contradiction("undo") from None

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
            found = [self._rows.names.row("sighting", self._source.uid("sighting", number)) for number in payload["sightings"]]
            payload["sightings"] = [number for number in found if number is not None]
        if any(table == "conflict" and column == "live" and not earlier for table, _, column, earlier in changes):
            payload["question"] = True
            payload["about"] = about_event(event, self._source)
        self._hub.insert("event", **row, payload=json.dumps(payload), changes=json.dumps(changes))
