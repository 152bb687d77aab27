"""Enrolment: photos of known individuals are described once and stored, each in a transaction of its own.

A run that is stopped, by Ctrl-C or by a power cut, is continued by running it again: photos that are in the gallery are known by
the hash of their bytes and skipped.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from reid_edge.describe.description import DescribedAnimal
from reid_edge.describe.features import to_arrays
from reid_edge.describe.orientation import NOT_TURNED
from reid_edge.describe.query import Query
from reid_edge.errors import PhotoError
from reid_edge.gallery import Gallery, NewSighting, Sighting
from reid_edge.gallery.enrolment_list import Enrolment
from reid_edge.identify.identifier import Identifier
from reid_edge.photo import Photo, read_photo, read_photo_bytes

# Long enough to judge a coat by in a report, small enough that 10,000 of them are well under a gigabyte.
_THUMBNAIL_LONG_SIDE = 512
_THUMBNAIL_QUALITY = 85


@dataclass
class EnrolmentResult:
    """What became of each photo.

    Attributes:
        added: newly enrolled.
        present: skipped, because this very photo is in the gallery under the same identity.
        conflicting: skipped, because this very photo is in the gallery as somebody else: (photo, identity given, identity there).
        failed: could not be read: (photo, error).
        without_animal: enrolled by the whole frame, because no animal stood out.
        not_turned: enrolled as they lie, because their viewpoint is not known and the recipe turns by it.
    """

    added: int = 0
    present: int = 0
    conflicting: list[tuple[Path, str, str]] = field(default_factory=list)
    failed: list[tuple[Path, PhotoError]] = field(default_factory=list)
    without_animal: list[Path] = field(default_factory=list)
    not_turned: list[Path] = field(default_factory=list)


def enrol(gallery: Gallery, identifier: Identifier, enrolments: Iterable[Enrolment]) -> EnrolmentResult:
    """Enrol photos; one that fails is reported and the others go on.

    Args:
        gallery: writable. All additions are one batch, which one undo takes back.
        identifier: describes the photos.
        enrolments: which photo shows whom; may be a progress iterator.

    Raises:
        EngineError, GalleryError, StorageError: nothing further can be enrolled; what was enrolled before stays.
    """
    result, batch, key = EnrolmentResult(), gallery.new_batch(), identifier.feature_key
    for enrolment in enrolments:
        try:
            # The hash first: of a run that is continued, most photos are there and need no decoding.
            enrolled = gallery.has_photo(hashlib.sha256(read_photo_bytes(enrolment.path)).hexdigest())
            photo = None if enrolled else read_photo(enrolment.path)
        except PhotoError as error:
            result.failed.append((enrolment.path, error))
            continue
        if enrolled is not None and enrolled.identity == enrolment.identity:
            result.present += 1
        elif enrolled is not None:
            result.conflicting.append((enrolment.path, enrolment.identity, enrolled.identity))
        elif photo is not None:
            described = _largest(photo, enrolment, identifier)
            gallery.add_sighting(_sighting(enrolment, photo, described), to_arrays(described.features), key, batch)
            result.added += 1
            if not described.animal.found:
                result.without_animal.append(enrolment.path)
            if NOT_TURNED in described.warnings:
                result.not_turned.append(enrolment.path)
    return result


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
        gallery.put_features(sighting.id, key, to_arrays(_largest(photo, sighting, identifier).features))
    return left_out


def _largest(photo: Photo, facts: Enrolment | Sighting, identifier: Identifier) -> DescribedAnimal:
    """The animal that an enrolled photo stands for."""
    return identifier.describe(photo, Query(facts.species, facts.viewpoint), largest_only=True)[0]


def _sighting(enrolment: Enrolment, photo: Photo, described: DescribedAnimal) -> NewSighting:
    animal = described.animal
    return NewSighting(
        identity=enrolment.identity,
        photo_sha256=photo.sha256,
        animal_index=animal.index,
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
