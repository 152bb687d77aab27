"""The file of a replica: the tables of a gallery, and how far it has followed the server."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from reid_edge.gallery.features import LeftOut
from reid_edge.gallery.records import Sighting
from reid_edge.gallery.schema import GALLERY
from reid_edge.gallery.store import Gallery
from reid_edge.storage.address import Place, ServerAddress
from reid_edge.storage.database import Database, sql_script
from reid_edge.storage.sqlite_opening import open_database

# replica: which server, the feature key, how far the server's events and rows of `feature` were followed, what was kept of them, and when
# that was level with the server. described: the bytes of the features and the thumbnail that the server has of a sighting.
# Rows arrive one after the other, so what is unique on the server may occur twice here for a moment; and the revision is the
# replica's own, for what it holds of the server's content depends on its room.
_TABLES = """
CREATE TABLE replica (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    server TEXT NOT NULL,
    feature_key TEXT NOT NULL,
    event INTEGER NOT NULL,
    batch TEXT NOT NULL,
    feature INTEGER NOT NULL DEFAULT 0,
    revision TEXT NOT NULL DEFAULT '',
    room INTEGER NOT NULL DEFAULT 0,
    refreshed_at TEXT NOT NULL DEFAULT '',
    photos INTEGER NOT NULL DEFAULT 0,
    photos_left_out INTEGER NOT NULL DEFAULT 0,
    individuals_left_out INTEGER NOT NULL DEFAULT 0,
    bytes INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE described (sighting_id INTEGER PRIMARY KEY, bytes INTEGER NOT NULL);
DROP INDEX individual_name;
CREATE INDEX individual_name ON individual (name);
DROP INDEX sighting_photo;
CREATE INDEX sighting_photo ON sighting (photo_sha256, animal_index);
DROP INDEX event_station;
DROP TRIGGER revision_feature_added;
DROP TRIGGER revision_feature_changed;
DROP TRIGGER revision_feature_dropped;
DROP TRIGGER revision_sighting_added;
DROP TRIGGER revision_sighting_changed;
DROP TRIGGER revision_sighting_viewpoint;
"""

# staged_*: rows of the server that were read and are not in their place yet, and the last event of which they were read (0: none).
# described.kept: 0 where there is no room for the features.
_PAGES = """
ALTER TABLE replica ADD COLUMN staged_event INTEGER NOT NULL DEFAULT 0;
ALTER TABLE replica ADD COLUMN staged_batch TEXT NOT NULL DEFAULT '';
ALTER TABLE described ADD COLUMN kept INTEGER NOT NULL DEFAULT 1;
UPDATE described SET kept = 0 WHERE sighting_id NOT IN (SELECT sighting_id FROM feature);
CREATE TABLE staged_individual (id INTEGER PRIMARY KEY, name, live, sex, life_stage, notes, merged_into);
CREATE TABLE staged_sighting (id INTEGER PRIMARY KEY, individual_id, live, added_at, photo_sha256, animal_index, photo_name,
    photo_path, species, viewpoint, taken_at, latitude, longitude, place, encounter, box);
CREATE TABLE staged_review (id INTEGER PRIMARY KEY, live, batch, photo_sha256, photo_name, animal_index, box, kind,
    individual_id, sighting_id, person, decided_at, answer);
CREATE TABLE staged_event (id INTEGER PRIMARY KEY, batch, at, kind, payload, changes, undone, station, sequence);
"""

REPLICA = replace(
    GALLERY,
    noun="replica",
    application_id=0x52455250,  # "RERP": no command takes it for a gallery
    migrations=(*GALLERY.migrations, ("replica", sql_script(_TABLES)), ("replica pages", sql_script(_PAGES))),
    uses_wal=False,  # a whole new file may take its place
    missing="Start the daemon once while the server can be reached.",
    wrong_file="Give the daemon another output folder.",
    damaged="Delete it: the daemon makes it again while the server can be reached.",
    in_use="It is tried again.",
)


@dataclass(frozen=True)
class ReplicaState:
    """What a replica holds.

    Attributes:
        refreshed_at: when it was last level with the server, by this device's clock, ISO 8601 in UTC.
        photos: whose features it holds.
        photos_left_out: whose features the server has and the replica has no room for.
        individuals_left_out: individuals of which it holds no photo for want of room: their photos would be answered as others' or new.
        bytes: of the features and thumbnails that it holds.
        event: the newest event of the server that it has; its individuals are those of that moment.
    """

    refreshed_at: str
    photos: int
    photos_left_out: int
    individuals_left_out: int
    bytes: int
    event: int


class ReplicaGallery(Gallery):
    """A replica as a gallery for reading."""

    def left_out(self, without: Collection[int]) -> LeftOut:
        """Why there are no features of these sightings; see `Gallery.left_out`."""
        counts = dict(
            self.database.rows("SELECT kept, count(*) FROM described WHERE sighting_id IN (?) GROUP BY kept", (list(without),))
        )
        return LeftOut(len(without) - sum(counts.values()), counts.get(0, 0), counts.get(1, 0))


def open_replica(path: Path) -> ReplicaGallery:
    """The replica at `path`.

    Raises:
        GalleryError: there is none, or it is damaged or of a newer version.
        StorageError: its disk fails.
    """
    return ReplicaGallery(open_database(REPLICA, path, writable=False))


def read_replica(path: Path, server: Place | None = None, feature_key: str = "") -> ReplicaState | None:
    """What the replica at `path` holds; None where there is none, or it is of another server or feature key than these.

    Errors as `open_replica`.
    """
    if not path.exists():
        return None
    with open_replica(path) as gallery:
        ((stored_server, key),) = gallery.database.rows("SELECT server, feature_key FROM replica")
        if (server is not None and server_name(server) != stored_server) or feature_key not in ("", key):
            return None
        return stored_state(gallery.database)


def server_name(server: Place) -> str:
    """What names a server in the file of its replica; no user and no password."""
    return server.fingerprint if isinstance(server, ServerAddress) else str(server)


def stored_state(file: Database) -> ReplicaState:
    """What an open replica holds."""
    ((at, *numbers),) = file.rows("SELECT refreshed_at, photos, photos_left_out, individuals_left_out, bytes, event FROM replica")
    return ReplicaState(at, *numbers)


def undescribed_sightings(gallery: Gallery) -> list[Sighting]:
    """Live sightings of an open replica of which the server has no features."""
    found: list[tuple[Any, ...]] = gallery.database.rows(
        "SELECT id FROM sighting WHERE live = 1 AND id NOT IN (SELECT sighting_id FROM described)"
    )
    return gallery.sightings_of([number for (number,) in found])
