"""The rows that the server's events changed: read page by page into tables of their own, then put in their place as one.

Until they are put in their place, the replica is the gallery as of the event that it followed last; afterwards, as of the last event that
was read. A page's rows are read after its events, so they may have later changes, too: the page of those changes reads them again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from reid_edge.gallery.sync.rows import COLUMNS
from reid_edge.storage.database import Database

COPIED: dict[str, tuple[str, ...]] = {
    **{table: COLUMNS[table] for table in ("individual", "sighting", "review")},
    "event": ("batch", "at", "kind", "payload", "changes", "undone", "station", "sequence"),
}
"""The tables that a replica has of its server, and their columns beside `id`."""

PAGE_EVENTS, PAGE_ROWS = 500, 2000  # that are in memory at a time: events with what each changed, and rows

_Row = tuple[Any, ...]


class Staging:
    """The rows that are on their way from the server to a replica's file."""

    def __init__(self, hub: Database, file: Database) -> None:
        self._hub = hub
        self._file = file

    def read(self) -> bool:
        """Read all that changed since the replica's last event, from where an earlier reading was stopped; returns whether anything did.

        Raises:
            GalleryError, StorageError: the server cannot be read, or the file not written; the pages that were read are kept.
        """
        ((event, batch),) = self._file.rows("SELECT staged_event, staged_batch FROM replica")
        if event and not self._hub.rows("SELECT 1 FROM event WHERE id = ? AND batch = ?", (event, batch)):
            self._forget()  # the server was restored from a backup since
        while self._read_page():
            pass
        return bool(self._file.rows("SELECT 1 FROM replica WHERE staged_event > 0"))

    def put_in_place(self) -> None:
        """The rows that were read take the place of those of the replica, and it is the gallery as of the last event that was read."""
        with self._file.transaction():
            for table, columns in COPIED.items():
                names = f"id, {', '.join(columns)}"
                self._file.execute(
                    f"INSERT INTO {table} ({names}) SELECT {names} FROM staged_{table} WHERE true {_overwriting(columns)}"
                )
                self._file.execute(f"DELETE FROM staged_{table}")
            self._file.execute(
                "UPDATE replica SET event = staged_event, batch = staged_batch, staged_event = 0, staged_batch = ''"
            )

    def _read_page(self) -> bool:
        """Read the next events and the rows that they changed; returns whether there were any."""
        ((last,),) = self._file.rows("SELECT CASE staged_event WHEN 0 THEN event ELSE staged_event END FROM replica")
        events = self._events("id > ?", (last,))
        if not events:
            return False
        rows = self._with_rows(events)
        while page := list(islice(rows, PAGE_ROWS)):
            with self._file.transaction():
                for table, row in page:
                    write_row(self._file, table, row, staged=True)
        with self._file.transaction():
            newest = dict(zip(("id", *COPIED["event"]), events[-1], strict=True))
            self._file.execute("UPDATE replica SET staged_event = ?, staged_batch = ?", (newest["id"], newest["batch"]))
        return True

    def _with_rows(self, events: Sequence[_Row]) -> Iterator[tuple[str, _Row]]:
        """The events and the rows that they changed, then the events that they undid, which are marked so, and the rows of those."""
        yield from self._changed_by(events)
        undone = list(_undone_batches(events))
        part = self._events("batch IN (?) AND id > ?", (undone, 0)) if undone else []
        while part:
            yield from self._changed_by(part)
            part = self._events("batch IN (?) AND id > ?", (undone, part[-1][0]))

    def _changed_by(self, events: Sequence[_Row]) -> Iterator[tuple[str, _Row]]:
        yield from (("event", row) for row in events)
        for table, ids in _changed_rows(events).items():
            for start in range(0, len(ids), PAGE_ROWS):
                part = ids[start : start + PAGE_ROWS]
                yield from ((table, row) for row in read_rows(self._hub, table, "id IN (?)", (part,)))
                if table == "sighting":  # a review is given its sighting by an event that names the sighting alone
                    yield from (("review", row) for row in read_rows(self._hub, "review", "sighting_id IN (?)", (part,)))

    def _events(self, where: str, parameters: Sequence[Any]) -> list[_Row]:
        return read_rows(self._hub, "event", f"{where} ORDER BY id LIMIT ?", (*parameters, PAGE_EVENTS))

    def _forget(self) -> None:
        with self._file.transaction():
            for table in COPIED:
                self._file.execute(f"DELETE FROM staged_{table}")
            self._file.execute("UPDATE replica SET staged_event = 0, staged_batch = ''")


def read_rows(hub: Database, table: str, where: str, parameters: Sequence[Any]) -> list[_Row]:
    """Rows of the server as a replica has them: id, then the columns of `COPIED`."""
    return hub.rows(f"SELECT id, {', '.join(COPIED[table])} FROM {table} WHERE {where}", parameters)


def write_row(file: Database, table: str, row: _Row, staged: bool = False) -> None:
    """Write a row of `read_rows` over what the file has of it; `staged` into the table beside."""
    columns = COPIED[table]
    marks = ", ".join("?" * len(row))
    into = f"staged_{table}" if staged else table
    file.execute(f"INSERT INTO {into} (id, {', '.join(columns)}) VALUES ({marks}) {_overwriting(columns)}", row)


def _overwriting(columns: Iterable[str]) -> str:
    return f"ON CONFLICT (id) DO UPDATE SET {', '.join(f'{column} = excluded.{column}' for column in columns)}"


def _changed_rows(events: Sequence[_Row]) -> Mapping[str, list[int]]:
    """The ids of the rows that events changed, by table."""
    column = 1 + COPIED["event"].index("changes")
    found: dict[str, set[int]] = {}
    for event in events:
        for table, row, *_ in json.loads(event[column]):
            if table in COPIED:
                found.setdefault(table, set()).add(row)
    return {table: sorted(ids) for table, ids in found.items()}


def _undone_batches(events: Sequence[_Row]) -> Iterator[str]:
    kind, payload = (1 + COPIED["event"].index(column) for column in ("kind", "payload"))
    for event in events:
        if event[kind] == "undo":
            yield from json.loads(event[payload])["batches"]
