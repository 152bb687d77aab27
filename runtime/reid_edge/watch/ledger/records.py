"""What the ledger returns: one frozen dataclass per kind of row, and the figures for people."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reid_edge.watch.ledger.states import FileState, Reason

_LARGEST = (1 << 63) - 1  # an integer of SQLite


@dataclass(frozen=True)
class FileStamp:
    """What changes when a file does: size in bytes, time of the last change in nanoseconds, inode."""

    size: int
    mtime_ns: int
    inode: int

    @classmethod
    def of(cls, status: os.stat_result) -> FileStamp:
        """From what `os.stat` returns."""
        return cls(status.st_size, status.st_mtime_ns, status.st_ino & _LARGEST)  # some file systems use all 64 bits


@dataclass(frozen=True)
class FoundFile:
    """A file as the ledger knew it when a scan found its path again."""

    id: int
    stamp: FileStamp
    state: FileState
    moved_to: bytes | None


@dataclass(frozen=True)
class SettledFile:
    """A file that waits to be answered, with the stamp that it settled with. `taken_at` is by the camera's clock."""

    id: int
    folder_id: int
    path: bytes
    stamp: FileStamp
    camera: str
    taken_at: str | None
    tries: int


@dataclass(frozen=True)
class DecidedFile:
    """A file whose photo is answered. `identity` is that of the photo's largest animal; `moved_to` where it was or will be moved."""

    id: int
    path: bytes
    stamp: FileStamp
    moved_to: bytes | None
    verdict: str
    identity: str | None


@dataclass(frozen=True)
class LedgerFile:
    """One file. `path` are the bytes of its name; `shown` makes text of them. `photo_id` is None until it was read."""

    id: int
    path: bytes
    size: int
    mtime_ns: int
    state: FileState
    photo_id: int | None
    reason: str
    reason_code: Reason
    tries: int
    first_seen_at: str
    changed_at: str
    moved_to: bytes | None


@dataclass(frozen=True)
class LedgerPhoto:
    """One answered photo.

    Attributes:
        paths: of the files that carry it, as bytes, the first one seen first.
        animals: per animal the decision as plain data (`reid_edge.decide.decision.Decision.as_json`) with what people decided since,
            largest first; none for an empty frame.
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
class NewPhoto:
    """A photo that was just answered. `path` is text for people, `frame_of` the video file that it is a frame of."""

    sha256: str
    path: str
    camera: str
    taken_at: str | None
    width: int
    height: int
    latitude: float | None
    longitude: float | None
    verdict: str
    event_id: int
    frame_of: int | None
    pack: str
    gallery_revision: str
    replica_age_seconds: float | None = None


@dataclass(frozen=True)
class PhotoSummary:
    """An answered photo without its animals, for tables of many."""

    id: int
    camera: str
    taken_at: str | None
    answered_at: str
    latitude: float | None
    longitude: float | None
    event_id: int | None


@dataclass(frozen=True)
class EventPhoto:
    """An answered photo of an event: width and height in pixels; `answered_at` is ISO 8601 in UTC."""

    id: int
    sha256: str
    width: int
    height: int
    answered_at: str


@dataclass(frozen=True)
class PhotoAnimal:
    """One animal of one photo.

    Attributes:
        verdict, identity, decision: as they were computed.
        vector: the bytes of float32 [D]; None once its event is closed.
        current: the decision with what people decided since; None where nobody did.
        group: which animal of its event it was taken for, without what people said; None where a person drew it.
        drawn: a person drew it, so nothing was computed.
    """

    id: int
    photo_id: int
    sha256: str
    camera: str
    index: int
    verdict: str
    identity: str | None
    decision: Mapping[str, Any]
    vector: bytes | None
    current: Mapping[str, Any] | None = None
    group: int | None = None
    drawn: bool = False


@dataclass(frozen=True)
class AnsweredAnimal:
    """One animal as it was answered, for a list of all of them. `decision` as in `LedgerPhoto`, `taken_at` by the camera's clock."""

    id: int
    camera: str
    taken_at: str | None
    event_id: int | None
    decision: Mapping[str, Any]


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


@dataclass(frozen=True)
class OpenEvent:
    """An event that further photos may join."""

    id: int
    camera: str
    last_taken_at: str | None


@dataclass(frozen=True)
class Enrolment:
    """A new individual that waits to be enrolled; `identity` is '' until it has a name."""

    event_id: int
    animal_index: int
    identity: str


@dataclass(frozen=True)
class Message:
    """One message of the outbox.

    Attributes:
        id: grows; the order of delivery.
        kind: `photo`, `event`, `quarantine` or `folder`.
        key: the idempotency key: the same message has the same one, after any repetition.
        camera: whose order is kept; '' for a folder.
        body: what is delivered, plain JSON data.
        made_at: ISO 8601 in UTC by the device's clock.
    """

    id: int
    kind: str
    key: str
    camera: str
    body: Mapping[str, Any]
    made_at: str


@dataclass(frozen=True)
class FolderPresence:
    """A watched folder, and whether it was present when the daemon last looked."""

    path: str
    present: bool


@dataclass(frozen=True)
class QuarantinedFile:
    """A file that cannot be answered, why, and how often that was tried."""

    path: str
    reason: str
    reason_code: Reason
    tries: int


@dataclass(frozen=True)
class Run:
    """A run of the daemon. Times are ISO 8601 in UTC by the device's clock; a run without an end goes on or was killed."""

    started_at: str
    ended_at: str | None
    version: str
    pack: str
    gallery: str
    pid: int


@dataclass(frozen=True)
class Counts:
    """How far the daemon is.

    Attributes:
        seen, settled, decided, quarantined, gone: files in each state.
        photos_decided: contents that were answered, each once, however many files carry it.
        photos_waiting, photos_quarantined: files that were not read yet, or cannot be: what they hold is not known.
        events, events_open: bursts.
        messages: of the outbox, ever.
        undelivered: by sink that ever delivered something, how many messages were made after the last one that it took. What was
            pruned meanwhile counts as well.
        verdicts: decided photos by verdict.
        lag_seconds: since when the oldest change of a file waits to be answered, by the device's clock, at least 0.
        folders_absent: watched folders that are missing.
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


def shown(path: bytes) -> str:
    """A path as text for people and JSON: bytes that are no UTF-8, and backslashes, are escaped, so that different paths stay different."""
    return path.replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace")
