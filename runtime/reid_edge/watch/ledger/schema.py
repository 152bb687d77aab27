"""The tables of a ledger, as an ordered list of named migrations."""

from __future__ import annotations

from reid_edge.errors import GalleryError
from reid_edge.storage.database import DatabaseKind, sql_script

MESSAGE_SCHEMA = "reid-edge/watch/1"

# Ids are given in order and never again: they are the only order there is, because the device's clock may jump. Columns that end in
# `_at` are what the device's clock said, in UTC, for people; `taken_at` is what the camera's clock said, which has no zone.
#
# file: one row per path ever seen under a folder; its states and `reason_code` are in `states.py`.
# `camera` and `taken_at` of a file are read from its header when it settles, for the order in which photos are answered.
# photo: one row per content; several files may carry it. Every row is `decided`.
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

# `reason` is the sentence of `reason_code`. `quarantine_key` is the key of the file's newest `quarantine` message: it is posted once, also
# after it was pruned from the outbox. Before there were codes, the sentence was all there was.
_REASON_CODES = """
ALTER TABLE file ADD COLUMN reason_code TEXT NOT NULL DEFAULT '';
ALTER TABLE file ADD COLUMN quarantine_key TEXT NOT NULL DEFAULT '';
UPDATE file SET reason_code = CASE
    WHEN reason LIKE 'Not readable now:%' THEN 'unreadable'
    WHEN reason LIKE '%pip install ''reid-edge[formats]''%' THEN 'no_reader'
    WHEN reason = 'The daemon died while it answered this photo.' THEN 'daemon_died'
    WHEN reason LIKE 'The decoder died of this file (%' THEN 'decoder_crashed'
    WHEN reason LIKE 'The file could not be read and decoded within %' THEN 'decoder_crashed'
    WHEN state = 'settled' OR tries >= 3 THEN 'answer_failed'
    ELSE 'broken' END
WHERE reason <> '';
UPDATE file SET quarantine_key = 'quarantine:' || id || ':' || size || ':' || mtime_ns
WHERE EXISTS (SELECT 1 FROM message WHERE key = 'quarantine:' || file.id || ':' || file.size || ':' || file.mtime_ns);
"""

# counter: how many rows there are of each kind, kept by triggers in the transaction that changes them, so that no figure for people
# takes a walk through a season's rows.
_COUNTERS = """
CREATE TABLE counter (what TEXT NOT NULL, value TEXT NOT NULL, amount INTEGER NOT NULL, PRIMARY KEY (what, value)) WITHOUT ROWID;
INSERT INTO counter SELECT 'file', state, count(*) FROM file GROUP BY state;
INSERT INTO counter SELECT 'photo', verdict, count(*) FROM photo WHERE state = 'decided' AND verdict IS NOT NULL GROUP BY verdict;
INSERT INTO counter SELECT 'event', '', count(*) FROM event;
CREATE TRIGGER file_inserted AFTER INSERT ON file BEGIN
    INSERT OR IGNORE INTO counter VALUES ('file', NEW.state, 0);
    UPDATE counter SET amount = amount + 1 WHERE what = 'file' AND value = NEW.state;
END;
CREATE TRIGGER file_state_changed AFTER UPDATE OF state ON file WHEN OLD.state <> NEW.state BEGIN
    INSERT OR IGNORE INTO counter VALUES ('file', NEW.state, 0);
    UPDATE counter SET amount = amount - 1 WHERE what = 'file' AND value = OLD.state;
    UPDATE counter SET amount = amount + 1 WHERE what = 'file' AND value = NEW.state;
END;
CREATE TRIGGER photo_inserted AFTER INSERT ON photo WHEN NEW.state = 'decided' AND NEW.verdict IS NOT NULL BEGIN
    INSERT OR IGNORE INTO counter VALUES ('photo', NEW.verdict, 0);
    UPDATE counter SET amount = amount + 1 WHERE what = 'photo' AND value = NEW.verdict;
END;
CREATE TRIGGER event_inserted AFTER INSERT ON event BEGIN
    UPDATE counter SET amount = amount + 1 WHERE what = 'event';
END;
CREATE INDEX file_waiting_since ON file (changed_at) WHERE state IN ('seen', 'settled');
"""

# message: a ring: the newest messages, and all that a sink has not taken yet. The body of a photo's message is '', because photo and
# animal hold it already; those that were made before this migration have theirs until they are pruned. `message_id` is the newest
# message about a row, from which it is made again after it was pruned. `photo.path` is where it lay when it was answered, as text.
_MESSAGES_REFER_TO_ANSWERS = """
ALTER TABLE photo ADD COLUMN path TEXT NOT NULL DEFAULT '';
ALTER TABLE photo ADD COLUMN message_id INTEGER;
ALTER TABLE event ADD COLUMN message_id INTEGER;
ALTER TABLE event ADD COLUMN message_at TEXT;
UPDATE photo SET (message_id, path) = (SELECT id, json_extract(body, '$.photo.path') FROM message WHERE key = 'photo:' || photo.sha256)
WHERE EXISTS (SELECT 1 FROM message WHERE key = 'photo:' || photo.sha256);
UPDATE event SET (message_id, message_at) = (
    SELECT message.id, made_at FROM message WHERE key = 'event:' || event.id || ':' || event.revision
);
CREATE UNIQUE INDEX photo_message ON photo (message_id);
CREATE UNIQUE INDEX event_message ON event (message_id);
"""

# evidence: what a report draws beside the decision, see `reid_edge.watch.answer.evidence`; kept until the event's report is written.
_EVIDENCE = "CREATE TABLE evidence (animal_id INTEGER PRIMARY KEY REFERENCES animal (id), data BLOB NOT NULL);"


# animal.current: the decision with what people decided since, '' where nobody did; `decision` stays as it was computed. `event_group`:
# which animal of its event it was taken for, without what people said. `drawn`: a person drew it, so nothing computed it.
# photo.revision: how often its message was posted again because people decided. followed: how far the gallery's events were followed.
_REVIEWS = """
ALTER TABLE photo ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
ALTER TABLE animal ADD COLUMN current TEXT NOT NULL DEFAULT '';
ALTER TABLE animal ADD COLUMN event_group INTEGER;
ALTER TABLE animal ADD COLUMN drawn INTEGER NOT NULL DEFAULT 0;
ALTER TABLE event_animal ADD COLUMN review TEXT NOT NULL DEFAULT '';
CREATE TABLE followed (id INTEGER PRIMARY KEY CHECK (id = 1), event INTEGER NOT NULL, batch TEXT NOT NULL);
CREATE TEMP TABLE grouped AS SELECT each.value AS animal, event_animal.animal_index AS number
    FROM event_animal, json_each(event_animal.photos) AS each;
CREATE INDEX temp.grouped_animal ON grouped (animal);
UPDATE animal SET event_group = (SELECT number FROM grouped WHERE grouped.animal = animal.id);
DROP TABLE temp.grouped;
"""


# replica_age_seconds: of the replica of the gallery that the photo was compared with; null where that was the gallery itself.
_REPLICAS = "ALTER TABLE photo ADD COLUMN replica_age_seconds REAL;"


class LedgerError(GalleryError):
    """A ledger that is missing, damaged, of a newer version, or in use by another daemon."""


LEDGER = DatabaseKind(
    noun="ledger",
    error=LedgerError,
    application_id=0x52454C47,  # "RELG"
    migrations=(
        ("first_tables", sql_script(_FIRST_TABLES)),
        ("index_of_moved_files", sql_script(_MOVED_FILES)),
        ("reason_codes", sql_script(_REASON_CODES)),
        ("counters", sql_script(_COUNTERS)),
        ("messages_refer_to_answers", sql_script(_MESSAGES_REFER_TO_ANSWERS)),
        ("evidence", sql_script(_EVIDENCE)),
        ("reviews", sql_script(_REVIEWS)),
        ("replicas", sql_script(_REPLICAS)),
    ),
    rollback_journal="persist",
    missing="Name the folder that `reid-edge watch --out` was given.",
    wrong_file="Give another folder as --out.",
    damaged="Keep a copy of it, then restore a backup, or start a new --out: every photo there is answered again.",
    in_use="It is tried again.",
)
