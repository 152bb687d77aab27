"""One photo of the gallery against the others that it could show the same individual as: a few pairs, each with its score."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from reid_edge.audit.evidence_score import EvidenceScore
from reid_edge.compare.candidates import GalleryCandidates
from reid_edge.compare.comparison import Comparer
from reid_edge.compare.matching.pair_scores import Comparable, match_pairs, pair_score
from reid_edge.compare.selection import Selection, agrees
from reid_edge.compare.shortlist import rows_to_match
from reid_edge.describe.features import Features
from reid_edge.engines.networks import Networks
from reid_edge.gallery import Gallery, Sighting
from reid_edge.recipe import Recipe, Retrieve
from reid_edge.timings import Timings

Pair: TypeAlias = tuple[int, int]
"""Two sighting ids, the smaller one first."""

SHORTLISTED_INDIVIDUALS, SHORTLISTED_PHOTOS = 100, 8
"""The coarse look is at so many individuals, the nearest by their vectors, and so many photos of each."""

MATCHED_INDIVIDUALS, MATCHED_PHOTOS = 8, 16
"""So many other individuals are matched, and so many of their photos, shared out evenly."""

NEAREST_OF_ITS_OWN, DIFFERENT_OF_ITS_OWN = 6, 6
"""A photo is matched with so many photos of its own individual: the nearest ones, and some that differ."""


def alike(first: Sighting, second: Sighting) -> bool:
    """Whether two photos can be expected to match if they show one individual: of one species and one side, as far as these are known,
    and not two animals of one photo.
    """
    same_side = not first.viewpoint or agrees(second.viewpoint, first.viewpoint)
    same_species = not first.species or agrees(second.species, first.species)
    return same_side and same_species and first.photo_sha256 != second.photo_sha256


class PhotoComparer:
    """Compares single photos of a gallery with the rest of it.

    Attributes:
        score: what pairs are scored by.
        sightings: those that the pack has described, in the order of the gallery.
    """

    def __init__(self, gallery: Gallery, feature_key: str, recipe: Recipe, networks: Networks) -> None:
        """Read who each sighting is.

        Raises:
            GalleryError: the gallery cannot be read.
        """
        self.score = EvidenceScore.of(recipe)
        self._recipe = recipe
        self._networks = networks
        undescribed = {each.id for each in gallery.sightings_without(feature_key)}
        self.sightings = [each for each in gallery.sightings() if each.id not in undescribed]
        self._stored = GalleryCandidates(gallery, feature_key)
        coarse = self.score.coarse
        choosing = replace(
            recipe,
            retrieve=Retrieve(recipe.retrieve.embedding, SHORTLISTED_INDIVIDUALS, "individuals", SHORTLISTED_PHOTOS),
            match=(coarse,) if coarse else (),
            rerank=(),
            head=(),
            early_exit=None,
        )
        self._chooser = Comparer(choosing, networks, self._stored)

    def compare(self, sighting: Sighting, done: Collection[Pair] = ()) -> dict[int, float]:
        """Score a photo against the photos of its own individual and of those that resemble it most.

        Args:
            sighting: one of `sightings`.
            done: pairs that need no score.

        Returns:
            By sighting id of the other photo, the score.

        Raises:
            EngineError: a network failed.
            GalleryError: a feature cannot be read.
        """
        others = [each for each in self.sightings if alike(sighting, each)]
        chosen = self._of_its_own(sighting, [each.id for each in others if each.identity == sighting.identity])
        chosen += self._of_others(sighting, [each.id for each in others if each.identity != sighting.identity])
        missing = [each for each in dict.fromkeys(chosen) if pair_of(sighting.id, each) not in done]
        return dict(zip(missing, self._scores(sighting.id, missing), strict=True)) if missing else {}

    def _of_its_own(self, sighting: Sighting, ids: list[int]) -> list[int]:
        embedding = self._recipe.retrieve.embedding
        vector = self._stored.vectors(embedding, np.array([sighting.id], np.int64))[0]
        nearest = self._stored.nearest(embedding, vector, NEAREST_OF_ITS_OWN, np.array(sorted(ids), np.int64))
        return [*map(int, nearest), *self._stored.differing(embedding, ids, DIFFERENT_OF_ITS_OWN)]

    def _of_others(self, sighting: Sighting, ids: list[int]) -> list[int]:
        """The best photos of the best other individuals at a coarse look. Its own individual is left out of the look: as a rival it would
        hide its double.
        """
        if not ids:
            return []
        comparison = self._chooser.compare(self._features(sighting.id), Selection(np.array(sorted(ids), np.int64)), Timings())
        column = self.score.coarse.name if self.score.coarse else self._recipe.retrieve.embedding
        scores = comparison.raw[:, comparison.score_names.index(column)]
        individuals = min(MATCHED_INDIVIDUALS, len(set(comparison.owners)))
        rows = rows_to_match(scores, comparison.owners, individuals, MATCHED_PHOTOS // max(1, individuals))
        return [int(comparison.sighting_ids[row]) for row in rows]

    def _features(self, sighting_id: int) -> Features:
        ids, coarse = np.array([sighting_id], np.int64), self.score.coarse
        vectors = {name: self._stored.vectors(name, ids)[0] for name in self._recipe.embedding_names}
        return Features(vectors, {coarse.keypoints: self._stored.keypoints(coarse.keypoints, ids)[0]} if coarse else {})

    def _scores(self, sighting_id: int, others: Sequence[int]) -> list[float]:
        match, ids = self.score.match, np.array([sighting_id, *others], np.int64)
        if match is None:
            query, *vectors = self._stored.vectors(self._recipe.retrieve.embedding, ids)
            return [float(query @ vector) for vector in vectors]
        stored: list[Comparable]
        if match.rules.pictures:
            stored = list(self._stored.pictures(match.keypoints, ids))
        else:
            points = match.points
            stored = [each.first(points) if points else each for each in self._stored.keypoints(match.keypoints, ids)]
        found = match_pairs(match, stored[0], stored[1:], self._recipe, self._networks)
        return [float(pair_score(match, stored[0], *pair)) for pair in zip(stored[1:], found, strict=True)]


def pair_of(first: int, second: int) -> Pair:
    """Two sighting ids as one key, whatever their order."""
    return (first, second) if first < second else (second, first)
