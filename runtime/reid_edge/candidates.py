"""The gallery as the pipeline sees it: through one pack's features, restricted to what a query can be compared with."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from reid_edge.features import keypoint_arrays, keypoints_from_arrays, vector_array
from reid_edge.gallery import Gallery, Sighting
from reid_edge.gallery.search import VectorIndex
from reid_edge.keypoints import Keypoints


@dataclass(frozen=True)
class Selection:
    """Which gallery animals a query is compared with.

    Attributes:
        ids: int64, sighting ids; None for all.
        species: the species that all of them share; empty where they differ or do not say.
        warnings: how the selection could not be what was asked for.
        nothing_to_compare: why there are none, one sentence; empty where there are some.
        side_unseen: there are none only because of the viewpoint.
    """

    ids: NDArray[np.int64] | None
    species: str
    warnings: tuple[str, ...] = ()
    nothing_to_compare: str = ""
    side_unseen: bool = False


class GalleryCandidates:
    """The sightings of a gallery that have features under one key. Made anew when the gallery changes."""

    def __init__(self, gallery: Gallery, feature_key: str) -> None:
        """Read who each sighting is; vectors and keypoints are read when asked for.

        Raises:
            GalleryError: the gallery cannot be read.
        """
        self._gallery = gallery
        self._key = feature_key
        without = {sighting.id for sighting in gallery.sightings_without(feature_key)}
        self._sightings = {sighting.id: sighting for sighting in gallery.sightings() if sighting.id not in without}
        self._indexes: dict[str, VectorIndex] = {}

    def __len__(self) -> int:
        return len(self._sightings)

    def select(self, species: str, viewpoint: str) -> Selection:
        """Restrict to a species and to a viewpoint; a side of the gallery that does not say what it is stays in.

        Args:
            species: the query's, empty for any.
            viewpoint: the query's, empty where unknown.
        """
        if not self._sightings:
            return Selection(np.empty(0, np.int64), "", nothing_to_compare="The gallery is empty, so every animal is new to it.")
        chosen = [sighting for sighting in self._sightings.values() if not species or sighting.species in ("", species)]
        if not chosen:
            why = f"The gallery holds no {species}, so every one is new to it."
            return Selection(np.empty(0, np.int64), species, nothing_to_compare=why)
        warnings: tuple[str, ...] = ()
        if viewpoint:
            seen = [sighting for sighting in chosen if sighting.viewpoint in ("", viewpoint)]
            if not seen:
                why = f"The gallery holds no photo from the {viewpoint}; the animal may be known from another side. A person should look."
                return Selection(np.empty(0, np.int64), _shared_species(chosen), nothing_to_compare=why, side_unseen=True)
            unsaid = sum(not sighting.viewpoint for sighting in seen)
            if unsaid:
                warnings = (f"{unsaid} of {len(seen)} gallery photos do not say which side they show; all were compared.",)
            chosen = seen
        elif any(sighting.viewpoint for sighting in chosen) and len({sighting.viewpoint for sighting in chosen}) > 1:
            warnings = ("The photo's viewpoint is not known, so it was compared with animals seen from every side.",)
        ids = None if len(chosen) == len(self._sightings) else np.array(sorted(sighting.id for sighting in chosen), np.int64)
        return Selection(ids, _shared_species(chosen), warnings)

    def nearest(
        self, embedding: str, vector: NDArray[np.float32], count: int, allowed: NDArray[np.int64] | None
    ) -> NDArray[np.int64]:
        """See `reid_edge.comparison.CandidateSource`."""
        if not self._sightings or (allowed is not None and not len(allowed)):
            return np.empty(0, np.int64)
        if embedding not in self._indexes:
            self._indexes[embedding] = VectorIndex.open(self._gallery, self._key, vector_array(embedding))
        ids, _ = self._indexes[embedding].search(vector, count, allowed)
        return ids

    def vectors(self, embedding: str, sighting_ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """See `reid_edge.comparison.CandidateSource`."""
        name = vector_array(embedding)
        arrays = self._gallery.features([int(sighting) for sighting in sighting_ids], self._key, [name])
        return np.array([arrays[int(sighting)][name] for sighting in sighting_ids], np.float32).reshape(len(sighting_ids), -1)

    def keypoints(self, extraction: str, sighting_ids: NDArray[np.int64]) -> list[Keypoints]:
        """See `reid_edge.comparison.CandidateSource`."""
        arrays = self._gallery.features([int(sighting) for sighting in sighting_ids], self._key, keypoint_arrays(extraction))
        return [keypoints_from_arrays(arrays[int(sighting)], extraction) for sighting in sighting_ids]

    def identity_of(self, sighting_id: int) -> str:
        """The individual's name."""
        return self._sightings[sighting_id].identity

    def photo_of(self, sighting_id: int) -> str:
        """The photo's file name."""
        return self._sightings[sighting_id].photo_name

    def sighting(self, sighting_id: int) -> Sighting:
        """All that the gallery knows of a sighting."""
        return self._sightings[sighting_id]

    def holds_photo(self, sha256: str) -> str | None:
        """The individual that this very photo is enrolled as."""
        return self._by_photo.get(sha256)

    @cached_property
    def _by_photo(self) -> dict[str, str]:
        return {sighting.photo_sha256: sighting.identity for sighting in self._sightings.values()}


def _shared_species(sightings: list[Sighting]) -> str:
    species = {sighting.species for sighting in sightings}
    return species.pop() if len(species) == 1 else ""
