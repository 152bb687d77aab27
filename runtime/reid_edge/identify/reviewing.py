"""Reviewing an animal: what has to be described of its photo, so that a person's word also adds its sighting to the gallery.

Describing takes a second or more and needs no transaction; `Gallery.review` then stores the review with the sighting in one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from reid_edge.describe.description import DescribedAnimal
from reid_edge.describe.features import to_arrays
from reid_edge.describe.query import Query
from reid_edge.describe.segmentation import Box, narrowed, overlap
from reid_edge.gallery import Gallery, NewReview, NewSighting, SightingToEnrol
from reid_edge.identify.enrolment import margin_of, thumbnail
from reid_edge.identify.identifier import Identifier
from reid_edge.photo import Photo

_SAME_BOX = 0.8  # overlap of two boxes of one photo from which on nobody moved the box


@dataclass(frozen=True)
class ReviewedPhoto:
    """The photo of a review, and what is known beside it.

    Attributes:
        photo: upright.
        path: where its file lies; None of a photo that is no file.
        species, viewpoint: of the animal; '' where not known. Without a species it gets that of its individual.
        place, encounter: as the gallery keeps them, the camera for instance.
    """

    photo: Photo
    path: Path | None = None
    species: str = ""
    viewpoint: str = ""
    place: str = ""
    encounter: str = ""


def sighting_to_enrol(
    gallery: Gallery, identifier: Identifier, review: NewReview, reviewed: ReviewedPhoto
) -> SightingToEnrol | None:
    """The sighting that a `confirmed` or `new` review adds, for `Gallery.review`; None where there is nothing to add.

    Raises:
        PhotoError: the photo does not show the animal. EngineError: a network failed. GalleryError: the gallery cannot be read.
    """
    if review.kind not in ("confirmed", "new") or review.identity is None:
        return None
    photo = reviewed.photo
    present = gallery.has_photo(photo.sha256, review.animal_index)
    if present and (review.box is None or present.box is None or overlap(present.box, review.box) >= _SAME_BOX):
        return None
    species = gallery.species_of(review.identity, reviewed.species)[0]
    described = described_animal(identifier, photo, review.box, review.animal_index, Query(species, reviewed.viewpoint))
    sighting = NewSighting(
        identity=review.identity,
        photo_sha256=photo.sha256,
        animal_index=review.animal_index,
        photo_name=photo.name,
        photo_path=str(reviewed.path.resolve()) if reviewed.path else "",
        species=species,
        viewpoint=reviewed.viewpoint,
        taken_at=photo.taken_at or "",
        latitude=photo.latitude,
        longitude=photo.longitude,
        place=reviewed.place,
        encounter=reviewed.encounter,
        box=described.animal.box,
        thumbnail=thumbnail(described.animal.crop),
    )
    return SightingToEnrol(sighting, to_arrays(described.features), identifier.feature_key)


def described_animal(identifier: Identifier, photo: Photo, box: Box | None, index: int, query: Query) -> DescribedAnimal:
    """The animal that an answer gave this box and index, or that a person drew the box around.

    Args:
        box: margin included, as an answer gives it; None for the animal of this index.

    Raises:
        PhotoError: the photo has no such animal. EngineError: a network failed.
    """
    if box is None:
        return identifier.describe(photo, replace(query, animal=index + 1))[0]
    found = [each for each in identifier.describe(photo, query) if overlap(each.animal.box, box) >= _SAME_BOX]
    if found:
        return max(found, key=lambda each: overlap(each.animal.box, box))
    return identifier.describe(photo, replace(query, boxes=[narrowed(box, margin_of(identifier))]))[0]
