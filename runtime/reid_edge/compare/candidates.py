"""The gallery as the pipeline sees it: through one pack's features, restricted to what a query can be compared with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from reid_edge.compare.matching.first_look import to_fractions
from reid_edge.compare.selection import Selection, agrees, select
from reid_edge.compare.shortlist import most_different
from reid_edge.describe.features import (
    Features,
    descriptor_array,
    halves_array,
    keypoint_arrays,
    keypoints_from_arrays,
    picture_array,
    vector_array,
)
from reid_edge.describe.keypoints import Keypoints
from reid_edge.describe.query import Query
from reid_edge.describe.segmentation import Box
from reid_edge.describe.viewpoint import ViewpointPredictor
from reid_edge.errors import GalleryError, UsageError
from reid_edge.gallery import Gallery, Sighting
from reid_edge.gallery.mapped_rows import MappedRows, RowForm
from reid_edge.gallery.pair_scores import PairScoreFile, PhotoPairs
from reid_edge.gallery.search import VectorIndex
from reid_edge.gallery.time_place import TimesAndPlaces
from reid_edge.gallery.viewpoints import refuse_mistyped_viewpoint
from reid_edge.recipe import Recipe
from reid_edge.recipe.species import applies_to

_PREDICTED_AT_A_TIME = 1000
"""Photos whose vectors are read at a time to predict viewpoints: 10 MB where an embedding has 1280 values."""


class GalleryCandidates:
    """The sightings of a gallery that have features under one key. Made anew when the gallery changes."""

    def __init__(
        self,
        gallery: Gallery,
        feature_key: str,
        predictor: ViewpointPredictor | None = None,
        any_view: bool = False,
        threads: int = 1,
    ) -> None:
        """Read who each sighting is; features are read when asked for.

        Args:
            gallery: the catalogue.
            feature_key: of the features to compare.
            predictor: of the viewpoints that the gallery does not state; None to leave these unknown.
            any_view: a query is compared with photos of every side, see `reid_edge.recipe.Retrieve`.
            threads: that share a search among many vectors.

        Raises:
            GalleryError: the gallery cannot be read.
        """
        self._gallery = gallery
        self._key = feature_key
        self._predictor = predictor
        self._any_view = any_view
        self._threads = threads
        without = {sighting.id for sighting in gallery.sightings_without(feature_key)}
        self._left_out = gallery.left_out(without)
        self._sightings = {sighting.id: sighting for sighting in gallery.sightings() if sighting.id not in without}
        self._ids = np.array(sorted(self._sightings), np.int64)
        self._indexes: dict[str, tuple[VectorIndex, NDArray[np.int64] | None]] = {}
        self._first: dict[tuple[str, int], MappedRows] = {}
        self._pairs: dict[str, Mapping[int, PhotoPairs]] = {}
        self._differing: dict[tuple[str, int, frozenset[int]], frozenset[int]] = {}

    def __len__(self) -> int:
        return len(self._sightings)

    def check_species(self, species: str) -> None:
        """Refuse a species that no animal of the gallery has: mistyped, it would make every animal new.

        Raises:
            UsageError: with the species there are. Nothing is refused where the gallery is empty or no species was given.
        """
        held = sorted({seen.species for seen in self._gallery.sightings()})
        if species and held and not any(agrees(each, species) for each in held):
            raise UsageError(f"The gallery holds no {species}.", f"It holds: {', '.join(held)}. Or leave --species out.")

    def check_viewpoint(self, viewpoint: str) -> None:
        """Refuse a viewpoint that is none: mistyped, it would be compared with nothing.

        Raises:
            UsageError: with the viewpoints there are. Nothing is refused where the gallery has it, or it is a common one.
        """
        if viewpoint.strip():  # the gallery is not asked for each photo that states none
            refuse_mistyped_viewpoint(viewpoint, self._gallery.viewpoints())

    def select(self, query: Query) -> Selection:
        """Which gallery animals the query is compared with, see `reid_edge.compare.selection.select`.

        Raises:
            GalleryError, EngineError, PackError: viewpoints are predicted, and the vectors or the head cannot be read.
        """
        selection = select(self._seen, self._left_out, query, self._any_view)
        if self._any_view or not (query.viewpoint and self._predicted):
            return selection
        count = len(self._predicted)
        note = f"The viewpoint of {count} gallery photo{'' if count == 1 else 's'} was predicted."
        return replace(selection, warnings=(*selection.warnings, note))

    def nearest(
        self, embedding: str, vector: NDArray[np.float32], count: int, allowed: NDArray[np.int64] | None
    ) -> NDArray[np.int64]:
        """See `reid_edge.compare.source.CandidateSource`."""
        if not self._sightings or (allowed is not None and not len(allowed)):
            return np.empty(0, np.int64)
        index, named = self._index(embedding)
        ids, _ = index.search(vector, count, named if allowed is None else allowed, self._threads)
        return ids

    def differing(self, embedding: str, sighting_ids: Sequence[int], count: int) -> list[int]:
        """See `reid_edge.compare.source.CandidateSource`; ties go by the photo's hash, not by its place."""
        if len(sighting_ids) <= count:
            return list(sighting_ids)
        key = (embedding, count, frozenset(sighting_ids))
        if key not in self._differing:
            ordered = sorted(
                sighting_ids, key=lambda each: (self._sightings[each].photo_sha256, self._sightings[each].animal_index)
            )
            rows = most_different(self.vectors(embedding, np.array(ordered, np.int64)), count)
            self._differing[key] = frozenset(ordered[row] for row in rows)
        return [sighting for sighting in sighting_ids if sighting in self._differing[key]]

    def vectors(self, embedding: str, sighting_ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """See `reid_edge.compare.source.CandidateSource`."""
        index, _ = self._index(embedding)
        rows = [index.row_of.get(int(sighting), -1) for sighting in sighting_ids]
        if rows and -1 not in rows:
            return np.asarray(index.vectors[rows])
        name = vector_array(embedding)
        arrays = self._gallery.features([int(sighting) for sighting in sighting_ids], self._key, [name])
        with self._complete():
            return np.array([arrays.get(int(sighting), {})[name] for sighting in sighting_ids], np.float32).reshape(
                len(sighting_ids), -1
            )

    def keypoints(self, extraction: str, sighting_ids: NDArray[np.int64]) -> list[Keypoints]:
        """See `reid_edge.compare.source.CandidateSource`."""
        arrays = self._gallery.features([int(sighting) for sighting in sighting_ids], self._key, keypoint_arrays(extraction))
        with self._complete():
            return [keypoints_from_arrays(arrays.get(int(sighting), {}), extraction) for sighting in sighting_ids]

    def first_descriptors(self, extraction: str, sighting_ids: NDArray[np.int64], points: int) -> NDArray[np.int16]:
        """See `reid_edge.compare.source.CandidateSource`; mapped from a cache that is made when they are first asked for."""
        if (extraction, points) not in self._first:
            name = descriptor_array(extraction)
            form = RowForm(name, f"{name}-{points}", "<i2", lambda stored: to_fractions(stored, points))
            self._first[extraction, points] = self._gallery.mapped_rows(self._key, form)
        mapped = self._first[extraction, points]
        rows = [mapped.row_of.get(int(sighting), -1) for sighting in sighting_ids]
        if -1 not in rows:
            return mapped.rows[rows]
        # Another process took a photo out since: it is compared all the same, as the gallery was when it was opened.
        return np.stack([to_fractions(each.descriptors, points) for each in self.keypoints(extraction, sighting_ids)])

    def features(self, sighting_id: int, recipe: Recipe) -> Features:
        """What is stored of one animal, as a query has it."""
        one, species = np.array([sighting_id], np.int64), self._sightings[sighting_id].species
        names = [name for name in recipe.embedding_names if applies_to(recipe.species_of(name), species)]
        extracts = [each for each in recipe.extract if applies_to(each.species, species)]
        points = [each.name for each in extracts if each.detector != "picture"]
        return Features(
            {name: self.vectors(name, one)[0] for name in names},
            {name: self.keypoints(name, one)[0] for name in points},
            {each.name: self.pictures(each.name, one)[0] for each in extracts if each.detector == "picture"},
        )

    def pair_scores(self, key: str, scores: int) -> Mapping[int, PhotoPairs]:
        """What `reid-edge gallery pairs` found, read once; see `reid_edge.gallery.pair_scores`."""
        if key not in self._pairs:
            self._pairs[key] = PairScoreFile(self._gallery.cache, key, scores).read()
        return self._pairs[key]

    def sighting_ids(self) -> list[int]:
        """All, in ascending order."""
        return [int(each) for each in self._ids]

    def pictures(self, extraction: str, sighting_ids: NDArray[np.int64]) -> list[NDArray[np.uint8]]:
        """One picture uint8 [S, S] per id, in their order, as `reid_edge.describe.picture.take_picture` made it."""
        name = picture_array(extraction)
        arrays = self._gallery.features([int(sighting) for sighting in sighting_ids], self._key, [name])
        with self._complete():
            return [np.asarray(arrays.get(int(sighting), {})[name], np.uint8) for sighting in sighting_ids]

    def _index(self, embedding: str) -> tuple[VectorIndex, NDArray[np.int64] | None]:
        """The vectors, and which sightings of theirs have a name here; None for all."""
        if embedding not in self._indexes:
            index = self._gallery.vector_index(self._key, vector_array(embedding))
            # Another process may have added to the gallery since: only sightings that were there at the start have a name here.
            self._indexes[embedding] = index, (None if np.isin(index.ids, self._ids).all() else self._ids)
        return self._indexes[embedding]

    @cached_property
    def _seen(self) -> list[Sighting]:
        """The sightings as a query is held against them: with the predicted viewpoint where none is stated and the prediction is used."""
        return [
            replace(seen, viewpoint=self._predicted[number]) if number in self._predicted else seen
            for number, seen in self._sightings.items()
        ]

    @cached_property
    def _predicted(self) -> dict[int, str]:
        """By sighting, the predicted viewpoints that are used.

        A gallery stores the vectors that they are predicted from, beside what people stated, of photos that a pack with a viewpoint head
        enrolled. Of others without a stated viewpoint it stays unknown.
        """
        predictor = self._predictor
        if predictor is None:
            return {}
        unstated = [number for number, seen in self._sightings.items() if not seen.viewpoint]
        name, used = halves_array(predictor.stage.embedding), dict[int, str]()
        for start in range(0, len(unstated), _PREDICTED_AT_A_TIME):
            arrays = self._gallery.features(unstated[start : start + _PREDICTED_AT_A_TIME], self._key, [name])
            for number, stored in arrays.items():
                if name in stored:
                    (predicted,) = predictor.predict(np.asarray(stored[name], np.float32)[None])
                    used |= {number: predicted.name} if predicted.used else {}
        return used

    @contextmanager
    def _complete(self) -> Iterator[None]:
        try:
            yield
        except KeyError as error:
            raise GalleryError(
                f"A sighting of the gallery {self._gallery.path} lacks the features {error}.",
                "Run: reid-edge gallery check; then remove that sighting and add its photo again.",
            ) from error

    def rejected(self, photo_sha256: str, animal_index: int, box: Box) -> tuple[str, ...]:
        """The individuals that a person said this animal of this photo is not."""
        reviews = self._gallery.reviews_of_animal(photo_sha256, animal_index, box)
        return tuple(each.identity for each in reviews if each.kind == "rejected" and each.identity is not None)

    @cached_property
    def times_and_places(self) -> TimesAndPlaces:
        """When and where the photos were taken."""
        return TimesAndPlaces(list(self._sightings.values()))

    def identity_of(self, sighting_id: int) -> str:
        """The individual's name."""
        return self._sightings[sighting_id].identity

    def individual_numbers(self, sighting_ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """See `reid_edge.compare.source.CandidateSource`."""
        return self._individual_numbers[np.searchsorted(self._ids, sighting_ids)]

    @cached_property
    def _individual_numbers(self) -> NDArray[np.int64]:
        """Of all sightings, in the order of their ids."""
        numbers: dict[str, int] = {}
        return np.array([numbers.setdefault(self.identity_of(int(each)), len(numbers)) for each in self._ids], np.int64)

    def species_of(self, sighting_id: int) -> str:
        """As the gallery spells it; empty where it is not known."""
        return self._sightings[sighting_id].species

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
