"""Galleries of any size to measure with: enrolled photos, and beyond them animals that are made up."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from reid_edge.describe.features import keypoint_arrays, vector_array
from reid_edge.errors import UsageError
from reid_edge.gallery import Gallery, NewSighting, Sighting
from reid_edge.gallery.enrolment_list import Enrolment
from reid_edge.identify.enrolment import enrol
from reid_edge.identify.identifier import Identifier
from reid_edge.pack import find_pack, open_pack
from reid_edge.storage.durable import move_into_place
from reid_edge_calibration.progress import Progress

Row = TypeVar("Row", Enrolment, Sighting)

# Beyond this many animals made-up ones have no keypoints: theirs would fill the disk, and they are never on a shortlist.
MOST_WITH_KEYPOINTS = 10_000
_TOGETHER = 1000  # sightings in one transaction
_INDIVIDUAL = 10  # made-up sightings of one made-up individual


@dataclass(frozen=True)
class MeasuredGallery:
    """A gallery to measure over.

    Attributes:
        path: of its file.
        size: sightings.
        made_of: what they are, for a reader.
    """

    path: Path
    size: int
    made_of: str


def enrol_photos(folder: Path, rows: Sequence[Enrolment], identifier: Identifier, progress: Progress) -> Path:
    """A gallery of all these photos; one that a run before has left in the folder is continued.

    Raises:
        EngineError, GalleryError, StorageError: see `reid_edge.identify.enrolment.enrol`.
    """
    path = folder / f"enrolled-{_stem([str(row) for row in rows], identifier)}.sqlite"
    with Gallery.open_or_create(path) as gallery:
        enrol(gallery, identifier, progress(list(rows), "Enrolling"))
    return path


def whole_individuals(rows: Sequence[Row], count: int, seed: int = 0) -> list[Row]:
    """So many photos, of individuals drawn by chance with all their photos: a catalogue has several of each. All where there are fewer."""
    by_identity: dict[str, list[Row]] = {}
    for row in rows:
        by_identity.setdefault(row.identity, []).append(row)
    order = np.random.default_rng(seed).permutation(len(by_identity))
    groups = list(by_identity.values())
    return [row for place in order for row in groups[place]][:count]


def gallery_of(
    size: int, enrolled: Path, identifier: Identifier, folder: Path, progress: Progress, seed: int = 0
) -> MeasuredGallery:
    """A gallery of `size` sightings: enrolled photos, see `whole_individuals`, and then made-up animals.

    A made-up animal is an individual's that no query shows: its vector is random, of length 1, and so far from every photo's that it is
    never on a shortlist. It makes the search longer and changes no answer. It has the keypoints of an enrolled animal, and none at all in
    a gallery of more than `MOST_WITH_KEYPOINTS`.

    Args:
        size: of the gallery, 1 or more.
        enrolled: a gallery that `enrol_photos` made.
        identifier: the pack that described it.
        folder: keeps the gallery; one that is there is taken.
        progress: wraps an iterable, a word for it and its length.
        seed: of the vectors.

    Raises:
        UsageError: the gallery is empty.
        GalleryError, StorageError: it cannot be written.
    """
    path = folder / f"{size}-of-{enrolled.stem}.sqlite"
    with Gallery.open(enrolled, writable=False) as source:
        sightings = source.sightings()
        if not sightings:
            raise UsageError("No photo could be enrolled to measure with.", "Name other photos.")
        real = whole_individuals(sightings, size)
        made = _made_of(len(real), size)
        if path.is_file():
            return MeasuredGallery(path, size, made)
        being_made = path.with_suffix(".part")
        being_made.unlink(missing_ok=True)
        with Gallery.create(being_made) as gallery:
            _fill(gallery, source, real, size, identifier, progress, seed)
    move_into_place(being_made, path)
    return MeasuredGallery(path, size, made)


def vector_gallery(size: int, vectors: NDArray[np.float32], identifier: Identifier, folder: Path, progress: Progress) -> Path:
    """A gallery of vectors alone, float32 [size, D] of length 1, to search in; one that is there is taken.

    Raises:
        GalleryError, StorageError: it cannot be written.
    """
    path = folder / f"vectors-{size}-{hashlib.sha256(vectors[: min(size, 100)].tobytes()).hexdigest()[:12]}.sqlite"
    if path.is_file():
        return path
    name, being_made = vector_array(identifier.recipe.retrieve.embedding), path.with_suffix(".part")
    being_made.unlink(missing_ok=True)
    with Gallery.create(being_made) as gallery:
        batch = gallery.new_batch()
        for start in progress(range(0, size, _TOGETHER), f"Storing {size} vectors"):
            with gallery.transaction():
                for number in range(start, min(size, start + _TOGETHER)):
                    gallery.add_sighting(_made_up(number), {name: vectors[number]}, identifier.feature_key, batch)
    move_into_place(being_made, path)
    return path


def open_identifier(pack: str, device: str, threads: int | None) -> Identifier:
    """The pack on a device.

    Raises:
        PackError, EngineError, UsageError: it cannot be opened.
    """
    return Identifier(open_pack(find_pack(pack), allow_random=True), device, threads)


def _fill(
    gallery: Gallery, source: Gallery, real: Sequence[Sighting], size: int, identifier: Identifier, progress: Progress, seed: int
) -> None:
    key, recipe, batch = identifier.feature_key, identifier.recipe, gallery.new_batch()
    keypoints = {name for extract in recipe.extract for name in keypoint_arrays(extract.name)}
    random = np.random.default_rng(seed)
    for start in progress(range(0, size, _TOGETHER), f"Making a gallery of {size}"):
        with gallery.transaction():
            for number in range(start, min(size, start + _TOGETHER)):
                model = real[number % len(real)]
                features = dict(source.features([model.id], key)[model.id])
                if number < len(real):
                    gallery.add_sighting(_as_new(model), features, key, batch)
                    continue
                for name in recipe.embedding_names:
                    vector = random.standard_normal(features[vector_array(name)].shape, np.float32)
                    features[vector_array(name)] = vector / np.linalg.norm(vector)
                if size > MOST_WITH_KEYPOINTS:
                    features = {name: values for name, values in features.items() if name not in keypoints}
                gallery.add_sighting(replace(_made_up(number), species=model.species), features, key, batch)


def _made_up(number: int) -> NewSighting:
    digest = hashlib.sha256(f"made-up animal {number}".encode()).hexdigest()
    return NewSighting(identity=f"made up {number // _INDIVIDUAL}", photo_sha256=digest, photo_name=f"made-up-{number}.jpg")


def _as_new(sighting: Sighting) -> NewSighting:
    facts = {name: value for name, value in vars(sighting).items() if name not in ("id", "added_at")}
    return NewSighting(**facts)


def _made_of(real: int, size: int) -> str:
    if size <= real:
        return f"{real} enrolled photos"
    how = "keypoints copied from them" if size <= MOST_WITH_KEYPOINTS else "no keypoints"
    return f"{real} enrolled photos, {size - real} made-up animals with random vectors and {how}"


def _stem(photos: Sequence[str], identifier: Identifier) -> str:
    return hashlib.sha256(repr((photos, identifier.feature_key)).encode()).hexdigest()[:12]
