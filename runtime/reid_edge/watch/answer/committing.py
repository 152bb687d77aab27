"""Committing an answer: the photo, its animals, its event, the messages and the file's state, in one transaction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reid_edge.decide.combining import Similarity
from reid_edge.photo import Photo
from reid_edge.watch.answer.answering import PhotoAnswer
from reid_edge.watch.answer.events import event_for, regroup, revise
from reid_edge.watch.answer.evidence import split_evidence
from reid_edge.watch.answer.following import GalleryFollower
from reid_edge.watch.ledger.ledger import Ledger
from reid_edge.watch.ledger.records import NewPhoto, SettledFile, shown


@dataclass(frozen=True)
class Committed:
    """What was stored: the photo, its event, and whether it is a new answer (False: this content had been answered before)."""

    photo: int
    event: int | None
    verdict: str
    fresh: bool


def commit_known(ledger: Ledger, file: SettledFile, sha256: str) -> Committed:
    """Note that a file carries a photo that was answered before, from another file."""
    with ledger.transaction():
        photo = ledger.photo(sha256)
        assert photo is not None
        ledger.decide_file(file, photo.id)
    return Committed(photo.id, photo.event_id, photo.verdict, fresh=False)


def commit_video(ledger: Ledger, file: SettledFile, known: str | None) -> None:
    """Note that all frames of a video are answered; `known` is the hash of one that another file had brought."""
    with ledger.transaction():
        ledger.decide_file(file, ledger.photo_of_video(file.id, known))


def commit_answer(
    ledger: Ledger,
    file: SettledFile,
    photo: Photo,
    answer: PhotoAnswer,
    event_seconds: float,
    similarity: Similarity | None,
    is_frame: bool = False,
    follower: GalleryFollower | None = None,
) -> Committed:
    """Store an answer: all of it reaches the disk, or nothing of it.

    With `is_frame` the photo is one of a video's, and the video continues. The `follower` adds what people said of the photo, or of others
    of its event.

    Raises:
        LedgerError, StorageError: nothing of it is stored; the file waits.
    """
    video = file.id if is_frame else None
    with ledger.transaction():
        if not is_frame and ledger.is_decided(photo.sha256):
            return commit_known(ledger, file, photo.sha256)
        event = event_for(ledger, file.camera, photo.taken_at, event_seconds, video)
        number = ledger.add_photo(
            NewPhoto(
                photo.sha256,
                shown(file.path),
                file.camera,
                photo.taken_at,
                photo.width,
                photo.height,
                photo.latitude,
                photo.longitude,
                answer.verdict,
                event,
                video,
                answer.pack,
                answer.gallery_revision,
                answer.replica_age_seconds,
            )
        )
        for decision, vector in zip(answer.decisions, answer.vectors, strict=True):
            data, evidence = split_evidence(decision)
            data["photo"] |= {"path": shown(file.path), "name": photo.name}
            ledger.add_animal(number, data, None if vector is None else np.asarray(vector, np.float32).tobytes(), evidence)
        if not is_frame:
            ledger.decide_file(file, number)
        ledger.post_photo(number)
        regroup(ledger, event, similarity)
        if follower is not None and follower.has_reviews():
            follower.update(event, answering=number)
        revise(ledger, event)
    return Committed(number, event, answer.verdict, fresh=True)
