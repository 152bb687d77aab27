"""The ledger: what was seen, what was decided, and what is still to be told, in one SQLite file that is the only truth."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType
from typing import Any

from reid_edge.storage.clock import now
from reid_edge.storage.database import Database
from reid_edge.watch.ledger.connection import open_ledger, read_ledger
from reid_edge.watch.ledger.schema import MESSAGE_SCHEMA, LedgerError

__all__ = ["Counts", "Ledger", "LedgerError", "LedgerEvent", "LedgerFile", "LedgerPhoto", "Message", "shown"]

LEDGER_NAME = "ledger.sqlite"
_PAGE = 500  # rows read at a time, so that a season's ledger is never in memory as a whole


@dataclass(frozen=True)
class Message:
    """One message of the outbox.

    Attributes:
        id: grows; the order of delivery.
        kind: `photo`, `event`, `quarantine` or `folder`.
        key: the idempotency key: the same message has the same one, after any repetition.
        camera: whose order is kept; '' for a folder.
        body: what is told, plain JSON data.
        made_at: ISO 8601 in UTC by the device's clock.
    """

    id: int
    kind: str
    key: str
    camera: str
    body: Mapping[str, Any]
    made_at: str


@dataclass(frozen=True)
class Counts:
    """How far the daemon is.

    Attributes:
        seen, settled, decided, quarantined, gone: files in each state.
        photos_decided: contents that were answered, each once, however many files carry it.
        photos_waiting, photos_quarantined: files that were not read yet, or cannot be: what they hold is not known.
        events, events_open: bursts.
        messages: of the outbox, ever; `undelivered` of each sink that ever delivered something.
        verdicts: decided photos by verdict.
        lag_seconds: since when the oldest change of a file waits to be answered, by the device's clock, at least 0.
        folders_absent: watched folders that are not there.
    """

    seen: int
    settled: int
    decided: int
    quarantined: int
    gone: int
    photos_waiting: int
    photos_decided: int
    photos_quarantined: int
    events: int
    events_open: int
    messages: int
    undelivered: Mapping[str, int]
    verdicts: Mapping[str, int]
    lag_seconds: float
    folders_absent: int

    @property
    def waiting(self) -> int:
        """Files that are still to be answered."""
        return self.seen + self.settled


@dataclass(frozen=True)
class LedgerFile:
    """One file. `path` are the bytes of its name; `shown` makes text of them. `photo_id` is None until it was read."""

    id: int
    path: bytes
    size: int
    mtime_ns: int
    state: str
    photo_id: int | None
    reason: str
    tries: int
    first_seen_at: str
    changed_at: str
    moved_to: bytes | None


@dataclass(frozen=True)
class LedgerPhoto:
    """One decided photo.

    Attributes:
        paths: of the files that carry it, as bytes, the first one seen first.
        animals: per animal the decision as plain data (`reid_edge.decide.decision.Decision.as_json`), largest first; none of an
            empty frame.
        taken_at: by the camera's clock, no zone.
    """

    id: int
    sha256: str
    camera: str
    taken_at: str | None
    width: int
    height: int
    latitude: float | None
    longitude: float | None
    verdict: str
    event_id: int | None
    answered_at: str
    pack: str
    gallery_revision: str
    paths: tuple[bytes, ...]
    animals: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class LedgerEvent:
    """A burst, in its newest revision; `body` is the body of its `event` message."""

    id: int
    camera: str
    first_taken_at: str | None
    last_taken_at: str | None
    closed: bool
    revision: int
    body: Mapping[str, Any]


class Ledger:
    """An open ledger; a context manager. Threads may share it.

    Attributes:
        path: of the SQLite file.
        database: for the modules that write what they know.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self.path = database.path

    @classmethod
    def open(cls, path: Path) -> Ledger:
        """The ledger at `path`, made where there is none, for this process alone.

        Raises:
            LedgerError: another daemon has it, it is damaged, no ledger, or of a newer version.
            StorageError: the disk is full, read-only or fails.
        """
        return cls(open_ledger(path))

    @classmethod
    def read(cls, path: Path) -> Ledger:
        """The ledger at `path` for reading only, also while a daemon is at work; errors as `open`."""
        return cls(read_ledger(path))

    def close(self) -> None:
        """Close the file."""
        self.database.close()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def transaction(self) -> contextlib.AbstractContextManager[None]:
        """All changes inside reach the disk together or not at all."""
        return self.database.transaction()

    def snapshot(self) -> contextlib.AbstractContextManager[None]:
        """All reads inside see one state; other threads wait meanwhile."""
        return self.database.snapshot()

    def start_run(self, version: str, pack: str, gallery: str) -> int:
        """Note that a daemon began; returns the number of its run."""
        return self.database.insert("run", started_at=now(), version=version, pack=pack, gallery=gallery, pid=os.getpid())

    def end_run(self, run: int) -> None:
        """Note that it ended by itself; a run without an end was killed."""
        self.database.execute("UPDATE run SET ended_at = ? WHERE id = ?", (now(), run))

    def post(self, kind: str, key: str, camera: str, body: Mapping[str, Any]) -> None:
        """Put a message into the outbox, within the transaction that makes it true; one with the same key is there only once."""
        text = json.dumps({"schema": MESSAGE_SCHEMA, "kind": kind, **body}, ensure_ascii=False)
        self.database.execute(
            "INSERT OR IGNORE INTO message (kind, key, camera, body, made_at) VALUES (?, ?, ?, ?, ?)",
            (kind, key, camera, text, now()),
        )

    def messages_after(self, message_id: int, limit: int = _PAGE) -> list[Message]:
        """The next messages of the outbox, in their order."""
        rows = self.database.rows(
            "SELECT id, kind, key, camera, body, made_at FROM message WHERE id > ? ORDER BY id LIMIT ?", (message_id, limit)
        )
        return [
            Message(number, kind, key, camera, json.loads(body), made_at) for number, kind, key, camera, body, made_at in rows
        ]

    def last_message(self) -> int:
        """The id of the newest message; 0 where there is none."""
        return int(self.database.rows("SELECT coalesce(max(id), 0) FROM message")[0][0])

    def delivered(self, sink: str) -> int:
        """The id up to which a sink has delivered everything; 0 where it has delivered nothing."""
        rows = self.database.rows("SELECT last_id FROM delivery WHERE sink = ?", (sink,))
        return int(rows[0][0]) if rows else 0

    def mark_delivered(self, sink: str, message_id: int) -> None:
        """Note that everything up to `message_id` is delivered."""
        self.database.execute(
            "INSERT INTO delivery VALUES (?, ?) ON CONFLICT (sink) DO UPDATE SET last_id = excluded.last_id", (sink, message_id)
        )

    def counts(self) -> Counts:
        """How far the daemon is, all figures of one moment."""
        with self.snapshot():
            files = dict(self.database.rows("SELECT state, count(*) FROM file GROUP BY state"))
            verdicts = dict(self.database.rows("SELECT verdict, count(*) FROM photo WHERE state = 'decided' GROUP BY verdict"))
            events, closed = self.database.rows("SELECT count(*), coalesce(sum(closed), 0) FROM event")[0]
            messages = self.database.rows("SELECT count(*), coalesce(max(id), 0) FROM message")[0]
            waiting = {
                sink: self.database.rows("SELECT count(*) FROM message WHERE id > ?", (last,))[0][0]
                for sink, last in self.database.rows("SELECT sink, last_id FROM delivery")
            }
            oldest = self.database.rows("SELECT min(changed_at) FROM file WHERE state IN ('seen', 'settled')")[0][0]
            absent = self.database.rows("SELECT count(*) FROM folder WHERE present = 0")[0][0]
        return Counts(
            **{state: files.get(state, 0) for state in ("seen", "settled", "decided", "quarantined", "gone")},
            photos_decided=sum(verdicts.values()),
            photos_waiting=files.get("seen", 0) + files.get("settled", 0),
            photos_quarantined=files.get("quarantined", 0),
            events=events,
            events_open=events - closed,
            messages=messages[0],
            undelivered=waiting,
            verdicts=verdicts,
            lag_seconds=_seconds_since(oldest),
            folders_absent=absent,
        )

    def files(self, state: str | None = None) -> Iterator[LedgerFile]:
        """Every file, or those in one state, in the order they were first seen."""
        last = 0
        while True:
            rows = self.database.rows(
                "SELECT id, path, size, mtime_ns, state, photo_id, reason, tries, first_seen_at, changed_at, moved_to FROM file "
                "WHERE id > ? AND state = coalesce(?, state) ORDER BY id LIMIT ?",
                (last, state, _PAGE),
            )
            if not rows:
                return
            yield from (LedgerFile(*row) for row in rows)
            last = rows[-1][0]

    def photos(self, after: int = 0, verdicts: Sequence[str] = ()) -> Iterator[LedgerPhoto]:
        """The decided photos with an id above `after`, or those of some verdicts, in the order they were answered."""
        while True:
            rows = self.database.rows(
                f"SELECT {_PHOTO} FROM photo WHERE id > ? AND state = 'decided' ORDER BY id LIMIT ?", (after, _PAGE)
            )
            if not rows:
                return
            yield from (self._photo(row) for row in rows if not verdicts or row[8] in verdicts)
            after = rows[-1][0]

    def photo(self, sha256: str) -> LedgerPhoto | None:
        """The decided photo with this content; None where there is none."""
        rows = self.database.rows(f"SELECT {_PHOTO} FROM photo WHERE sha256 = ? AND state = 'decided'", (sha256,))
        return self._photo(rows[0]) if rows else None

    def frames_until(self, photo_id: int) -> list[LedgerPhoto]:
        """The frames of the video that a photo is a frame of, up to this one, in their order; none of a photo that is no frame."""
        rows = self.database.rows(
            f"SELECT {_PHOTO} FROM photo WHERE frame_of = (SELECT frame_of FROM photo WHERE id = ?) AND id <= ? ORDER BY id",
            (photo_id, photo_id),
        )
        return [self._photo(row) for row in rows]

    def paths_of(self, photo_id: int) -> tuple[bytes, ...]:
        """The files that carry a photo, or the video that it is a frame of, where they are now, the first one seen first."""
        rows = self.database.rows("SELECT path, moved_to FROM file WHERE photo_id = ? ORDER BY id", (photo_id,))
        if not rows:
            rows = self.database.rows(
                "SELECT path, moved_to FROM file WHERE id = (SELECT frame_of FROM photo WHERE id = ?)", (photo_id,)
            )
        return tuple(moved or path for path, moved in rows)

    def events(self, after: int = 0) -> Iterator[LedgerEvent]:
        """Every event with an id above `after` in its newest revision, in their order."""
        while True:
            rows = self.database.rows("SELECT id FROM event WHERE id > ? ORDER BY id LIMIT ?", (after, _PAGE))
            if not rows:
                return
            yield from (self.event(row[0]) for row in rows)
            after = rows[-1][0]

    def event(self, event_id: int) -> LedgerEvent:
        """One event; LedgerError where there is none."""
        rows = self.database.rows(
            "SELECT id, camera, first_taken_at, last_taken_at, closed, revision FROM event WHERE id = ?", (event_id,)
        )
        if not rows:
            raise LedgerError(f"The ledger has no event {event_id}.", "See: reid-edge watch list.")
        number, camera, first, last, closed, revision = rows[0]
        hashes = dict(
            self.database.rows(
                "SELECT animal.id, photo.sha256 FROM animal JOIN photo ON photo.id = animal.photo_id WHERE photo.event_id = ?",
                (event_id,),
            )
        )
        animals = [
            {
                "index": index,
                "verdict": verdict,
                "identity": identity,
                "probability": probability,
                "unknown": unknown,
                "ranking": json.loads(ranking),
                "photos": [hashes[animal] for animal in json.loads(members)],
            }
            for index, verdict, identity, probability, unknown, members, ranking in self.database.rows(
                'SELECT animal_index, verdict, identity, probability, "unknown", photos, ranking FROM event_animal '
                "WHERE event_id = ? ORDER BY animal_index",
                (event_id,),
            )
        ]
        body = {
            "event": number,
            "camera": camera,
            "first_taken_at": first,
            "last_taken_at": last,
            "revision": revision,
            "closed": bool(closed),
            "animals": animals,
        }
        return LedgerEvent(number, camera, first, last, bool(closed), revision, body)

    def _photo(self, row: tuple[Any, ...]) -> LedgerPhoto:
        animals = self.database.rows("SELECT decision FROM animal WHERE photo_id = ? ORDER BY animal_index", (row[0],))
        facts = dict(zip(_PHOTO.split(", "), row, strict=True))
        decisions = tuple(json.loads(decision) for (decision,) in animals)
        return LedgerPhoto(**facts, paths=self.paths_of(row[0]), animals=decisions)


_PHOTO = (
    "id, sha256, camera, taken_at, width, height, latitude, longitude, verdict, event_id, answered_at, pack, gallery_revision"
)


def shown(path: bytes) -> str:
    """A path as text for people and JSON: bytes that are no UTF-8, and backslashes, are escaped, so that different paths stay different."""
    return path.replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace")


def _seconds_since(text: str | None) -> float:
    if text is None:
        return 0.0
    return max(0.0, (datetime.now(timezone.utc) - datetime.fromisoformat(text)).total_seconds())
