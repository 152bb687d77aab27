"""Enrolling new individuals by themselves (`--enrol-new auto`): one name per animal of an event, in the gallery as one undoable command.

What is to be enrolled is noted in the transaction that closes the event; the name before anything is added, so that a kill in between
continues with the same one. Before an animal is enrolled it is compared with the gallery as it is now: the same stranger may have been
enrolled from another camera since. Only one that is still new in every photo is enrolled; a doubt is left to a person.
"""

from __future__ import annotations

import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path

from reid_edge.decide.decision import Decision
from reid_edge.describe.features import to_arrays
from reid_edge.gallery import Gallery, NewSighting
from reid_edge.identify.enrolment import thumbnail
from reid_edge.photo import Photo
from reid_edge.storage.clock import now
from reid_edge.watch.answer.answering import Answer, Answerer, BoxesOf
from reid_edge.watch.intake.rereading import read_again
from reid_edge.watch.ledger.ledger import Ledger

log = logging.getLogger(__name__)

_MOST_PHOTOS = 3  # of one event: further ones of a burst say little more


@dataclass(frozen=True)
class _Sight:
    sha256: str
    camera: str
    animal_index: int
    paths: tuple[bytes, ...]


def has_pending(ledger: Ledger) -> bool:
    """Whether an animal waits to be enrolled."""
    return bool(ledger.database.rows("SELECT 1 FROM enrolment WHERE batch = '' LIMIT 1"))


def enrol_pending(ledger: Ledger, answerer: Answerer, boxes_of: BoxesOf) -> bool:
    """Enrol the first animal that waits and whose photos can be read now; returns whether there was one.

    Args:
        boxes_of: the boxes that a detector gave for the animals of a photo at a path, as for its answer.

    Raises:
        GalleryError, StorageError, EngineError: not now; it waits.
    """
    for event, index, name in ledger.database.rows(
        "SELECT event_id, animal_index, identity FROM enrolment WHERE batch = '' ORDER BY event_id, animal_index"
    ):
        sights = _sights(ledger, event, index)
        read = [(sight, photo) for sight in sights[:_MOST_PHOTOS] if (photo := read_again(sight.paths, sight.sha256)) is not None]
        if read or not sights:
            answers = [
                (sight, photo, answerer.answer(photo, boxes_of(os.fsencode(photo.path or ""), photo))) for sight, photo in read
            ]
            _enrol(ledger, answerer, event, index, name, answers)
            return True
    return False


def _enrol(
    ledger: Ledger, answerer: Answerer, event: int, index: int, name: str, answers: list[tuple[_Sight, Photo, Answer]]
) -> None:
    if not name:
        verdicts = [_decision(answer, sight.animal_index) for sight, _, answer in answers]
        if not verdicts or any(decision is None or decision.verdict != "new" for decision in verdicts):
            known = next((each.identity for each in verdicts if each is not None and each.verdict == "known"), None)
            _note(ledger, event, index, known or "", "-")
            log.info("A new individual of event %d is not enrolled: it may be %s.", event, known or "in the gallery by now")
            return
        name = _free_name(ledger, answerer.path, event)
        ledger.database.execute("UPDATE enrolment SET identity = ? WHERE event_id = ? AND animal_index = ?", (name, event, index))
    with Gallery.open(answerer.path) as gallery:
        batch = gallery.new_batch()
        with gallery.transaction():
            for sight, photo, answer in answers:
                if sight.animal_index >= len(answer.described) or gallery.has_photo(sight.sha256, sight.animal_index):
                    continue
                described = answer.described[sight.animal_index]
                new = NewSighting(
                    identity=name,
                    photo_sha256=sight.sha256,
                    animal_index=sight.animal_index,
                    photo_name=photo.name,
                    photo_path=os.fsdecode(sight.paths[0]),
                    species=answerer.species,
                    taken_at=photo.taken_at or "",
                    latitude=photo.latitude,
                    longitude=photo.longitude,
                    place=sight.camera,
                    box=described.animal.box,
                    thumbnail=thumbnail(described.animal.crop),
                )
                gallery.add_sighting(new, to_arrays(described.features), answerer.identifier.feature_key, batch)
    _note(ledger, event, index, name, batch)
    log.info("A new individual was enrolled as %s, from %d photos of event %d.", name, len(answers), event)


def _note(ledger: Ledger, event: int, index: int, name: str, batch: str) -> None:
    ledger.database.execute(
        "UPDATE enrolment SET identity = ?, batch = ?, at = ? WHERE event_id = ? AND animal_index = ?",
        (name, batch, now(), event, index),
    )


def _sights(ledger: Ledger, event: int, index: int) -> list[_Sight]:
    """The photos of one animal of an event, those first on which it is largest; frames of videos are left to a person."""
    rows = ledger.database.rows(
        "SELECT photos FROM event_animal WHERE event_id = ? AND animal_index = ? AND verdict = 'new'", (event, index)
    )
    animals = json.loads(rows[0][0]) if rows else []
    found = []
    for animal in animals:
        rows = ledger.database.rows(
            "SELECT photo.id, sha256, camera, animal_index, decision FROM animal JOIN photo ON photo.id = photo_id "
            "WHERE animal.id = ? AND frame_of IS NULL",
            (animal,),
        )
        for photo, sha256, camera, number, decision in rows:
            found.append((json.loads(decision)["animal"]["area"], _Sight(sha256, camera, number, ledger.paths_of(photo))))
    return [sight for _, sight in sorted(found, key=lambda each: -each[0])]


def _decision(answer: Answer, animal_index: int) -> Decision | None:
    return next((each for each in answer.decisions if each.animal.index == animal_index), None)


def _free_name(ledger: Ledger, gallery_path: Path, event: int) -> str:
    """`new-<year by the camera's clock, else the device's>-<number>`, a number that neither the gallery nor the ledger uses."""
    ((taken_at,),) = ledger.database.rows("SELECT first_taken_at FROM event WHERE id = ?", (event,))
    start = f"new-{(taken_at or now())[:4]}-"
    with Gallery.open(gallery_path, writable=False) as gallery:
        names = {individual.name for individual in gallery.individuals()}
    names |= {identity for (identity,) in ledger.database.rows("SELECT identity FROM enrolment")}
    number = 1 + max(
        (int(name[len(start) :]) for name in names if name.startswith(start) and name[len(start) :].isdecimal()), default=0
    )
    return f"{start}{number:04d}"
