"""An animal that was described goes into the gallery once, however many processes enrol at the same time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from reid_edge.describe.segmentation import Box, overlap
from reid_edge.gallery import DuplicateSighting, Gallery, Sighting, SightingToEnrol
from reid_edge.gallery.enrolment_list import Enrolment
from reid_edge.gallery.names import name_key

# Overlap of two boxes of one photo from which on they are around the same animal: boxes that people drew, and boxes that networks found.
SAME_BOX, SAME_ANIMAL = 0.8, 0.5


def store_animal(gallery: Gallery, animal: SightingToEnrol, batch: str, least_overlap: float) -> tuple[int, Sighting | None]:
    """Enrol an animal, where the gallery does not have it from another process or by another box around it.

    Args:
        gallery: writable.
        animal: with the index that it has among those of its photo; another one is taken where a sighting has that.
        batch: of the command.
        least_overlap: of two boxes around the same animal: `SAME_BOX` where a person drew the box, else `SAME_ANIMAL`.

    Returns:
        The id of its sighting, and the sighting where the gallery had it.

    Raises:
        GalleryError, StorageError: it cannot be stored.
    """
    new = animal.sighting
    while True:
        enrolled = gallery.photo_sightings(new.photo_sha256)
        present = overlapping(enrolled, new.box, least_overlap) if new.box else None
        if present is not None:
            return present.id, present
        taken = {sighting.animal_index for sighting in enrolled}
        index = next(free for free in (new.animal_index, *range(len(taken) + 1)) if free not in taken)
        try:
            return gallery.add_sighting(replace(new, animal_index=index), animal.features, animal.feature_key, batch), None
        except DuplicateSighting:
            continue  # another process has just enrolled an animal of this photo


def same_animal(enrolled: Sequence[Sighting], enrolment: Enrolment) -> Sighting | None:
    """The sighting that is meant by an enrolment without a box."""
    same_name = [each for each in enrolled if name_key(each.identity) == name_key(enrolment.identity)]
    if enrolment.animal is not None:
        return next((each for each in same_name if each.animal_index == enrolment.animal - 1), None)
    return next((each for each in (*same_name, *enrolled) if each in same_name or each.animal_index == 0), None)


def overlapping(enrolled: Sequence[Sighting], box: Box, least: float) -> Sighting | None:
    """The sighting of the animal that this box is around."""
    with_overlap = [(overlap(each.box, box), each) for each in enrolled if each.box is not None]
    most, sighting = max(with_overlap, key=lambda pair: pair[0], default=(0.0, None))
    return sighting if most >= least else None
