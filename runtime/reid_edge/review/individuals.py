"""Known individuals for the page: a grid with the best picture of each, and one individual with all sightings by time."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reid_edge.gallery import Gallery, Individual, Sighting
from reid_edge.gallery.changes import Position


@dataclass(frozen=True)
class Card:
    """One individual of the grid. `best` is the sighting with the largest picture of the animal; None where there is no sighting."""

    individual: Individual
    best: Sighting | None
    cameras: tuple[str, ...]


class Cards:
    """The grid, kept until the gallery changes. Threads may share it."""

    def __init__(self, gallery: Gallery) -> None:
        self._gallery = gallery
        self._lock = threading.Lock()
        self._state: tuple[str, Position] | None = None
        self._cards: list[Card] = []

    def all(self) -> list[Card]:
        """Every individual, by name.

        Raises:
            GalleryError: the gallery cannot be read.
        """
        with self._lock:
            state = self._gallery.state()
            if state != self._state:
                with self._gallery.snapshot():
                    sightings: dict[str, list[Sighting]] = {}
                    for each in self._gallery.sightings():
                        sightings.setdefault(each.identity, []).append(each)
                    individuals = self._gallery.individuals()
                self._cards = [card_of(one, sightings.get(one.name, [])) for one in individuals]
                self._state = state
            return self._cards


def card_of(individual: Individual, sightings: Sequence[Sighting]) -> Card:
    """The card of an individual with these sightings."""
    best = max(sightings, key=lambda each: (_size(each), -each.id), default=None)
    return Card(individual, best, tuple(sorted({camera for each in sightings if (camera := camera_of(each))})))


def camera_of(sighting: Sighting) -> str:
    """The place where a sighting was made, else the folder of its photo, which is usually a camera's card; '' where neither says it."""
    folder = Path(sighting.photo_path).parent.name if sighting.photo_path else ""
    return sighting.place or ("" if folder == sighting.identity else folder)


def by_time(sightings: Sequence[Sighting]) -> list[Sighting]:
    """Those of a known time first, the newest on top."""
    known = sorted((each for each in sightings if each.taken_at), key=lambda each: (each.taken_at, each.id), reverse=True)
    return [*known, *(each for each in sightings if not each.taken_at)]


def _size(sighting: Sighting) -> float:
    if sighting.box is None:
        return 0.0
    x0, y0, x1, y1 = sighting.box
    return (x1 - x0) * (y1 - y0)
