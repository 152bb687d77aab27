"""The gallery as the pipeline sees it: through one pack's features, restricted to what a query can be compared with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from reid_edge.describe.features import keypoint_arrays, keypoints_from_arrays, picture_array, vector_array
from reid_edge.describe.keypoints import Keypoints
from reid_edge.errors import GalleryError, UsageError
from reid_edge.gallery import Gallery, Sighting
from reid_edge.gallery.search import VectorIndex


@dataclass(frozen=True)
class Selection:
    """Which gallery animals a query is compared with.

    Attributes:
        ids: int64, sighting ids; None for all.
        species: the species that all of them share; empty where they differ or do not say.
        warnings: how the selection could not be what was asked for.
        nothing_to_compare: why there are none, one sentence; empty where there are some.
        doubt: why an animal that is near none of them may be known all the same; empty where there is no such reason.
        may_be_known: there are none, yet the animal may be one of the gallery's: seen from another side, or not described.
    """

    ids: NDArray[np.int64] | None
    species: str
    warnings: tuple[str, ...] = ()
    nothing_to_compare: str = ""
    may_be_known: bool = False
    doubt: str = ""

    def doubt_about(self, found: bool) -> str:
        """Why an animal that is near none of them may not be new: `doubt`, or that no animal stood out in the photo."""
        return self.doubt if found else "No animal stands out in this photo, and there may be none."


class GalleryCandidates:
    """The sightings of a gallery that have features under one key. Made anew when the gallery changes."""

    def __init__(self, gallery: Gallery, feature_key: str) -> None:
        """Read who each sighting is; features are read when asked for.

        Raises:
            GalleryError: the gallery cannot be read.
        """
        self._gallery = gallery
        self._key = feature_key
        without = {sighting.id for sighting in gallery.sightings_without(feature_key)}
        self._undescribed = len(without)
        self._sightings = {sighting.id: sighting for sighting in gallery.sightings() if sighting.id not in without}
        self._ids = np.array(sorted(self._sightings), np.int64)
        self._indexes: dict[str, tuple[VectorIndex, NDArray[np.int64] | None]] = {}

    def __len__(self) -> int:
        return len(self._sightings)

    def check_species(self, species: str) -> None:
        """Refuse a species that no animal of the gallery has: mistyped, it would make every animal new.

        Raises:
            UsageError: with the species there are. Nothing is refused where the gallery is empty or no species was given.
        """
        there = sorted({seen.species for seen in self._gallery.sightings()})
        if species and there and not any(_says(known, species) for known in there):
            raise UsageError(f"The gallery holds no {species}.", f"It holds: {', '.join(there)}. Or leave --species out.")

    def select(self, species: str, viewpoint: str) -> Selection:
        """Restrict to a species and to a viewpoint, in any case of letters; a side that the gallery does not tell stays in.

        Args:
            species: the query's, empty for any.
            viewpoint: the query's, empty where unknown.
        """
        if not self._sightings and self._undescribed:
            why = "No photo of the gallery could be described with this pack, so nothing was compared. A person should look."
            return _nothing("", why, may_be_known=True)
        if not self._sightings:
            return _nothing("", "The gallery is empty, so every animal is new to it.")
        chosen = [seen for seen in self._sightings.values() if not species or _says(seen.species, species)]
        if not chosen and self._undescribed:
            why = f"No {species} of the gallery could be described with this pack, so nothing was compared. A person should look."
            return _nothing(species, why, may_be_known=True)
        if not chosen:
            there = ", ".join(sorted({seen.species for seen in self._sightings.values()}))
            return _nothing(species, f"The gallery holds no {species}, so every one is new to it; it holds {there}.")
        warnings: list[str] = []
        doubt = ""
        if viewpoint:
            same_side = [seen for seen in chosen if _says(seen.viewpoint, viewpoint)]
            if not same_side:
                why = f"The gallery holds no photo from the {viewpoint}; the animal may be known from another side. A person should look."
                return _nothing(_shared_species(chosen), why, may_be_known=True)
            chosen = same_side
            unsaid = sum(not seen.viewpoint for seen in chosen)
            if unsaid:
                warnings.append(f"{unsaid} of {len(chosen)} gallery photos do not say which side they show; all were compared.")
        elif any(seen.viewpoint for seen in chosen):
            sides = sorted({seen.viewpoint or "a side that is not told" for seen in chosen})
            warnings.append(f"Which side the photo shows is not known (--viewpoint); it was compared with {' and '.join(sides)}.")
            if len(sides) == 1:
                doubt = f"The gallery shows {sides[0]} sides only, and this photo may show another."
        if self._undescribed:
            warnings.append(f"Gallery photos left out because this pack has not described them: {self._undescribed}.")
        ids = None if len(chosen) == len(self._sightings) else np.array(sorted(sighting.id for sighting in chosen), np.int64)
        return Selection(ids, _shared_species(chosen), tuple(warnings), doubt=doubt)

    def nearest(
        self, embedding: str, vector: NDArray[np.float32], count: int, allowed: NDArray[np.int64] | None
    ) -> NDArray[np.int64]:
        """See `reid_edge.compare.comparison.CandidateSource`."""
        if not self._sightings or (allowed is not None and not len(allowed)):
            return np.empty(0, np.int64)
        if embedding not in self._indexes:
            index = self._gallery.vector_index(self._key, vector_array(embedding))
            # Another process may have added to the gallery since: only sightings that were there at the start have a name here.
            self._indexes[embedding] = index, (None if np.isin(index.ids, self._ids).all() else self._ids)
        index, named = self._indexes[embedding]
        ids, _ = index.search(vector, count, named if allowed is None else allowed)
        return ids

    def vectors(self, embedding: str, sighting_ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """See `reid_edge.compare.comparison.CandidateSource`."""
        name = vector_array(embedding)
        arrays = self._gallery.features([int(sighting) for sighting in sighting_ids], self._key, [name])
        with self._complete():
            return np.array([arrays.get(int(sighting), {})[name] for sighting in sighting_ids], np.float32).reshape(
                len(sighting_ids), -1
            )

    def keypoints(self, extraction: str, sighting_ids: NDArray[np.int64]) -> list[Keypoints]:
        """See `reid_edge.compare.comparison.CandidateSource`."""
        arrays = self._gallery.features([int(sighting) for sighting in sighting_ids], self._key, keypoint_arrays(extraction))
        with self._complete():
            return [keypoints_from_arrays(arrays.get(int(sighting), {}), extraction) for sighting in sighting_ids]

    def pictures(self, extraction: str, sighting_ids: NDArray[np.int64]) -> list[NDArray[np.uint8]]:
        """One picture uint8 [S, S] per id, in their order, as `reid_edge.describe.picture.take_picture` made it."""
        name = picture_array(extraction)
        arrays = self._gallery.features([int(sighting) for sighting in sighting_ids], self._key, [name])
        with self._complete():
            return [np.asarray(arrays.get(int(sighting), {})[name], np.uint8) for sighting in sighting_ids]

    @contextmanager
    def _complete(self) -> Iterator[None]:
        try:
            yield
        except KeyError as error:
            raise GalleryError(
                f"A sighting of the gallery {self._gallery.path} lacks the features {error}.",
                "Run: reid-edge gallery check; then remove that sighting and add its photo again.",
            ) from error

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


def _nothing(species: str, why: str, may_be_known: bool = False) -> Selection:
    return Selection(np.empty(0, np.int64), species, nothing_to_compare=why, may_be_known=may_be_known)


def _says(said: str, asked: str) -> bool:
    """Whether a fact of the gallery is the one asked for, or is not known."""
    return said.casefold() in ("", asked.casefold())


def _shared_species(sightings: list[Sighting]) -> str:
    species = {sighting.species for sighting in sightings}
    return species.pop() if len(species) == 1 else ""
