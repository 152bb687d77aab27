"""Which photos' features a replica keeps where it may not keep all: the newest of every individual and side first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class DescribedPhoto:
    """A sighting whose features the server has.

    Attributes:
        sighting: its id; the larger, the newer.
        group: the row of the individual, and the side that the photo shows.
        bytes: of its features and its thumbnail.
    """

    sighting: int
    group: tuple[int, str]
    bytes: int


def kept_photos(photos: Iterable[DescribedPhoto], most_bytes: int) -> list[int]:
    """The sightings to keep, the most useful first: the newest of each group, then the second newest of each, and so on.

    They are the first of that order that together have at most `most_bytes`: what is added or made larger never brings in an older
    photo of a group in the place of a newer one.
    """
    seen: dict[tuple[int, str], int] = {}
    ranked: list[tuple[int, int, int]] = []
    for photo in sorted(photos, key=lambda each: -each.sighting):
        rank = seen[photo.group] = seen.get(photo.group, -1) + 1
        ranked.append((rank, -photo.sighting, photo.bytes))
    kept, total = [], 0
    for _, negative, size in sorted(ranked):
        total += size
        if total > most_bytes:
            break
        kept.append(-negative)
    return kept
