"""The tables of a gallery and what is special about its file."""

from __future__ import annotations

import uuid

from reid_edge.errors import GalleryError
from reid_edge.storage.database import Database, DatabaseKind

# One row of `feature` is one array of one sighting, made by the part of a pack that `feature_key` names.
# Rows of `individual` and `sighting` are never deleted: `live` 0 hides them, so that undo brings them back with their features.
# `gallery.revision` is a new random token after every change of what a search could find, made by triggers so that no code path
# can forget it. A counter would not do: a gallery restored from a backup counts through the same numbers with other content.
_FIRST_TABLES = """
CREATE TABLE gallery (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    revision TEXT NOT NULL
);

CREATE TABLE individual (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    live INTEGER NOT NULL DEFAULT 1
);
CREATE UNIQUE INDEX individual_name ON individual (name) WHERE live = 1;

CREATE TABLE sighting (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    individual_id INTEGER NOT NULL REFERENCES individual (id),
    live INTEGER NOT NULL DEFAULT 1,
    added_at TEXT NOT NULL,
    photo_sha256 TEXT NOT NULL,
    animal_index INTEGER NOT NULL,
    photo_name TEXT NOT NULL,
    photo_path TEXT NOT NULL,
    species TEXT NOT NULL,
    viewpoint TEXT NOT NULL,
    taken_at TEXT NOT NULL,
    latitude REAL,
    longitude REAL,
    place TEXT NOT NULL,
    encounter TEXT NOT NULL,
    box TEXT,
    thumbnail BLOB
);
CREATE UNIQUE INDEX sighting_photo ON sighting (photo_sha256, animal_index) WHERE live = 1;
CREATE INDEX sighting_individual ON sighting (individual_id);

CREATE TABLE feature (
    id INTEGER PRIMARY KEY,
    sighting_id INTEGER NOT NULL REFERENCES sighting (id),
    feature_key TEXT NOT NULL,
    name TEXT NOT NULL,
    dtype TEXT NOT NULL,
    shape TEXT NOT NULL,
    crc32 INTEGER NOT NULL,
    data BLOB NOT NULL
);
CREATE UNIQUE INDEX feature_of ON feature (sighting_id, feature_key, name);

CREATE TABLE event (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    batch TEXT NOT NULL,
    at TEXT NOT NULL,
    kind TEXT NOT NULL,
    payload TEXT NOT NULL,
    changes TEXT NOT NULL,
    undone INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX event_batch ON event (batch);
"""

_REVISIONS = """
CREATE TRIGGER revision_feature_added AFTER INSERT ON feature
    BEGIN UPDATE gallery SET revision = lower(hex(randomblob(16))); END;
CREATE TRIGGER revision_feature_changed AFTER UPDATE ON feature
    BEGIN UPDATE gallery SET revision = lower(hex(randomblob(16))); END;
CREATE TRIGGER revision_feature_dropped AFTER DELETE ON feature
    BEGIN UPDATE gallery SET revision = lower(hex(randomblob(16))); END;
CREATE TRIGGER revision_sighting_added AFTER INSERT ON sighting
    BEGIN UPDATE gallery SET revision = lower(hex(randomblob(16))); END;
CREATE TRIGGER revision_sighting_changed AFTER UPDATE OF live ON sighting
    BEGIN UPDATE gallery SET revision = lower(hex(randomblob(16))); END;
"""
_REVISIONS_OF_SERVER = """
CREATE FUNCTION revise() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN UPDATE gallery SET revision = replace(gen_random_uuid()::text, ''-'', ''''); RETURN NULL; END';
CREATE TRIGGER revision_feature AFTER INSERT OR UPDATE OR DELETE ON feature FOR EACH STATEMENT EXECUTE FUNCTION revise();
CREATE TRIGGER revision_sighting AFTER INSERT OR UPDATE OF live ON sighting FOR EACH STATEMENT EXECUTE FUNCTION revise();
"""

# review: what a person said of one animal in one photo. `live` 0 hides one that was undone or that a later one replaced. `individual_id` is
# whom it names, none of a photo that was skipped or that shows no animal. `answer` is the answer that it was about, as JSON.
_REVIEWS = """
CREATE TABLE review (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    live INTEGER NOT NULL DEFAULT 1,
    batch TEXT NOT NULL,
    photo_sha256 TEXT NOT NULL,
    photo_name TEXT NOT NULL,
    animal_index INTEGER NOT NULL,
    box TEXT,
    kind TEXT NOT NULL CHECK (kind IN ('confirmed', 'new', 'rejected', 'skipped', 'not_an_animal')),
    individual_id INTEGER REFERENCES individual (id),
    sighting_id INTEGER REFERENCES sighting (id),
    person TEXT NOT NULL,
    decided_at TEXT NOT NULL,
    answer TEXT
);
CREATE INDEX review_photo ON review (photo_sha256) WHERE live = 1;
CREATE INDEX review_individual ON review (individual_id);
ALTER TABLE individual ADD COLUMN sex TEXT NOT NULL DEFAULT '';
ALTER TABLE individual ADD COLUMN life_stage TEXT NOT NULL DEFAULT '';
ALTER TABLE individual ADD COLUMN notes TEXT NOT NULL DEFAULT '';
"""
_REVISION_OF_VIEWPOINT = """
CREATE TRIGGER revision_sighting_viewpoint AFTER UPDATE OF viewpoint ON sighting
    BEGIN UPDATE gallery SET revision = lower(hex(randomblob(16))); END;
"""

_REVISION_OF_VIEWPOINT_OF_SERVER = """
CREATE TRIGGER revision_viewpoint AFTER UPDATE OF viewpoint ON sighting FOR EACH STATEMENT EXECUTE FUNCTION revise();
"""

# station, sequence: in which gallery an event was recorded, and its number there; both stay as they are when galleries are synchronised.
# merged_into: of an individual that was merged, the one that has its sightings since.
# uid: names a row in all galleries that have it; made when a gallery is first synchronised. `alias` leads from the uid of a row that
# another gallery has too, to the one that both use. `conflict` holds the questions of a synchronisation, `live` 0 those that are answered.
# `synchronised` has the last event of another gallery that was taken over.
_STATIONS = """
ALTER TABLE gallery ADD COLUMN station TEXT NOT NULL DEFAULT '';
ALTER TABLE event ADD COLUMN station TEXT NOT NULL DEFAULT '';
ALTER TABLE event ADD COLUMN sequence INTEGER NOT NULL DEFAULT 0;
UPDATE event SET sequence = id;
CREATE UNIQUE INDEX event_station ON event (station, sequence);
ALTER TABLE individual ADD COLUMN uid TEXT;
ALTER TABLE individual ADD COLUMN merged_into INTEGER;
CREATE UNIQUE INDEX individual_uid ON individual (uid);
ALTER TABLE sighting ADD COLUMN uid TEXT;
CREATE UNIQUE INDEX sighting_uid ON sighting (uid);
ALTER TABLE review ADD COLUMN uid TEXT;
CREATE UNIQUE INDEX review_uid ON review (uid);
CREATE TABLE conflict (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    uid TEXT UNIQUE,
    live INTEGER NOT NULL DEFAULT 1,
    raised_at TEXT NOT NULL,
    reason TEXT NOT NULL,
    facts TEXT NOT NULL
);
CREATE TABLE alias (
    id INTEGER PRIMARY KEY,
    uid TEXT NOT NULL UNIQUE,
    target TEXT NOT NULL
);
CREATE TABLE synchronised (
    id INTEGER PRIMARY KEY,
    station TEXT NOT NULL UNIQUE,
    event INTEGER NOT NULL
);
"""


def _first_tables(database: Database) -> None:
    database.run_script(_FIRST_TABLES)
    database.insert("gallery", id=1, revision=uuid.uuid4().hex)
    database.run_script(_REVISIONS, _REVISIONS_OF_SERVER)


def _reviews(database: Database) -> None:
    database.run_script(_REVIEWS)
    database.run_script(_REVISION_OF_VIEWPOINT, _REVISION_OF_VIEWPOINT_OF_SERVER)


def _stations(database: Database) -> None:
    database.run_script(_STATIONS)
    station = uuid.uuid4().hex
    database.execute("UPDATE gallery SET station = ?", (station,))
    database.execute("UPDATE event SET station = ?", (station,))


GALLERY = DatabaseKind(
    noun="gallery",
    error=GalleryError,
    application_id=0x52454944,  # "REID"
    migrations=(("first tables", _first_tables), ("reviews", _reviews), ("stations", _stations)),
    rollback_journal="delete",
    missing="Make one: reid-edge gallery init --gallery {path}",
    wrong_file="Name the SQLite file that `reid-edge gallery init` made.",
    damaged="Run `reid-edge gallery check`, then restore a backup or import an export.",
    in_use="Wait until that one is done, then run again.",
    conflict="Look at `reid-edge gallery history`; to undo both commands use --count 2.",
)
