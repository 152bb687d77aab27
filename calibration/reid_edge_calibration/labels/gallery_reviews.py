"""Labels from a gallery: the photos that people confirmed are asked for, among the other photos of the catalogue."""

from __future__ import annotations

from pathlib import Path

from reid_edge.errors import UsageError
from reid_edge.gallery import Gallery, Sighting
from reid_edge.gallery.enrolment_list import Enrolment
from reid_edge_calibration.labels.labelled_photo import LabelledPhoto, counted, first_few


def read_gallery_reviews(path: Path) -> tuple[list[LabelledPhoto], list[str]]:
    """The sightings of a gallery as labels, and notes on what was left out.

    A sighting whose animal a person confirmed or named is a query, every other one is of the database. A query whose individual is known
    from reviewed photos alone is one that the catalogue did not have. Where all sightings were reviewed, or none, the labels say nothing
    of a split. What is described of a photo is its largest animal, so that sightings of smaller ones are left out.

    Raises:
        UsageError: nobody confirmed or named anything in this gallery. GalleryError: it cannot be read.
    """
    with Gallery.open(path, writable=False) as gallery:
        decided = {review.sighting for review in gallery.reviews() if review.is_final and review.sighting is not None}
        sightings = gallery.sightings()
    if not decided:
        raise UsageError(
            f"Nobody confirmed a photo in the gallery {path} yet.", "Review answers first: reid-edge gallery confirm."
        )
    smaller = [each for each in sightings if each.animal_index]
    largest = [each for each in sightings if not each.animal_index]
    present = [each for each in largest if each.photo_path and Path(each.photo_path).is_file()]
    is_split = any(each.id not in decided for each in present) and any(each.id in decided for each in present)
    labels = [_label(each, is_split, each.id in decided) for each in present]
    missing = [each for each in largest if each not in present]
    notes = [
        f"left out because {why}: {counted(len(left_out), 'sighting')} ({first_few([each.photo_name for each in left_out])})."
        for left_out, why in (
            (missing, "the photo is no longer where it was"),
            (smaller, "it is not the largest animal of its photo"),
        )
        if left_out
    ]
    return labels, notes


def _label(seen: Sighting, is_split: bool, is_decided: bool) -> LabelledPhoto:
    enrolment = Enrolment(
        path=Path(seen.photo_path),
        identity=seen.identity,
        species=seen.species,
        viewpoint=seen.viewpoint,
        taken_at=seen.taken_at,
        encounter=seen.encounter,
        place=seen.place,
        latitude=seen.latitude,
        longitude=seen.longitude,
    )
    split = ("query" if is_decided else "database") if is_split else ""
    return LabelledPhoto(enrolment, f"sighting {seen.id}", split)
