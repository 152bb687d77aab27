"""A station takes over what the hub is: the rows that events changed there, and the events themselves, in the hub's order."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from reid_edge.gallery.sync.rows import COLUMNS, REFERENCES, TABLES, Names, last_sequences, own_station
from reid_edge.storage.database import Database

_EVENT = ("id", "batch", "at", "kind", "payload", "changes", "undone", "station", "sequence")
_MANY = 500


@dataclass
class _News:
    """What the hub has and the station has not, with uids in the place of row ids.

    Attributes:
        mark: the hub's last event.
        rows: by table and uid, the columns of a row.
        events: with changes as (table, uid, column, earlier value).
        undone: station, sequence and `undone` of earlier events that an undo is about.
        aliases: uid and target.
    """

    mark: int
    rows: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    undone: list[tuple[str, int, int]] = field(default_factory=list)
    aliases: list[tuple[str, str]] = field(default_factory=list)


def take_over(station: Database, hub: Database) -> int | None:
    """Make the station's rows and events those of the hub, in one transaction of the station.

    Returns:
        How many events were taken over, also those of the station itself; None where something was decided at the station meanwhile, so
        that nothing was done.
    """
    name = own_station(hub)
    ((mark,),) = station.rows("SELECT coalesce(max(event), 0) FROM synchronised WHERE station = ?", (name,))
    with hub.snapshot():
        last = last_sequences(hub)
        news = _read(station, hub, mark)
    with station.transaction():
        if any(sequence > last.get(each, 0) for each, sequence in last_sequences(station).items()):
            return None
        _Writer(station, news).write()
        if not station.execute("UPDATE synchronised SET event = ? WHERE station = ?", (news.mark, name)):
            station.insert("synchronised", station=name, event=news.mark)
    return len(news.events)


def _read(station: Database, hub: Database, mark: int) -> _News:
    ((newest,),) = hub.rows("SELECT coalesce(max(id), 0) FROM event")
    if newest < mark:  # the hub was restored from a backup
        mark = 0
    names, found = Names(hub), _News(newest)
    touched: dict[str, set[str]] = {table: set() for table in TABLES}
    if mark == 0:
        for table in TABLES:
            touched[table].update(uid for (uid,) in hub.rows(f"SELECT uid FROM {table} WHERE uid IS NOT NULL"))
    for values in hub.rows(f"SELECT {', '.join(_EVENT)} FROM event WHERE id > ? ORDER BY id", (mark,)):
        event = dict(zip(_EVENT, values, strict=True))
        event["payload"] = _named_payload(json.loads(event["payload"]), names)
        event["changes"] = [_named_change(change, names) for change in json.loads(event["changes"])]
        found.events.append(event)
    found.aliases = hub.rows("SELECT uid, target FROM alias")
    target = dict(found.aliases)
    for changes in _changes_to_see(hub, station, found):
        for table, uid in changes:
            touched[table].add(target.get(uid, uid))
    # A review is given its sighting by an event that names the sighting alone.
    of_sightings = "SELECT r.uid FROM review r JOIN sighting s ON s.id = r.sighting_id WHERE r.uid IS NOT NULL AND s.uid IN (?)"
    touched["review"].update(uid for (uid,) in hub.rows(of_sightings, (sorted(touched["sighting"]),)))
    batches = [batch for event in found.events if event["kind"] == "undo" for batch in event["payload"]["batches"]]
    found.undone = hub.rows("SELECT station, sequence, undone FROM event WHERE batch IN (?) AND kind != 'undo'", (batches,))
    for table in TABLES:
        found.rows[table] = _rows(hub, names, table, sorted(touched[table]))
    return found


def _changes_to_see(hub: Database, station: Database, found: _News) -> list[list[tuple[str, str]]]:
    """The rows that the events changed: at the hub, and, of the station's own, here; and those that an undo changed."""
    seen = [[(table, uid) for table, uid, *_ in event["changes"] if uid is not None] for event in found.events]
    here = Names(station)
    batches = [batch for event in found.events if event["kind"] == "undo" for batch in event["payload"]["batches"]]
    queries: list[tuple[Names, str, tuple[Any, ...]]] = [(names, "batch IN (?)", (batches,)) for names in (Names(hub), here)]
    queries += [(here, "station = ? AND sequence = ?", (event["station"], event["sequence"])) for event in found.events]
    for names, where, values in queries:
        for (changes,) in names.database.rows(f"SELECT changes FROM event WHERE {where}", values):
            named = [(table, names.uid(table, row)) for table, row, *_ in json.loads(changes)]
            seen.append([(table, uid) for table, uid in named if uid is not None])
    return seen


def _named_change(change: list[Any], names: Names) -> tuple[str, str | None, str, Any]:
    table, row, column, earlier = change
    refers = REFERENCES.get(column)
    return table, names.uid(table, row), column, names.uid(refers, earlier) if refers and earlier is not None else earlier


def _named_payload(payload: dict[str, Any], names: Names) -> dict[str, Any]:
    if isinstance(payload.get("sightings"), list):
        payload["sightings"] = [names.uid("sighting", number) for number in payload["sightings"]]
    return payload


def _rows(hub: Database, names: Names, table: str, uids: list[str]) -> dict[str, dict[str, Any]]:
    columns, found = COLUMNS[table], dict[int, tuple[str, dict[str, Any]]]()
    for start in range(0, len(uids), _MANY):
        sql = f"SELECT id, uid, {', '.join(columns)} FROM {table} WHERE uid IN (?)"
        for number, uid, *values in hub.rows(sql, (uids[start : start + _MANY],)):
            row = dict(zip(columns, values, strict=True))
            for column, of in REFERENCES.items():
                if row.get(column) is not None:
                    row[column] = names.uid(of, row[column])
            found[number] = uid, row
    return dict(row for _, row in sorted(found.items()))  # added at the station in the hub's order


class _Writer:
    """Writes the news into the station, in its open transaction."""

    def __init__(self, station: Database, news: _News) -> None:
        self._station = station
        self._news = news
        self._names = Names(station)

    def write(self) -> None:
        """Rows first hidden and then shown, so that names and photos may change places."""
        self._rename_aliases()
        ids = {table: self._present(table) for table in TABLES}
        for table in TABLES:
            for row in ids[table].values():
                self._station.execute(f"UPDATE {table} SET live = 0 WHERE id = ? AND live = 1", (row,))
        for table in TABLES:
            for uid, values in self._news.rows[table].items():
                self._write_row(table, uid, values)
        for table in TABLES:
            for uid, values in self._news.rows[table].items():
                if values["live"]:
                    self._station.execute(f"UPDATE {table} SET live = 1 WHERE uid = ?", (uid,))
        for event in self._news.events:
            self._write_event(event)
        for station, sequence, undone in self._news.undone:
            self._station.execute("UPDATE event SET undone = ? WHERE station = ? AND sequence = ?", (undone, station, sequence))

    def _present(self, table: str) -> dict[str, int]:
        uids = list(self._news.rows[table])
        return dict(self._station.rows(f"SELECT uid, id FROM {table} WHERE uid IN (?)", (uids,)))

    def _rename_aliases(self) -> None:
        """A row of the station that the hub has under another uid gets that uid, or is hidden where it has both."""
        for uid, target in self._news.aliases:
            if self._station.rows("SELECT 1 FROM alias WHERE uid = ?", (uid,)):
                continue
            self._station.insert("alias", uid=uid, target=target)
            for table in TABLES:
                if not self._station.rows(f"SELECT 1 FROM {table} WHERE uid = ?", (uid,)):
                    continue
                if self._station.rows(f"SELECT 1 FROM {table} WHERE uid = ?", (target,)):
                    self._station.execute(f"UPDATE {table} SET live = 0 WHERE uid = ?", (uid,))
                else:
                    self._station.execute(f"UPDATE {table} SET uid = ? WHERE uid = ?", (target, uid))

    def _write_row(self, table: str, uid: str, values: dict[str, Any]) -> None:
        row = {**values, "live": 0}
        for column, of in REFERENCES.items():
            if row.get(column) is not None:
                row[column] = self._id(of, row[column])
        number = self._id(table, uid)
        if number is None:
            self._station.insert(table, uid=uid, **row)
        else:
            cells = ", ".join(f"{column} = ?" for column in row)
            self._station.execute(f"UPDATE {table} SET {cells} WHERE id = ?", (*row.values(), number))

    def _id(self, table: str, uid: str) -> int | None:
        found = self._station.rows(f"SELECT id FROM {table} WHERE uid = ?", (uid,))
        return int(found[0][0]) if found else None

    def _write_event(self, event: dict[str, Any]) -> None:
        """In the hub's order: one that the station has already, since it is its own, moves behind those before it at the hub."""
        self._station.execute("DELETE FROM event WHERE station = ? AND sequence = ?", (event["station"], event["sequence"]))
        changes = []
        for table, uid, column, earlier in event["changes"]:
            refers = REFERENCES.get(column)
            number = None if uid is None else self._id(table, uid)
            if number is not None:
                changes.append([table, number, column, self._id(refers, earlier) if refers and earlier is not None else earlier])
        payload = dict(event["payload"])
        if isinstance(payload.get("sightings"), list):
            found = [self._id("sighting", uid) for uid in payload["sightings"] if uid is not None]
            payload["sightings"] = [number for number in found if number is not None]
        row = {key: event[key] for key in ("batch", "at", "kind", "undone", "station", "sequence")}
        self._station.insert("event", **row, payload=json.dumps(payload), changes=json.dumps(changes))
