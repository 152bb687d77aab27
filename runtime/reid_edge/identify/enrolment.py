"""Enrolment: photos of known individuals are described once and stored, each in a transaction of its own.

A run that is stopped, by Ctrl-C or by a power cut, is continued by running it again: photos that are in the gallery are known by
the hash of their bytes and skipped.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from reid_edge.describe.description import DescribedAnimal
from reid_edge.describe.features import to_arrays
from reid_edge.describe.orientation import NOT_TURNED
from reid_edge.describe.query import Query
from reid_edge.describe.segmentation import LEAST_SIDE, Box, widened
from reid_edge.errors import PhotoError
from reid_edge.gallery import Gallery, Sighting, SightingToEnrol
from reid_edge.gallery.enrolment_list import Enrolment
from reid_edge.gallery.names import name_key
from reid_edge.gallery.viewpoints import refuse_mistyped_viewpoint
from reid_edge.identify.describing_ahead import described_in_turn
from reid_edge.identify.identifier import Identifier
from reid_edge.identify.new_sighting import new_sighting
from reid_edge.identify.storing import SAME_ANIMAL, SAME_BOX, overlapping, same_animal, store_animal
from reid_edge.photo import Photo, read_photo, read_photo_bytes
from reid_edge.suggestions import similar

_NEAR_SPECIES = 0.9  # likeness of two spellings of one species


@dataclass
class EnrolmentResult:
    """What became of each photo.

    Attributes:
        added: newly enrolled.
        present: skipped, because this animal of this very photo is in the gallery under the same identity.
        conflicting: skipped, because it is in the gallery as somebody else: (photo, identity given, identity there).
        failed: could not be read, or has no such animal: (photo, error).
        without_animal: enrolled by the whole frame, because no animal stood out.
        not_turned: enrolled as they lie, because their viewpoint is not known and the recipe turns by it.
        relinked: photos of the gallery that were missing and are now known to lie here.
        respelled: names given otherwise than the gallery spells them: given, as stored.
        inherited_species: species that photos without one got from their individual or from the gallery, with how many photos.
        unidentified: what the source writes where nobody is known, with how many photos were left out for it.
        unclear_species: enrolled without a species, because the individual or the gallery has several: (photo, these).
    """

    added: int = 0
    present: int = 0
    conflicting: list[tuple[Path, str, str]] = field(default_factory=list)
    failed: list[tuple[Path, PhotoError]] = field(default_factory=list)
    without_animal: list[Path] = field(default_factory=list)
    not_turned: list[Path] = field(default_factory=list)
    relinked: list[Path] = field(default_factory=list)
    respelled: dict[str, str] = field(default_factory=dict)
    inherited_species: Counter[str] = field(default_factory=Counter)
    unclear_species: list[tuple[Path, tuple[str, ...]]] = field(default_factory=list)
    unidentified: Counter[str] = field(default_factory=Counter)


def enrol(
    gallery: Gallery, identifier: Identifier, enrolments: Iterable[Enrolment], done: Callable[[], None] | None = None
) -> EnrolmentResult:
    """Enrol photos; one that fails is reported and the others go on. While one is stored, the next ones are described.

    Other processes may enrol into the gallery at the same time.

    Args:
        gallery: writable. All additions are one batch, which one undo takes back.
        identifier: describes the photos.
        enrolments: which photo shows whom; may be a progress iterator, which is asked for photos ahead of those that are stored.
        done: called after each of them, stored or not, in their order.

    Raises:
        EngineError, GalleryError, StorageError: nothing further can be enrolled; what was enrolled before stays.
    """
    enroller = _Enroller(gallery, identifier)
    with closing(described_in_turn(identifier, map(enroller.foresee, enrolments), _describe_ahead)) as turns:
        for foreseen, described, _ in turns:
            try:
                enroller.enrol(foreseen, described)
            except PhotoError as error:
                enroller.result.failed.append((foreseen.enrolment.path, error))
            if done is not None:
                done()
    return enroller.result


def check_names(gallery: Gallery, identity: str | None, enrolments: Sequence[Enrolment], new: bool = False) -> None:
    """Refuse what is probably mistyped, before anything is enrolled.

    Args:
        gallery: as it is now.
        identity: as a person typed it; None where the source names the individuals.
        enrolments: what is to be enrolled.
        new: `identity` is said to be of a new individual.

    Raises:
        GalleryError: see `Gallery.check_name`.
        UsageError: a viewpoint is near one that there is, and none itself.
    """
    if identity is not None:
        gallery.check_name(identity, new)
    known = gallery.viewpoints()
    for viewpoint in sorted({each.viewpoint for each in enrolments}):
        refuse_mistyped_viewpoint(viewpoint, known, enrolling=True)


def species_notes(gallery: Gallery, enrolments: Sequence[Enrolment]) -> list[str]:
    """A sentence for each species to be enrolled that the gallery does not hold, and that is spelled nearly as one that it holds."""
    held = {each.species.casefold(): each.species for each in gallery.sightings() if each.species}
    notes = []
    for species in sorted({each.species for each in enrolments if each.species}):
        if species.casefold() not in held and (near := similar(species.casefold(), held, 1, _NEAR_SPECIES)):
            notes.append(f"The species {species!r} is new to the gallery, which holds {held[near[0]]!r}: they are not compared.")
    return notes


class _Enroller:
    """Enrols one animal after another, and keeps account of it."""

    def __init__(self, gallery: Gallery, identifier: Identifier) -> None:
        self.result = EnrolmentResult()
        self._gallery = gallery
        self._identifier = identifier
        self._batch = gallery.new_batch()
        self._species: dict[tuple[str, str], tuple[str, tuple[str, ...]]] = {}

    def foresee(self, enrolment: Enrolment) -> _Foreseen:
        """What is known of an animal before its turn; the photos before it may change it.

        The hash is looked up first: of a run that is continued, most photos are there and need no decoding.
        """
        try:
            sha256 = hashlib.sha256(read_photo_bytes(enrolment.path)).hexdigest()
        except PhotoError as error:
            return _Foreseen(enrolment, error)
        return _Foreseen(enrolment, sha256, not self._gallery.photo_sightings(sha256), self._species_of(enrolment)[0])

    def enrol(self, foreseen: _Foreseen, described: Callable[[], _Described | None]) -> None:
        """Enrol an animal where the gallery does not have it.

        Raises:
            PhotoError: the photo cannot be read, or has no such animal.
        """
        if isinstance(foreseen.sha256, PhotoError):
            raise foreseen.sha256
        enrolment = foreseen.enrolment
        enrolled = self._gallery.photo_sightings(foreseen.sha256)
        present = same_animal(enrolled, enrolment) if enrolment.box is None else None
        if present is None:
            ahead = described()
            photo = ahead.photo if ahead else read_photo(enrolment.path)
            boxes = _boxes(photo, enrolment, self._identifier)
            if boxes:
                present = overlapping(enrolled, widened(boxes[0], margin_of(self._identifier), photo), SAME_BOX)
            if present is None:
                enrolment = self._with_species(enrolment)
                usable = ahead is not None and foreseen.species == enrolment.species
                animal = ahead.animal if ahead and usable else describe_enrolment(self._identifier, enrolment, photo)
                present = self._add(enrolment, photo, animal)
        if present is not None:
            self._skip(enrolment, present)

    def _add(self, enrolment: Enrolment, photo: Photo, described: DescribedAnimal) -> Sighting | None:
        """Enrol an animal; the sighting of it where another process, or another box around it, was first."""
        new = new_sighting(enrolment, photo, described, described.animal.index)
        animal = SightingToEnrol(new, to_arrays(described.features), self._identifier.feature_key)
        _, present = store_animal(self._gallery, animal, self._batch, SAME_BOX if enrolment.box else SAME_ANIMAL)
        if present is None:
            self._count(enrolment, described)
        return present

    def _with_species(self, enrolment: Enrolment) -> Enrolment:
        species, unclear = self._species[_species_key(enrolment)] = self._species_of(enrolment)
        if unclear:
            self.result.unclear_species.append((enrolment.path, unclear))
        elif species and not enrolment.species:
            self.result.inherited_species[species] += 1
        return replace(enrolment, species=species)

    def _species_of(self, enrolment: Enrolment) -> tuple[str, tuple[str, ...]]:
        return self._species.get(_species_key(enrolment)) or self._gallery.species_of(enrolment.identity, enrolment.species)

    def _count(self, enrolment: Enrolment, described: DescribedAnimal) -> None:
        self.result.added += 1
        self._note_spelling(enrolment.identity)
        if not described.animal.found:
            self.result.without_animal.append(enrolment.path)
        if NOT_TURNED in described.warnings:
            self.result.not_turned.append(enrolment.path)

    def _skip(self, enrolment: Enrolment, present: Sighting) -> None:
        if name_key(present.identity) == name_key(enrolment.identity):
            self.result.present += 1
            self._note_spelling(enrolment.identity)
        else:
            self.result.conflicting.append((enrolment.path, enrolment.identity, present.identity))
        if self._gallery.relink_if_missing(present, enrolment.path, self._batch):
            self.result.relinked.append(enrolment.path)

    def _note_spelling(self, name: str) -> None:
        stored = self._gallery.stored_name(name)
        if stored not in (None, name):
            self.result.respelled[name] = str(stored)


@dataclass(frozen=True)
class _Foreseen:
    """An enrolment before its turn.

    Attributes:
        enrolment: as given.
        sha256: of the photo's bytes, or why they cannot be read.
        new: the photo is not in the gallery, so that it is described ahead.
        species: that the animal would have now.
    """

    enrolment: Enrolment
    sha256: str | PhotoError
    new: bool = False
    species: str = ""


class _Described(NamedTuple):
    photo: Photo
    animal: DescribedAnimal


def _describe_ahead(identifier: Identifier, foreseen: _Foreseen) -> _Described | None:
    if not foreseen.new:
        return None
    photo = read_photo(foreseen.enrolment.path)
    return _Described(photo, describe_enrolment(identifier, replace(foreseen.enrolment, species=foreseen.species), photo))


def describe_enrolment(identifier: Identifier, enrolment: Enrolment, photo: Photo) -> DescribedAnimal:
    """The animal that is to be enrolled.

    Raises:
        PhotoError: the photo has no such animal. EngineError: a network failed.
    """
    boxes = _boxes(photo, enrolment, identifier)
    query = Query(enrolment.species, enrolment.viewpoint, boxes=boxes, animal=None if boxes else enrolment.animal)
    return identifier.describe(photo, query, largest_only=True)[0]


def _boxes(photo: Photo, enrolment: Enrolment, identifier: Identifier) -> list[Box] | None:
    """The box that was given, in pixels."""
    if enrolment.box is None:
        return None
    box = enrolment.box.pixels(photo.width, photo.height)
    x0, y0, x1, y1 = widened(box, margin_of(identifier), photo)
    if min(x1 - x0, y1 - y0) < LEAST_SIDE:
        raise PhotoError(
            f"The box {', '.join(f'{side:g}' for side in box)} of {enrolment.path} lies outside of the photo, or is too small.",
            f"The photo, upright, has {photo.width} x {photo.height} pixels; give x, y, width and height.",
        )
    return [box]


def _species_key(enrolment: Enrolment) -> tuple[str, str]:
    return name_key(enrolment.identity), enrolment.species


def margin_of(identifier: Identifier) -> float:
    """By how much the recipe widens a box on each side, as a share of it."""
    return identifier.recipe.segment.margin if identifier.recipe.segment else 0.0
