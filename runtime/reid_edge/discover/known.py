"""What a catalogue says of animals now: their names, what a person rejected, and what is no animal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from reid_edge.describe.segmentation import overlap
from reid_edge.discover.constraints import Seen
from reid_edge.gallery import Gallery, Review, Sighting
from reid_edge.gallery.reviews import matching_index
from reid_edge.identify.storing import SAME_ANIMAL


def seen_now(seen: Sequence[Seen], known: Gallery) -> list[Seen]:
    """The same animals in the same order; those of the catalogue that were removed from it count as no animals."""
    return [_seen_now(each, known) for each in seen]


def stored_as(sighting: Sighting, known: Gallery) -> Sighting | None:
    """The catalogue's sighting of this animal of this photo; None where it has none."""
    stored = {each.animal_index: each for each in known.photo_sightings(sighting.photo_sha256)}
    index = matching_index({number: each.box for number, each in stored.items()}, sighting.animal_index, sighting.box)
    if index is not None:
        return stored[index]
    return next((each for each in stored.values() if _overlap(sighting, each)), None)


def _seen_now(seen: Seen, known: Gallery) -> Seen:
    sighting = seen.sighting
    if stored := stored_as(sighting, known):
        return Seen(sighting, stored.identity)
    if seen.name:
        return Seen(sighting, is_animal=False)
    reviews = known.reviews_of_animal(sighting.photo_sha256, sighting.animal_index, sighting.box)
    return Seen(sighting, "", _rejected(reviews), not any(each.kind == "not_an_animal" for each in reviews))


def _rejected(reviews: Iterable[Review]) -> frozenset[str]:
    return frozenset(each.identity for each in reviews if each.kind == "rejected" and each.identity)


def _overlap(one: Sighting, other: Sighting) -> bool:
    return one.box is not None and other.box is not None and overlap(one.box, other.box) >= SAME_ANIMAL
