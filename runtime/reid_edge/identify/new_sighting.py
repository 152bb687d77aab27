"""An animal that is enrolled, as the gallery stores it beside its features."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reid_edge.describe.description import DescribedAnimal
from reid_edge.gallery import NewSighting
from reid_edge.gallery.enrolment_list import Enrolment
from reid_edge.photo import Photo
from reid_edge.photo.jpeg import small_jpeg

# Long enough to judge a coat by in a report, small enough that 10,000 of them are well under a gigabyte.
_THUMBNAIL_LONG_SIDE = 512
_THUMBNAIL_QUALITY = 85


def new_sighting(enrolment: Enrolment, photo: Photo, described: DescribedAnimal, index: int) -> NewSighting:
    """The row of an animal; `index` is its number among those of its photo."""
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
    return small_jpeg(crop, _THUMBNAIL_LONG_SIDE, _THUMBNAIL_QUALITY)
