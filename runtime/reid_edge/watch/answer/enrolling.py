"""Enrolling new individuals by themselves (`--enrol-new auto`): one name per animal of an event, in the gallery as one undoable command.

What is to be enrolled is noted in the transaction that closes the event; the name before anything is added, so that a kill in between
continues with the same one. Before an animal is enrolled it is compared with the gallery as it is now: the same stranger may have been
enrolled from another camera since. Only one that is still new in every photo is enrolled; a doubt is left to a person.
"""

from __future__ import annotations

import logging
import os
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from reid_edge.decide.decision import Decision
from reid_edge.describe.features import to_arrays
from reid_edge.gallery import Gallery, NewSighting
from reid_edge.identify.new_sighting import thumbnail
from reid_edge.photo import Photo
from reid_edge.storage.address import Place
from reid_edge.storage.clock import now
from reid_edge.watch.answer.answering import Answerer, BoxesOf, PhotoAnswer
from reid_edge.watch.intake.rereading import read_again
from reid_edge.watch.ledger.ledger import Ledger
from reid_edge.watch.ledger.records import Enrolment, PhotoAnimal

log = logging.getLogger(__name__)

_TOKEN_LETTERS, _TOKEN_LENGTH = "23456789bcdfghjkmnpqrstvwxz", 4  # no vowel, so no word; nothing that looks like another
_MOST_PHOTOS = 3  # of one event: further ones of a burst say little more


def enrol_pending(ledger: Ledger, answerer: Answerer, boxes_of: BoxesOf) -> bool:
    """Enrol the first animal that waits and whose photos can be read now; returns whether there was one.

    The answerer has to see the gallery as it is now: another station may have enrolled the same animal since.

    Args:
        boxes_of: the boxes that a detector gave for the animals of a photo at a path, as for its answer.

    Raises:
        GalleryError, StorageError, EngineError: not now; it waits.
    """
    for enrolment in ledger.pending_enrolments():
        animals = _animals(ledger, enrolment)
        found = []
        for animal in animals[:_MOST_PHOTOS]:
            paths = ledger.paths_of(animal.photo_id)
            photo = read_again(paths, animal.sha256)
            if photo is not None:
                answer = answerer.answer(photo, boxes_of(_path(photo), photo), camera=animal.camera)
                found.append(_Described(animal, paths[0], photo, answer))
        if found or not animals:
            _enrol(ledger, answerer, enrolment, found)
            return True
    return False


@dataclass(frozen=True)
class _Described:
    """An animal to enrol: the photo that shows it, read and answered once more."""

    animal: PhotoAnimal
    path: bytes
    photo: Photo
    answer: PhotoAnswer

    @property
    def decision(self) -> Decision | None:
        return next((each for each in self.answer.decisions if each.animal.index == self.animal.index), None)


def _enrol(ledger: Ledger, answerer: Answerer, enrolment: Enrolment, found: Sequence[_Described]) -> None:
    name, event = enrolment.identity, enrolment.event_id
    if not name:
        decisions = [each.decision for each in found]
        if not decisions or any(decision is None or decision.verdict != "new" for decision in decisions):
            known = next((each.identity for each in decisions if each is not None and each.verdict == "known"), None)
            ledger.finish_enrolment(enrolment, known or "", "-")
            log.info("A new individual of event %d is not enrolled: it may be %s.", event, known or "in the gallery by now")
            return
        name = _free_name(ledger, answerer.path, event)
        ledger.name_enrolment(enrolment, name)
    with Gallery.open(answerer.path) as gallery:
        batch, species = gallery.new_batch(), gallery.species_of(name, answerer.species)[0]
        with gallery.transaction():
            for each in found:
                if each.animal.index < len(each.answer.described) and not gallery.has_photo(
                    each.animal.sha256, each.animal.index
                ):
                    features = to_arrays(each.answer.described[each.animal.index].features)
                    gallery.add_sighting(_sighting(each, name, species), features, answerer.identifier.feature_key, batch)
    ledger.finish_enrolment(enrolment, name, batch)
    log.info("A new individual was enrolled as %s, from %d photos of event %d.", name, len(found), event)


def _sighting(found: _Described, name: str, species: str) -> NewSighting:
    animal, photo = found.animal, found.photo
    described = found.answer.described[animal.index]
    return NewSighting(
        identity=name,
        photo_sha256=animal.sha256,
        animal_index=animal.index,
        photo_name=photo.name,
        photo_path=os.fsdecode(found.path),
        species=species,
        taken_at=photo.taken_at or "",
        latitude=photo.latitude,
        longitude=photo.longitude,
        place=animal.camera,
        box=described.animal.box,
        thumbnail=thumbnail(described.animal.crop),
    )


def _animals(ledger: Ledger, enrolment: Enrolment) -> list[PhotoAnimal]:
    """An animal of an event in its photos, those first on which it is largest; frames of videos are left to a person."""
    event = enrolment.event_id
    for _, index, animal in ledger.event_animals(event, event):
        if index == enrolment.animal_index and animal.verdict == "new":
            found = [found for each in animal.animals if (found := ledger.photo_animal(each)) is not None]
            return sorted(found, key=lambda each: -each.decision["animal"]["area"])
    return []


def _path(photo: Photo) -> bytes:
    return os.fsencode(photo.path or "")


def _free_name(ledger: Ledger, gallery_path: Place, event: int) -> str:
    """`new-<year by the camera's clock, else the device's>-<number>-<token>`, a number that neither the gallery nor the ledger uses.

    The token is random: another device, which may begin with a copy of this gallery, gives another name to another animal.
    """
    start = f"new-{(ledger.event(event).first_taken_at or now())[:4]}-"
    with Gallery.open(gallery_path, writable=False) as gallery:
        names = {individual.name for individual in gallery.individuals()}
    names |= ledger.enrolled_identities()
    used = [re.match(r"(\d+)(?:-|$)", name[len(start) :], re.ASCII) for name in names if name.startswith(start)]
    number = 1 + max((int(match[1]) for match in used if match), default=0)
    return f"{start}{number:04d}-{''.join(secrets.choice(_TOKEN_LETTERS) for _ in range(_TOKEN_LENGTH))}"
