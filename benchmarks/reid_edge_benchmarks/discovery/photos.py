"""The photos of a labelled set as a discovery sees them, all compared once whatever is known of them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reid_edge.compare.candidates import GalleryCandidates
from reid_edge.discover.constraints import Seen
from reid_edge.discover.discovery import Discovery, Taking
from reid_edge.gallery import Gallery
from reid_edge.identify.enrolment import enrol
from reid_edge.identify.identifier import Identifier
from reid_edge_calibration.labels.labelled_set import LabelledSet
from reid_edge_calibration.progress import Progress


@dataclass(frozen=True)
class ComparedSet:
    """A labelled set, all of its photos compared with each other.

    Attributes:
        name: of the set.
        discovery: of it, nobody known.
        truth: whom each of its animals shows, in the order of `discovery.seen`.
    """

    name: str
    discovery: Discovery
    truth: NDArray[np.str_]

    def knowing(self, individuals: Collection[str], photos: int) -> Discovery:
        """The same where a catalogue holds so many photos of each of these individuals, the first by their hash."""
        held: dict[str, int] = {}
        seen = []
        for each, name in zip(self.discovery.seen, self.truth, strict=True):
            known = name in individuals and held.get(name, 0) < photos
            held[name] = held.get(name, 0) + known
            seen.append(Seen(each.sighting, str(name) if known else ""))
        return self.discovery.with_seen(seen)


def compare_set(labelled: LabelledSet, identifier: Identifier, folder: Path, progress: Progress) -> ComparedSet:
    """Describe and compare all photos of a set, database and queries alike.

    Args:
        labelled: the photos.
        identifier: the pack.
        folder: keeps what was described and compared; what is there is continued.
        progress: wraps an iterable, a word for it and its length.

    Raises:
        EngineError, GalleryError, StorageError: it cannot go on.
    """
    path = folder / f"{labelled.name}-{labelled.fold}-discovery-{identifier.feature_key[:12]}.sqlite"
    photos = [*labelled.database, *labelled.queries]
    with Gallery.open_or_create(path) as gallery:
        enrol(gallery, identifier, progress(photos, f"Describing {labelled.name}", len(photos)))
        source = GalleryCandidates(gallery, identifier.feature_key)
        sightings = gallery.sightings()
        taking = [Taking(Seen(replace(each, identity="")), source) for each in sightings]
        discovery = Discovery(taking, identifier, path)
        remaining = discovery.remaining
        for _ in progress(discovery.compare(remaining), f"Comparing {labelled.name}", len(remaining)):
            pass
    names = {each.id: each.identity for each in sightings}
    return ComparedSet(labelled.name, discovery, np.array([names[each.sighting.id] for each in discovery.seen]))
