"""Enrolment: photos of known individuals are described once and stored, each in a transaction of its own.

A run that is stopped, by Ctrl-C or by a power cut, is continued by running it again: photos that are in the gallery are known by
the hash of their bytes and skipped.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from reid_edge.describe.description import DescribedAnimal
from reid_edge.describe.features import to_arrays
from reid_edge.describe.orientation import NOT_TURNED
from reid_edge.describe.query import Query
from reid_edge.describe.segmentation import LEAST_SIDE, Box, narrowed, overlap, widened
from reid_edge.errors import PhotoError
from reid_edge.gallery import DuplicateSighting, Gallery, NewSighting, Sighting
from reid_edge.gallery.enrolment_list import Enrolment
from reid_edge.gallery.names import name_key
from reid_edge.gallery.viewpoints import refuse_mistyped_viewpoint
from reid_edge.identify.identifier import Identifier
from reid_edge.photo import Photo, read_photo, read_photo_bytes

# Long enough to judge a coat by in a report, small enough that 10,000 of them are well under a gigabyte.
_THUMBNAIL_LONG_SIDE = 512
_THUMBNAIL_QUALITY = 85
# Overlap of two boxes of one photo from which on they are around the same animal: boxes that people drew, and boxes that networks found.
_SAME_BOX, _SAME_ANIMAL = 0.8, 0.5


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


def enrol(gallery: Gallery, identifier: Identifier, enrolments: Iterable[Enrolment]) -> EnrolmentResult:
    """Enrol photos; one that fails is reported and the others go on. Other processes may enrol into the gallery at the same time.

    Args:
        gallery: writable. All additions are one batch, which one undo takes back.
        identifier: describes the photos.
        enrolments: which photo shows whom; may be a progress iterator.

    Raises:
        EngineError, GalleryError, StorageError: nothing further can be enrolled; what was enrolled before stays.
    """
    enroller = _Enroller(gallery, identifier)
    for enrolment in enrolments:
        try:
            enroller.enrol(enrolment)
        except PhotoError as error:
            enroller.result.failed.append((enrolment.path, error))
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


class _Enroller:
    """Enrols one animal after another, and keeps account of it."""

    def __init__(self, gallery: Gallery, identifier: Identifier) -> None:
        self.result = EnrolmentResult()
        self._gallery = gallery
        self._identifier = identifier
        self._batch = gallery.new_batch()
        self._species: dict[tuple[str, str], tuple[str, tuple[str, ...]]] = {}

    def enrol(self, enrolment: Enrolment) -> None:
        """Enrol an animal where the gallery does not have it.

        Raises:
            PhotoError: the photo cannot be read, or has no such animal.
        """
        # The hash first: of a run that is continued, most photos are there and need no decoding.
        enrolled = self._gallery.photo_sightings(hashlib.sha256(read_photo_bytes(enrolment.path)).hexdigest())
        present = _same_animal(enrolled, enrolment) if enrolment.box is None else None
        if present is None:
            photo = read_photo(enrolment.path)
            boxes = self._boxes(photo, enrolment)
            if boxes:
                present = _overlapping(enrolled, widened(boxes[0], margin_of(self._identifier), photo), _SAME_BOX)
            if present is None:
                present = self._add(enrolment, photo, boxes)
        if present is not None:
            self._skip(enrolment, present)

    def _add(self, enrolment: Enrolment, photo: Photo, boxes: Sequence[Box] | None) -> Sighting | None:
        """Enrol an animal; the sighting of it where another process, or another box around it, was first."""
        enrolment = self._with_species(enrolment)
        query = Query(enrolment.species, enrolment.viewpoint, boxes=boxes, animal=None if boxes else enrolment.animal)
        described = self._identifier.describe(photo, query, largest_only=True)[0]
        features, index = to_arrays(described.features), described.animal.index
        while True:
            enrolled = self._gallery.photo_sightings(photo.sha256)
            present = _overlapping(enrolled, described.animal.box, _SAME_BOX if boxes else _SAME_ANIMAL)
            if present is not None:
                return present
            taken = {sighting.animal_index for sighting in enrolled}
            index = next(free for free in (index, *range(len(taken) + 1)) if free not in taken)
            try:
                new = _sighting(enrolment, photo, described, index)
                self._gallery.add_sighting(new, features, self._identifier.feature_key, self._batch)
            except DuplicateSighting:
                continue  # another process has just enrolled an animal of this photo
            break
        self._count(enrolment, described)
        return None

    def _boxes(self, photo: Photo, enrolment: Enrolment) -> list[Box] | None:
        """The box that was given, in pixels."""
        if enrolment.box is None:
            return None
        box = enrolment.box.pixels(photo.width, photo.height)
        x0, y0, x1, y1 = widened(box, margin_of(self._identifier), photo)
        if min(x1 - x0, y1 - y0) < LEAST_SIDE:
            raise PhotoError(
                f"The box {', '.join(f'{side:g}' for side in box)} of {enrolment.path} lies outside of the photo, or is too small.",
                f"The photo, upright, has {photo.width} x {photo.height} pixels; give x, y, width and height.",
            )
        return [box]

    def _with_species(self, enrolment: Enrolment) -> Enrolment:
        key = (name_key(enrolment.identity), enrolment.species)
        if key not in self._species:
            self._species[key] = self._gallery.species_of(enrolment.identity, enrolment.species)
        species, unclear = self._species[key]
        if unclear:
            self.result.unclear_species.append((enrolment.path, unclear))
        elif species and not enrolment.species:
            self.result.inherited_species[species] += 1
        return replace(enrolment, species=species)

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


def describe_again(gallery: Gallery, identifier: Identifier, sightings: Iterable[Sighting]) -> list[tuple[Sighting, str]]:
    """Describe photos whose features were made by another pack; features of two packs are never compared.

    Args:
        gallery: writable.
        identifier: the pack to describe with.
        sightings: those without features of this pack (`Gallery.sightings_without`); may be a progress iterator.

    Returns:
        The sightings that could not be described, each with the reason. They stay in the gallery and are left out of answers.

    Raises:
        EngineError, GalleryError, StorageError: it cannot go on; what was described before stays.
    """
    key, left_out = identifier.feature_key, []
    for sighting in sightings:
        try:
            photo = read_photo(Path(sighting.photo_path))
        except PhotoError as error:
            left_out.append((sighting, error.message))
            continue
        if photo.sha256 != sighting.photo_sha256:
            left_out.append((sighting, f"{sighting.photo_path} is no longer the photo that was enrolled."))
            continue
        gallery.put_features(sighting.id, key, to_arrays(_described_again(photo, sighting, identifier).features))
    return left_out


def _described_again(photo: Photo, sighting: Sighting, identifier: Identifier) -> DescribedAnimal:
    """The animal of a sighting: the largest one of the photo where that is it, else what is in the box of the sighting."""
    query = Query(sighting.species, sighting.viewpoint)
    if sighting.animal_index == 0:
        described = identifier.describe(photo, query, largest_only=True)[0]
        if sighting.box is None or overlap(sighting.box, described.animal.box) >= _SAME_ANIMAL:
            return described
    boxes = None if sighting.box is None else [narrowed(sighting.box, margin_of(identifier))]
    return identifier.describe(photo, replace(query, boxes=boxes), largest_only=True)[0]


def margin_of(identifier: Identifier) -> float:
    """By how much the recipe widens a box on each side, as a share of it."""
    return identifier.recipe.segment.margin if identifier.recipe.segment else 0.0


def _same_animal(enrolled: Sequence[Sighting], enrolment: Enrolment) -> Sighting | None:
    """The sighting that is meant by an enrolment without a box."""
    same_name = [each for each in enrolled if name_key(each.identity) == name_key(enrolment.identity)]
    if enrolment.animal is not None:
        return next((each for each in same_name if each.animal_index == enrolment.animal - 1), None)
    return next((each for each in (*same_name, *enrolled) if each in same_name or each.animal_index == 0), None)


def _overlapping(enrolled: Sequence[Sighting], box: Box, least: float) -> Sighting | None:
    """The sighting of the animal that this box is around."""
    with_overlap = [(overlap(each.box, box), each) for each in enrolled if each.box is not None]
    most, sighting = max(with_overlap, key=lambda pair: pair[0], default=(0.0, None))
    return sighting if most >= least else None


def _sighting(enrolment: Enrolment, photo: Photo, described: DescribedAnimal, index: int) -> NewSighting:
    animal = described.animal
    return NewSighting(
        identity=enrolment.identity,
        photo_sha256=photo.sha256,
        animal_index=index,
        photo_name=photo.name,
        photo_path=str(enrolment.path.resolve()),
        species=enrolment.species,
        viewpoint=enrolment.viewpoint,
        taken_at=enrolment.taken_at or photo.taken_at or "",
        latitude=photo.latitude if enrolment.latitude is None else enrolment.latitude,
        longitude=photo.longitude if enrolment.longitude is None else enrolment.longitude,
        place=enrolment.place,
        encounter=enrolment.encounter,
        box=animal.box,
        thumbnail=thumbnail(animal.crop),
    )


def thumbnail(crop: NDArray[np.uint8]) -> bytes:
    """A JPEG of a crop, its longer side at most 512 pixels."""
    height, width = crop.shape[:2]
    scale = min(1.0, _THUMBNAIL_LONG_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(crop, size, interpolation=cv2.INTER_AREA) if scale < 1 else crop
    _, encoded = cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _THUMBNAIL_QUALITY])
    return encoded.tobytes()
