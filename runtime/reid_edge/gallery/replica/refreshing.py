"""Making a replica and keeping it up to date: the rows that the server's events changed, then the features that it has room for.

Each step is a small transaction, and a copy that was stopped goes on where it stopped. A new copy is made beside the old one and takes its
place when it is whole: a reader sees all individuals or the replica as it was.
"""

from __future__ import annotations

import contextlib
import shutil
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from reid_edge.errors import ReidEdgeError
from reid_edge.gallery.changes import Position, changed_cells, position, undone_batches
from reid_edge.gallery.replica.keeping import DescribedPhoto, kept_photos
from reid_edge.gallery.replica.replica_file import REPLICA, ReplicaState, server_name, stored_state
from reid_edge.gallery.schema import GALLERY
from reid_edge.gallery.sync.rows import COLUMNS
from reid_edge.storage.address import Place
from reid_edge.storage.clock import now
from reid_edge.storage.database import Database
from reid_edge.storage.durable import move_into_place
from reid_edge.storage.errors import file_errors
from reid_edge.storage.opening import open_place
from reid_edge.storage.sqlite_opening import create_database, open_database

_COLUMNS: dict[str, tuple[str, ...]] = {
    **{table: COLUMNS[table] for table in ("individual", "sighting", "review")},
    "event": ("batch", "at", "kind", "payload", "changes", "undone", "station", "sequence"),
}
_ROWS, _FEATURES, _SIGHTINGS = 2000, 5000, 20  # rows, feature rows and photos of one step
_MORE_ROOM = 1.05  # so much room has to come for photos that were left out to be looked at again
_NEW = ".new"


@dataclass(frozen=True)
class _Level:
    """What the server has: its newest event, the revision of what a search finds, and which gallery it is."""

    position: Position
    revision: str
    station: str


class Replica:
    """Keeps the replica of one gallery. Threads may share it; one refreshes at a time.

    Attributes:
        path: of the replica's file.
        is_server_away: whether the server could not be asked the last time.

    Args:
        server: the gallery.
        path: of the replica's file.
        feature_key: of the features to keep.
        most_bytes: of the features and thumbnails together.
        reserve_bytes: of the disk that it leaves free.
    """

    def __init__(self, server: Place, path: Path, feature_key: str, most_bytes: int, reserve_bytes: int = 0) -> None:
        self.path = path
        self.is_server_away = False
        self._server = server
        self._key = feature_key
        self._most_bytes = most_bytes
        self._reserve_bytes = reserve_bytes
        self._lock = threading.Lock()
        self._hub: Database | None = None
        self._level: _Level | None = None
        self._state: ReplicaState | None = None

    def refresh(self, note: bool = True) -> ReplicaState:
        """Bring the replica to what the server has now, and make it where there is none.

        Args:
            note: write down that it is level with the server also where nothing changed.

        Raises:
            GalleryError, StorageError: the server cannot be read, or the replica not written; what was copied is kept.
        """
        with self._lock:
            began, level = now(), self._level_of_server()
            if self._state is not None and level == self._level and not note and self.path.exists():
                self._state = replace(self._state, refreshed_at=began)
                return self._state
            file = self._fitting_file(level)
            with contextlib.closing(file):
                self._bring_level(file, level)
                self._note(file, refreshed_at=began, server=server_name(self._server))
                self._state, made = stored_state(file), file.path
            if isinstance(made, Path) and made != self.path:
                with file_errors(self.path):
                    move_into_place(made, self.path)
            self._level = level
            return self._state

    def close(self) -> None:
        """Leave the server."""
        with self._lock:
            if self._hub is not None:
                self._hub.close()
                self._hub = None

    def _level_of_server(self) -> _Level:
        try:
            if self._hub is None:
                self._hub = open_place(GALLERY, self._server, writable=False)
            with self._hub.snapshot():
                ((revision, station),) = self._hub.rows("SELECT revision, station FROM gallery")
                level = _Level(position(self._hub), str(revision), str(station))
        except ReidEdgeError:
            self.is_server_away = True
            raise
        self.is_server_away = False
        return level

    @property
    def _open_hub(self) -> Database:
        assert self._hub is not None
        return self._hub

    def _fitting_file(self, level: _Level) -> Database:
        """The replica, or the copy that was begun to take its place; a new one where neither is of this gallery, pack and history."""
        begun = self.path.with_name(self.path.name + _NEW)
        for path in (self.path, begun):
            if path.exists() and path.stat().st_size:
                file = open_database(REPLICA, path)
                if self._fits(file, level):
                    if path == self.path:
                        _remove(begun)
                    return file
                file.close()
        _remove(begun)
        create_database(REPLICA, begun)
        file = open_database(REPLICA, begun)
        with file.transaction():
            file.execute("UPDATE gallery SET station = ?", (level.station,))
            at = level.position  # what is decided from here on is copied again, so that the rows need no common moment
            file.insert("replica", server=server_name(self._server), feature_key=self._key, event=at.event, batch=at.batch)
        return file

    def _fits(self, file: Database, level: _Level) -> bool:
        rows = file.rows("SELECT feature_key, station, event, batch FROM replica, gallery")
        if not rows or rows[0][:2] != (self._key, level.station):
            return False
        last = rows[0][2:]
        return last == (0, "") or bool(self._open_hub.rows("SELECT 1 FROM event WHERE id = ? AND batch = ?", last))

    def _bring_level(self, file: Database, level: _Level) -> None:
        file.execute("PRAGMA foreign_keys = OFF")  # a row may come before the one that it refers to
        if file.path != self.path:
            for table in _COLUMNS:
                self._copy_all(file, table)
        self._copy_changed(file, level.position)
        ((revision, held, left_out, room_then),) = file.rows("SELECT revision, bytes, photos_left_out, room FROM replica")
        with file_errors(self.path.parent):
            room = min(self._most_bytes, shutil.disk_usage(self.path.parent).free + held - self._reserve_bytes)
        if revision == level.revision and held <= room and (not left_out or room < _MORE_ROOM * room_then):
            return
        self._note_described(file)
        self._keep_features(file, room)
        with file.transaction():
            self._note(file, revision=level.revision, room=room)
            self._renew_revision(file)

    def _copy_all(self, file: Database, table: str) -> None:
        """The rows that were not copied yet."""
        while True:
            ((last,),) = file.rows(f"SELECT coalesce(max(id), 0) FROM {table}")
            if not self._copy(file, table, "id > ? ORDER BY id LIMIT ?", (last, _ROWS)):
                return

    def _copy_changed(self, file: Database, until: Position) -> None:
        """The rows that the events since the last refresh changed, and the events."""
        ((event, batch),) = file.rows("SELECT event, batch FROM replica")
        if Position(event, batch) == until:
            return
        hub = self._open_hub
        with hub.snapshot():
            until, rows = position(hub), dict[str, set[int]]()
            for table, row, _ in changed_cells(hub, event):
                rows.setdefault(table, set()).add(row)
            undone = undone_batches(hub, event)
            sightings = list(rows.get("sighting", ()))
            found = [(table, self._read(table, "id IN (?)", (sorted(ids),))) for table, ids in rows.items() if table in _COLUMNS]
            # A review is given its sighting by an event that names the sighting alone.
            found.append(("review", self._read("review", "sighting_id IN (?)", (sightings,))))
            found.append(("event", self._read("event", "id > ? OR batch IN (?)", (event, undone))))
        with file.transaction():
            for table, values in found:
                self._write(file, table, values)
            self._note(file, event=until.event, batch=until.batch)

    def _copy(self, file: Database, table: str, where: str, parameters: Sequence[Any]) -> int:
        rows = self._read(table, where, parameters)
        with file.transaction():
            self._write(file, table, rows)
        return len(rows)

    def _read(self, table: str, where: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        return self._open_hub.rows(f"SELECT id, {', '.join(_COLUMNS[table])} FROM {table} WHERE {where}", parameters)

    @staticmethod
    def _write(file: Database, table: str, rows: Sequence[Sequence[Any]]) -> None:
        columns = _COLUMNS[table]
        cells = ", ".join(f"{column} = excluded.{column}" for column in columns)
        marks = ", ".join("?" * (len(columns) + 1))
        sql = f"INSERT INTO {table} (id, {', '.join(columns)}) VALUES ({marks}) ON CONFLICT (id) DO UPDATE SET {cells}"
        for row in rows:
            file.execute(sql, row)

    def _note_described(self, file: Database) -> None:
        """Note the size of features that the server has got since; what is here of those sightings is of no use any more."""
        hub = self._open_hub
        while True:
            ((last,),) = file.rows("SELECT feature FROM replica")
            rows = hub.rows(
                "SELECT id, sighting_id FROM feature WHERE feature_key = ? AND id > ? ORDER BY id LIMIT ?",
                (self._key, last, _FEATURES),
            )
            if not rows:
                return
            sightings = sorted({sighting for _, sighting in rows})
            sizes = hub.rows(
                "SELECT f.sighting_id, sum(length(f.data)) + coalesce(max(length(s.thumbnail)), 0) FROM feature f "
                "JOIN sighting s ON s.id = f.sighting_id WHERE f.feature_key = ? AND f.sighting_id IN (?) GROUP BY f.sighting_id",
                (self._key, sightings),
            )
            with file.transaction():
                for sighting, size in sizes:
                    file.execute("INSERT OR REPLACE INTO described VALUES (?, ?)", (sighting, int(size)))
                self._drop_features(file, sightings)
                self._note(file, feature=rows[-1][0])

    def _keep_features(self, file: Database, room: int) -> None:
        """Drop the features that there is no room for, then fetch those that are missing."""
        photos = [
            DescribedPhoto(sighting, (individual, viewpoint), size)
            for sighting, individual, viewpoint, size in file.rows(
                "SELECT s.id, s.individual_id, s.viewpoint, d.bytes FROM described d JOIN sighting s ON s.id = d.sighting_id "
                "WHERE s.live = 1"
            )
        ]
        sizes = {photo.sighting: photo.bytes for photo in photos}
        here = {sighting for (sighting,) in file.rows("SELECT DISTINCT sighting_id FROM feature")}
        kept = kept_photos(photos, room)
        for part in _parts(sorted(here - set(kept))):
            with file.transaction():
                self._drop_features(file, part)
        for part in _parts([sighting for sighting in kept if sighting not in here]):
            self._fetch_features(file, part)
        individual = {photo.sighting: photo.group[0] for photo in photos}
        self._note(
            file,
            photos=len(kept),
            photos_left_out=len(photos) - len(kept),
            individuals_left_out=len(set(individual.values()) - {individual[sighting] for sighting in kept}),
            bytes=sum(sizes[sighting] for sighting in kept),
        )

    def _fetch_features(self, file: Database, sightings: list[int]) -> None:
        columns = ("sighting_id", "feature_key", "name", "dtype", "shape", "crc32", "data")
        of_hub = f"SELECT {', '.join(columns)} FROM feature WHERE feature_key = ? AND sighting_id IN (?)"
        features = self._open_hub.rows(of_hub, (self._key, sightings))
        thumbnails = self._open_hub.rows("SELECT thumbnail, id FROM sighting WHERE id IN (?)", (sightings,))
        with file.transaction():
            self._drop_features(file, sightings)
            for row in features:
                file.insert("feature", **dict(zip(columns, row, strict=True)))
            for row in thumbnails:
                file.execute("UPDATE sighting SET thumbnail = ? WHERE id = ?", row)

    @staticmethod
    def _drop_features(file: Database, sightings: list[int]) -> None:
        if file.execute("DELETE FROM feature WHERE sighting_id IN (?)", (sightings,)):
            file.execute("UPDATE sighting SET thumbnail = NULL WHERE id IN (?)", (sightings,))
            Replica._renew_revision(file)

    @staticmethod
    def _renew_revision(file: Database) -> None:
        """Whoever reads the file looks again. The server's revision would not do: what the replica holds of it changes with its room."""
        file.execute("UPDATE gallery SET revision = lower(hex(randomblob(16)))")

    @staticmethod
    def _note(file: Database, **values: Any) -> None:
        file.execute(f"UPDATE replica SET {', '.join(f'{column} = ?' for column in values)}", tuple(values.values()))


def _remove(path: Path) -> None:
    with file_errors(path):
        for each in (path, path.with_name(path.name + "-journal")):
            each.unlink(missing_ok=True)


def _parts(sightings: list[int]) -> Iterator[list[int]]:
    for start in range(0, len(sightings), _SIGHTINGS):
        yield sightings[start : start + _SIGHTINGS]
