"""A ledger as it lies on the disk, read with nothing of the daemon's own code: what a proof about the daemon may rest on."""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LEDGER = "ledger.sqlite"
_SIDES = ("-journal", "-wal")


@dataclass(frozen=True)
class FileRow:
    """One row of `file`; the hash is its photo's, None where it was never read."""

    path: bytes
    state: str
    sha256: str | None
    reason: str
    reason_code: str
    moved_to: bytes | None


@dataclass(frozen=True)
class PhotoRow:
    """One row of `photo`."""

    sha256: str
    state: str
    verdict: str | None
    taken_at: str | None
    event_id: int | None
    identities: tuple[str | None, ...]


@dataclass(frozen=True)
class MessageRow:
    """A message of the outbox, also a pruned one that a photo or an event still holds; of a photo's the body says which, and no more."""

    id: int
    kind: str
    key: str
    camera: str
    body: dict[str, Any]


@dataclass(frozen=True)
class LedgerState:
    """Everything that a proof needs.

    Attributes:
        integrity: what `PRAGMA integrity_check` and `foreign_key_check` found; empty where all is well.
        deliveries: per sink the last message that is away.
        outbox_from: the oldest message that was not pruned; 0 where there is none.
    """

    files: tuple[FileRow, ...]
    photos: tuple[PhotoRow, ...]
    messages: tuple[MessageRow, ...]
    deliveries: dict[str, int]
    integrity: tuple[str, ...]
    outbox_from: int = 0

    def file_counts(self) -> dict[str, int]:
        """Files by state."""
        return dict(Counter(file.state for file in self.files))

    def photo_counts(self) -> dict[str, int]:
        """Photos by state."""
        return dict(Counter(photo.state for photo in self.photos))

    @property
    def decided(self) -> dict[str, PhotoRow]:
        """Decided photos by hash, in the order of their ids."""
        return {photo.sha256: photo for photo in self.photos if photo.state == "decided"}

    @property
    def quarantined_files(self) -> list[FileRow]:
        """Files that could not be read."""
        return [file for file in self.files if file.state == "quarantined"]

    def may_be_pruned(self, key: str, number: int = 0) -> bool:
        """Whether a message that is not in `messages` may have been pruned: a photo's never leaves the ledger without a trace."""
        return number < self.outbox_from and self.outbox_from > 1 and not key.startswith("photo:")

    def told(self, kind: str = "photo") -> list[MessageRow]:
        """Messages of one kind, in their order."""
        return [message for message in self.messages if message.kind == kind]


def look(out: Path) -> LedgerState | None:
    """The ledger below `out` while a daemon may be writing it; None where it cannot be read just now."""
    path = out / LEDGER
    if not path.exists():
        return None
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=0.2)
    except sqlite3.Error:
        return None
    with contextlib.closing(connection):
        try:
            connection.execute("BEGIN")
            return _read(connection, check=False)
        except sqlite3.Error:
            return None


def after_death(out: Path) -> LedgerState | None:
    """The ledger that a daemon left behind, checked; read from a copy, so that recovery stays the next daemon's own work.

    None where there is no ledger yet. A damaged one is a state with nothing but what is wrong.
    """
    source = out / LEDGER
    if not source.exists():
        return None
    with tempfile.TemporaryDirectory() as temporary:
        for suffix in ("", *_SIDES):
            beside = source.with_name(source.name + suffix)
            if beside.exists():
                shutil.copyfile(beside, Path(temporary) / beside.name)
        return checked(Path(temporary) / LEDGER)


def checked(path: Path) -> LedgerState | None:
    """As `after_death`, for a ledger that may be changed: an unfinished transaction is rolled back."""
    if not path.exists():
        return None
    with contextlib.closing(sqlite3.connect(path)) as connection:
        try:
            connection.execute("PRAGMA synchronous = OFF")  # of a copy, which may be lost
            if connection.execute("PRAGMA schema_version").fetchone() == (0,):
                return None  # a kill before its first transaction
            return _read(connection, check=True)
        except sqlite3.Error as error:
            return LedgerState((), (), (), {}, (f"the ledger cannot be read: {error}",))


def _read(connection: sqlite3.Connection, check: bool) -> LedgerState:
    integrity: list[str] = []
    if check:
        integrity += [row[0] for row in connection.execute("PRAGMA integrity_check") if row[0] != "ok"]
        integrity += [f"a row of {row[0]} points nowhere" for row in connection.execute("PRAGMA foreign_key_check")]
    files = connection.execute(
        "SELECT file.path, file.state, photo.sha256, file.reason, file.reason_code, file.moved_to FROM file "
        "LEFT JOIN photo ON photo.id = file.photo_id ORDER BY file.id"
    )
    identities: dict[int, list[str | None]] = {}
    for photo_id, identity in connection.execute("SELECT photo_id, identity FROM animal ORDER BY photo_id, animal_index"):
        identities.setdefault(photo_id, []).append(identity)
    photos = connection.execute("SELECT id, sha256, state, verdict, taken_at, event_id FROM photo ORDER BY id")
    messages, outbox_from = _messages(connection)
    return LedgerState(
        tuple(FileRow(*row) for row in files.fetchall()),
        tuple(
            PhotoRow(sha256, state, verdict, taken_at, event, tuple(identities.get(number, ())))
            for number, sha256, state, verdict, taken_at, event in photos.fetchall()
        ),
        messages,
        dict(connection.execute("SELECT sink, last_id FROM delivery").fetchall()),
        tuple(integrity),
        outbox_from,
    )


def _messages(connection: sqlite3.Connection) -> tuple[tuple[MessageRow, ...], int]:
    """All messages that the ledger holds or refers to, in their order, and the oldest one that was not pruned."""
    rows = connection.execute("SELECT id, kind, key, camera, body FROM message ORDER BY id").fetchall()
    found = {number: MessageRow(number, kind, key, camera, json.loads(body or "{}")) for number, kind, key, camera, body in rows}
    outbox_from = min(found, default=0)
    for number, camera, hash_, event in connection.execute(
        "SELECT message_id, camera, sha256, event_id FROM photo WHERE message_id NOT NULL"
    ):
        if number in found or number < outbox_from:
            found[number] = MessageRow(number, "photo", f"photo:{hash_}", camera, {"photo": {"sha256": hash_}, "event": event})
    for number, camera, event, revision in connection.execute(
        "SELECT message_id, camera, id, revision FROM event WHERE message_id NOT NULL"
    ):
        if number < outbox_from:
            found[number] = MessageRow(
                number, "event", f"event:{event}:{revision}", camera, {"event": event, "revision": revision}
            )
    return tuple(found[number] for number in sorted(found)), outbox_from
