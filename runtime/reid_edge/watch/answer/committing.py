"""What becomes of a file, noted: its decision with everything that follows from it in one transaction, or why there is none."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np

from reid_edge.photo import Photo
from reid_edge.storage.clock import now
from reid_edge.watch.answer.answering import Answer
from reid_edge.watch.answer.combining import Similarity
from reid_edge.watch.answer.events import event_for, revise
from reid_edge.watch.intake.settling import FileState
from reid_edge.watch.ledger.ledger import Ledger, shown


@dataclass(frozen=True)
class SettledFile:
    """A file whose turn it is, in the state in which it settled."""

    id: int
    folder_id: int
    path: bytes
    state: FileState
    camera: str
    taken_at: str | None
    tries: int


@dataclass(frozen=True)
class Committed:
    """What was noted: the photo, its event, and whether it is a new answer (False: this content had been answered before)."""

    photo: int
    event: int | None
    verdict: str
    fresh: bool


def is_decided(ledger: Ledger, sha256: str) -> bool:
    """Whether this content is answered already."""
    return bool(ledger.database.rows("SELECT 1 FROM photo WHERE sha256 = ? AND state = 'decided'", (sha256,)))


def commit_known(ledger: Ledger, file: SettledFile, sha256: str) -> Committed:
    """Note that a file carries a photo that was answered before, by another file."""
    with ledger.transaction():
        photo, event, verdict = ledger.database.rows("SELECT id, event_id, verdict FROM photo WHERE sha256 = ?", (sha256,))[0]
        _decide(ledger, file, photo)
    return Committed(photo, event, verdict, fresh=False)


def commit_video(ledger: Ledger, file: SettledFile, known: str | None) -> None:
    """Note that all frames of a video are answered; `known` is the hash of one that another file had brought."""
    with ledger.transaction():
        rows = ledger.database.rows(
            "SELECT id FROM photo WHERE frame_of IN (?, (SELECT frame_of FROM photo WHERE sha256 = ?)) "
            "ORDER BY verdict = 'empty', id LIMIT 1",
            (file.id, known),
        )
        _decide(ledger, file, rows[0][0])


def commit_answer(
    ledger: Ledger,
    file: SettledFile,
    photo: Photo,
    answer: Answer,
    event_seconds: float,
    similarity: Similarity | None,
    is_frame: bool = False,
) -> Committed:
    """Note an answer: the photo, its animals, its event, the messages and the file's state reach the disk together, or none of them.

    With `is_frame` the photo is one of a video's, and the file goes on.

    Raises:
        LedgerError, StorageError: none of it is noted; the file waits.
    """
    database = ledger.database
    with ledger.transaction():
        if not is_frame and is_decided(ledger, photo.sha256):
            return commit_known(ledger, file, photo.sha256)
        event = event_for(ledger, file.camera, photo.taken_at, event_seconds, file.id if is_frame else None)
        number = database.insert(
            "photo",
            sha256=photo.sha256,
            state="decided",
            camera=file.camera,
            taken_at=photo.taken_at,
            width=photo.width,
            height=photo.height,
            latitude=photo.latitude,
            longitude=photo.longitude,
            verdict=answer.verdict,
            event_id=event,
            frame_of=file.id if is_frame else None,
            answered_at=now(),
            pack=answer.pack,
            gallery_revision=answer.gallery_revision,
        )
        plain = []
        for decision, vector in zip(answer.decisions, answer.vectors, strict=True):
            data = decision.as_json()
            data["photo"]["path"], data["photo"]["name"] = shown(file.path), photo.name
            plain.append(data)
            database.insert(
                "animal",
                photo_id=number,
                animal_index=decision.animal.index,
                verdict=decision.verdict,
                identity=decision.identity,
                probability=decision.probability,
                decision=json.dumps(data, ensure_ascii=False),
                vector=None if vector is None else np.asarray(vector, np.float32).tobytes(),
            )
        if not is_frame:
            _decide(ledger, file, number)
        ledger.post("photo", f"photo:{photo.sha256}", file.camera, _photo_body(file, photo, answer.verdict, event, plain))
        revise(ledger, event, similarity)
    return Committed(number, event, answer.verdict, fresh=True)


def quarantine(ledger: Ledger, file: SettledFile, reason: str) -> None:
    """Note why a file cannot be answered; it is tried again when it changes."""
    with ledger.transaction():
        changed = ledger.database.execute(
            f"UPDATE file SET state = 'quarantined', reason = ?, tries = tries + 1, changed_at = ? WHERE {_UNCHANGED}",
            (reason, now(), *_key(file)),
        )
        if changed.rowcount:
            body = {"path": shown(file.path), "reason": reason, "tries": file.tries + 1}
            ledger.post("quarantine", f"quarantine:{file.id}:{file.state.size}:{file.state.mtime_ns}", file.camera, body)


def put_back(ledger: Ledger, file: SettledFile) -> None:
    """The file is to settle again: it changed, or its folder went away while it was read."""
    ledger.database.execute(f"UPDATE file SET state = 'seen', changed_at = ? WHERE {_UNCHANGED}", (now(), *_key(file)))


# A scan may have noted meanwhile that the file changed: then this attempt was about what is no longer there, and the file waits.
_UNCHANGED = "id = ? AND state = 'settled' AND size = ? AND mtime_ns = ? AND inode = ?"


def _key(file: SettledFile) -> tuple[int, int, int, int]:
    return file.id, file.state.size, file.state.mtime_ns, file.state.inode


def _decide(ledger: Ledger, file: SettledFile, photo: int) -> None:
    ledger.database.execute(
        f"UPDATE file SET state = 'decided', photo_id = ?, reason = '', changed_at = ? WHERE {_UNCHANGED}",
        (photo, now(), *_key(file)),
    )


def _photo_body(file: SettledFile, photo: Photo, verdict: str, event: int, plain: list[dict[str, object]]) -> dict[str, object]:
    return {
        "photo": {
            "sha256": photo.sha256,
            "path": shown(file.path),
            "camera": file.camera,
            "taken_at": photo.taken_at,
            "width": photo.width,
            "height": photo.height,
            "latitude": photo.latitude,
            "longitude": photo.longitude,
        },
        "event": event,
        "verdict": verdict,
        "animals": [{key: value for key, value in animal.items() if key != "matches"} for animal in plain],
    }
