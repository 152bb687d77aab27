"""The photos of a gallery that another pack described, described once more."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from reid_edge.describe.description import DescribedAnimal
from reid_edge.describe.features import Features, to_arrays
from reid_edge.describe.query import Query
from reid_edge.describe.segmentation import narrowed, overlap
from reid_edge.errors import PhotoError
from reid_edge.gallery import Gallery, Sighting
from reid_edge.identify.describing_ahead import described_in_turn
from reid_edge.identify.enrolment import margin_of
from reid_edge.identify.identifier import Identifier
from reid_edge.identify.storing import SAME_ANIMAL
from reid_edge.photo import Photo, read_photo


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
    with closing(described_in_turn(identifier, sightings, features_or_reason)) as turns:
        for sighting, described, _ in turns:
            result = described()
            if isinstance(result, str):
                left_out.append((sighting, result))
            else:
                gallery.put_features(sighting.id, key, to_arrays(result))
    return left_out


def features_or_reason(identifier: Identifier, sighting: Sighting) -> Features | str:
    """The features of a sighting's animal, from its photo; or why there are none.

    Raises:
        EngineError: a network failed.
    """
    try:
        photo = read_photo(Path(sighting.photo_path))
    except PhotoError as error:
        return error.message
    if photo.sha256 != sighting.photo_sha256:
        return f"{sighting.photo_path} is no longer the photo that was enrolled."
    return _described_again(photo, sighting, identifier).features


def _described_again(photo: Photo, sighting: Sighting, identifier: Identifier) -> DescribedAnimal:
    """The animal of a sighting: the largest one of the photo where that is it, else what is in the box of the sighting."""
    query = Query(sighting.species, sighting.viewpoint)
    if sighting.animal_index == 0:
        described = identifier.describe(photo, query, largest_only=True)[0]
        if sighting.box is None or overlap(sighting.box, described.animal.box) >= SAME_ANIMAL:
            return described
    boxes = None if sighting.box is None else [narrowed(sighting.box, margin_of(identifier))]
    return identifier.describe(photo, replace(query, boxes=boxes), largest_only=True)[0]
