"""Making a replica and keeping it up to date: the rows that the server's events changed, then the features that it has room for.

What is read from the server is stored page by page, and a copy that was stopped goes on where it stopped. The rows take their place as one,
and a new copy is made beside the old one: a reader sees all individuals as they were at one event, or the replica as it was.
"""

from __future__ import annotations

import contextlib
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from reid_edge.errors import ReidEdgeError
from reid_edge.gallery.changes import Position, position
from reid_edge.gallery.replica.keeping import DescribedPhoto, kept_photos
from reid_edge.gallery.replica.replica_file import REPLICA, ReplicaState, server_name, stored_state
from reid_edge.gallery.replica.staging import COPIED, PAGE_ROWS, Staging, read_rows, write_row
from reid_edge.gallery.schema import GALLERY
from reid_edge.storage.address import Place
from reid_edge.storage.clock import now
from reid_edge.storage.database import Database
from reid_edge.storage.durable import move_into_place
from reid_edge.storage.errors import file_errors
from reid_edge.storage.opening import open_place
from reid_edge.storage.sqlite_opening import create_database, open_database

_FEATURES, _SIGHTINGS = 5000, 20  # feature rows and photos of one step
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
            for table in COPIED:
                self._copy_all(file, table)
        staging = Staging(self._open_hub, file)
        changed = staging.read()
        described = self._note_described(file)  # first: a new photo would seem to be one that the pack has not described
        if changed:
            staging.put_in_place()
        ((revision, held, left_out, room_then),) = file.rows("SELECT revision, bytes, photos_left_out, room FROM replica")
        with file_errors(self.path.parent):
            room = min(self._most_bytes, shutil.disk_usage(self.path.parent).free + held - self._reserve_bytes)
        has_room = held <= room and (not left_out or room < _MORE_ROOM * room_then)
        if revision == level.revision and not described and has_room:
            return
        self._keep_features(file, room)
        with file.transaction():
            self._note(file, revision=level.revision, room=room)
            self._renew_revision(file)

    def _copy_all(self, file: Database, table: str) -> None:
        """The rows that were not copied yet."""
        while True:
            ((last,),) = file.rows(f"SELECT coalesce(max(id), 0) FROM {table}")
            rows = read_rows(self._open_hub, table, "id > ? ORDER BY id LIMIT ?", (last, PAGE_ROWS))
            if not rows:
                return
            with file.transaction():
                for row in rows:
                    write_row(file, table, row)

    def _note_described(self, file: Database) -> bool:
        """Note the size of features that the server has got since, and drop what is here of those sightings; whether there are any."""
        hub, found = self._open_hub, False
        while True:
            ((last,),) = file.rows("SELECT feature FROM replica")
            rows = hub.rows(
                "SELECT id, sighting_id FROM feature WHERE feature_key = ? AND id > ? ORDER BY id LIMIT ?",
                (self._key, last, _FEATURES),
            )
            if not rows:
                return found
            found = True
            sightings = sorted({sighting for _, sighting in rows})
            sizes = hub.rows(
                "SELECT f.sighting_id, sum(length(f.data)) + coalesce(max(length(s.thumbnail)), 0) FROM feature f "
                "JOIN sighting s ON s.id = f.sighting_id WHERE f.feature_key = ? AND f.sighting_id IN (?) GROUP BY f.sighting_id",
                (self._key, sightings),
            )
            with file.transaction():
                for sighting, size in sizes:
                    file.execute("INSERT OR REPLACE INTO described (sighting_id, bytes) VALUES (?, ?)", (sighting, int(size)))
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
        with file.transaction():
            file.execute("UPDATE described SET kept = 0 WHERE kept = 1 AND sighting_id NOT IN (?)", (kept,))
            file.execute("UPDATE described SET kept = 1 WHERE kept = 0 AND sighting_id IN (?)", (kept,))
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
