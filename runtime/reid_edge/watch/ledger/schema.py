"""The tables of a ledger, as an ordered list of named migrations."""

from __future__ import annotations

from reid_edge.errors import GalleryError
from reid_edge.storage.database import DatabaseKind, sql_script

MESSAGE_SCHEMA = "reid-edge/watch/1"

# Ids are given in order and never again: they are the only order there is, because the device's clock may jump. Columns that end in
# `_at` are what the device's clock said, in UTC, for people; `taken_at` is what the camera's clock said, which has no zone.
#
# file: one row per path ever seen under a folder. `seen`: it is there, and may still grow. `settled`: it was still long enough to be
# read. `decided` and `quarantined`: what became of it. `gone`: it vanished before it was decided, while its folder was there.
# `camera` and `taken_at` of a file are read from its header when it settles, for the order in which photos are answered.
# photo: one row per content; several files may carry it. `waiting` is a photo whose answer is being made.
# photo.frame_of: the video that it is a frame of. The video's own `photo_id` is its first frame with an animal, else its first.
# enrolment: new individuals that are to be enrolled (`batch` is still empty), or were.
# animal.vector: the first embedding, float32, kept until the animal's event is closed.
_FIRST_TABLES = """
CREATE TABLE folder (
    id INTEGER PRIMARY KEY,
    path BLOB NOT NULL UNIQUE,
    present INTEGER NOT NULL,
    device_id TEXT NOT NULL,
    changes INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE file (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    folder_id INTEGER NOT NULL REFERENCES folder (id),
    path BLOB NOT NULL UNIQUE,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    inode INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('seen', 'settled', 'decided', 'quarantined', 'gone')),
    photo_id INTEGER REFERENCES photo (id),
    reason TEXT NOT NULL DEFAULT '',
    tries INTEGER NOT NULL DEFAULT 0,
    camera TEXT NOT NULL DEFAULT '',
    taken_at TEXT,
    first_seen_at TEXT NOT NULL,
    changed_at TEXT NOT NULL,
    moved_to BLOB
);
CREATE INDEX file_waiting ON file (state, camera, taken_at, id);
CREATE INDEX file_photo ON file (photo_id);

CREATE TABLE photo (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    sha256 TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'decided', 'quarantined')),
    camera TEXT NOT NULL,
    taken_at TEXT,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    latitude REAL,
    longitude REAL,
    verdict TEXT,
    event_id INTEGER REFERENCES event (id),
    frame_of INTEGER REFERENCES file (id),
    answered_at TEXT,
    pack TEXT NOT NULL DEFAULT '',
    gallery_revision TEXT NOT NULL DEFAULT ''
);
CREATE INDEX photo_event ON photo (event_id);
CREATE INDEX photo_frame ON photo (frame_of) WHERE frame_of IS NOT NULL;

CREATE TABLE animal (
    id INTEGER PRIMARY KEY,
    photo_id INTEGER NOT NULL REFERENCES photo (id),
    animal_index INTEGER NOT NULL,
    verdict TEXT NOT NULL,
    identity TEXT,
    probability REAL NOT NULL,
    decision TEXT NOT NULL,
    vector BLOB
);
CREATE UNIQUE INDEX animal_of ON animal (photo_id, animal_index);

CREATE TABLE event (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    camera TEXT NOT NULL,
    first_taken_at TEXT,
    last_taken_at TEXT,
    closed INTEGER NOT NULL DEFAULT 0,
    revision INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX event_camera ON event (camera, last_taken_at);
CREATE INDEX event_open ON event (id) WHERE closed = 0;

CREATE TABLE event_animal (
    event_id INTEGER NOT NULL REFERENCES event (id),
    animal_index INTEGER NOT NULL,
    verdict TEXT NOT NULL,
    identity TEXT,
    probability REAL NOT NULL,
    "unknown" REAL NOT NULL,
    photos TEXT NOT NULL,
    ranking TEXT NOT NULL,
    PRIMARY KEY (event_id, animal_index)
);

CREATE TABLE message (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    key TEXT NOT NULL UNIQUE,
    camera TEXT NOT NULL,
    body TEXT NOT NULL,
    made_at TEXT NOT NULL
);

CREATE TABLE delivery (
    sink TEXT PRIMARY KEY,
    last_id INTEGER NOT NULL
);

CREATE TABLE enrolment (
    event_id INTEGER NOT NULL REFERENCES event (id),
    animal_index INTEGER NOT NULL,
    identity TEXT NOT NULL,
    batch TEXT NOT NULL,
    at TEXT NOT NULL,
    PRIMARY KEY (event_id, animal_index)
);

CREATE TABLE run (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    started_at TEXT NOT NULL,
    ended_at TEXT,
    version TEXT NOT NULL,
    pack TEXT NOT NULL,
    gallery TEXT NOT NULL,
    pid INTEGER NOT NULL
);
"""

# Every card has an IMG_0001.JPG: a free name for a moved photo may take hundreds of questions.
_MOVED_FILES = "CREATE INDEX file_moved ON file (moved_to) WHERE moved_to IS NOT NULL;"


class LedgerError(GalleryError):
    """A ledger that is missing, damaged, of a newer version, or in use by another daemon."""


LEDGER = DatabaseKind(
    noun="ledger",
    error=LedgerError,
    application_id=0x52454C47,  # "RELG"
    migrations=(("first_tables", sql_script(_FIRST_TABLES)), ("index_of_moved_files", sql_script(_MOVED_FILES))),
    rollback_journal="persist",
    missing="Name the folder that `reid-edge watch --out` was given.",
    wrong_file="Give another folder as --out.",
    damaged="Keep a copy of it, then restore a backup, or start a new --out: every photo there is answered again.",
    in_use="It is tried again.",
)
