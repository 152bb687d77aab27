"""Whether a decision of a station still means the same on the hub: what it is about is there, and nobody has decided otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reid_edge.gallery.names import name_key
from reid_edge.gallery.review_records import FINAL
from reid_edge.gallery.sync.pending import PendingEvent
from reid_edge.gallery.sync.rows import REFERENCES, Names, name_rows, translated
from reid_edge.storage.database import Database

_ANYWHERE = {"photo_path"}  # where a photo lies is a fact of a machine, not a decision about an animal
# Of a row that is hidden: what the station believed of it has to be so still.
_IDENTITY = {"individual": ("name",), "sighting": ("individual_id",), "review": ("individual_id",), "conflict": ()}


class Contradiction(Exception):
    """The decision contradicts what the hub has, for this reason."""


class HubRows:
    """The rows of the hub that the rows of a station's decision stand for.

    Attributes:
        names: the uids of the hub's rows.
    """

    def __init__(self, source: Names, hub: Database) -> None:
        self._source = source
        self._hub = hub
        self.names = Names(hub)

    def updates(self, event: PendingEvent) -> list[tuple[str, int, str]]:
        """The cells that the event sets and the hub does not have so; raises where one of them contradicts the hub."""
        updates = []
        for table, row, column, earlier in event.changes:
            if (table, row) in event.inserted:
                continue
            belief, here = event.beliefs[table, row], self.names.cells(table, self.row(table, row))
            new = translated(column, event.values[table, row, column], self._source, self.names)
            if here[column] == new and (column != "live" or not new):
                continue
            if column not in _ANYWHERE and here[column] != translated(column, earlier, self._source, self.names):
                raise Contradiction("changed")
            if belief["live"] and not here["live"]:
                raise Contradiction("gone")
            if column == "live" and not new:
                self._check_hidden(event, table, row, here)
            if column == "name":
                self._check_name(str(new), self.row(table, row))
            self._check_reference(event, column, event.values[table, row, column], new)
            updates.append((table, row, column))
        return updates

    def of_name(self, name: str) -> list[int]:
        """The living individuals of this name, in any spelling."""
        key = name_key(name)
        return [
            number for number, each in self._hub.rows("SELECT id, name FROM individual WHERE live = 1") if name_key(each) == key
        ]

    def check_inserted(self, event: PendingEvent) -> None:
        """Raise where a photo or an answer of the event contradicts one of the hub; note what is the same."""
        for (table, row), cells in event.inserted.items():
            if table == "sighting":
                self._check_sighting(event, row, cells)
            elif table == "review":
                self._check_review(event, row, cells)

    def living(self, individual: int) -> int:
        """The individual, or the one that it was merged into."""
        for _ in range(1000):
            cells = self.names.cells("individual", individual)
            if cells.get("live"):
                return individual
            if not cells or cells["merged_into"] is None:
                break
            individual = cells["merged_into"]
        raise Contradiction("gone")

    def row(self, table: str, row: int) -> int:
        """The row of the hub that is this row of the station."""
        found = self.names.row(table, self._source.uid(table, row))
        if found is None:
            raise Contradiction("gone")
        return found

    def _check_reference(self, event: PendingEvent, column: str, given: int | None, new: int | None) -> None:
        if column not in REFERENCES or given is None or (REFERENCES[column], given) in event.inserted:
            return
        if new is None:
            raise Contradiction("gone")
        if REFERENCES[column] == "individual":
            self.living(new)

    def _check_hidden(self, event: PendingEvent, table: str, row: int, here: Mapping[str, Any]) -> None:
        belief = event.beliefs[table, row]
        for column in _IDENTITY[table]:
            if here[column] != translated(column, belief[column], self._source, self.names):
                raise Contradiction("changed")
        if table != "individual":
            return
        hidden = {
            (of, self.row(of, number))
            for (of, number, column), value in event.values.items()
            if column == "live" and value == 0 and (of, number) not in event.inserted
        }
        for of in ("sighting", "review"):
            having = self._hub.rows(f"SELECT id FROM {of} WHERE individual_id = ? AND live = 1", (self.row(table, row),))
            if any((of, number) not in hidden for (number,) in having):
                raise Contradiction("kept")

    def _check_name(self, name: str, own: int | None) -> None:
        if any(number != own for number in self.of_name(name)):
            raise Contradiction("name")

    def _check_sighting(self, event: PendingEvent, row: int, cells: Mapping[str, Any]) -> None:
        given = cells["individual_id"]
        added = event.inserted.get(("individual", given))
        if added is None:
            self.living(self.row("individual", given))
        hiding = self._hidden_by(event, "sighting")
        for other, individual in self._hub.rows(
            "SELECT id, individual_id FROM sighting WHERE live = 1 AND photo_sha256 = ? AND animal_index = ?",
            (cells["photo_sha256"], cells["animal_index"]),
        ):
            if other in hiding:
                continue
            if added is not None and individual in self.of_name(added["name"]):
                self._same("individual", given, individual)
            elif added is not None or self.living(self.row("individual", given)) != individual:
                raise Contradiction("photo")
            self._same("sighting", row, other)

    def _check_review(self, event: PendingEvent, row: int, cells: Mapping[str, Any]) -> None:
        hiding = self._hidden_by(event, "review")
        given, individual = cells["individual_id"], None
        if given is not None and ("individual", given) not in event.inserted:
            individual = self.living(self.row("individual", given))
        for other, kind, named in self._hub.rows(
            "SELECT id, kind, individual_id FROM review WHERE live = 1 AND photo_sha256 = ? AND animal_index = ?",
            (cells["photo_sha256"], cells["animal_index"]),
        ):
            if other in hiding:
                continue
            if (kind, named) == (cells["kind"], individual):
                self._same("review", row, other)
            elif kind in FINAL and cells["kind"] in FINAL:
                raise Contradiction("review")

    def _hidden_by(self, event: PendingEvent, table: str) -> set[int | None]:
        return {
            self.row(of, row)
            for (of, row, column), value in event.values.items()
            if of == table and column == "live" and value == 0 and (of, row) not in event.inserted
        }

    def _same(self, table: str, row: int, other: int) -> None:
        """Note that a row that only the station has is one that the hub has."""
        uid, target = self._source.uid(table, row), self.names.uid(table, other)
        if target is None:
            name_rows(self._hub)
            self.names = Names(self._hub)
            target = self.names.uid(table, other)
        if uid != target:
            self._hub.try_insert("alias", uid=uid, target=target)
