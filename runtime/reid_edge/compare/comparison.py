"""The second half of the way of a photo: shortlist gallery animals by their vectors and score each against the query."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from reid_edge.compare.heads import boosting_features, classify, of_candidates
from reid_edge.compare.matching import Matches
from reid_edge.compare.matching.pair_scores import highest_score, match_pairs, pair_score, pairs_at_a_time
from reid_edge.compare.reranking import jaccard_distances
from reid_edge.compare.selection import Selection
from reid_edge.describe.features import Features
from reid_edge.describe.keypoints import Keypoints
from reid_edge.engines.networks import Networks
from reid_edge.recipe import EarlyExit, Match, Recipe
from reid_edge.recipe.species import applies_to
from reid_edge.recipe.stages import Head
from reid_edge.timings import Timings


class CandidateSource(Protocol):
    """Where candidates come from: a gallery, seen through one pack."""

    def identity_of(self, sighting_id: int) -> str:
        """The individual's name."""

    def nearest(
        self, embedding: str, vector: NDArray[np.float32], count: int, allowed: NDArray[np.int64] | None
    ) -> NDArray[np.int64]:
        """The sighting ids of the nearest `count` animals by cosine, nearest first, among the allowed ids (None: all)."""

    def vectors(self, embedding: str, sighting_ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """float32 [N, D], in the order of the ids."""

    def keypoints(self, extraction: str, sighting_ids: NDArray[np.int64]) -> list[Keypoints]:
        """One set per id, in their order."""

    def pictures(self, extraction: str, sighting_ids: NDArray[np.int64]) -> list[NDArray[np.uint8]]:
        """One picture uint8 [S, S] per id, in their order."""


@dataclass(frozen=True)
class Comparison:
    """A query against its shortlist.

    Attributes:
        sighting_ids: int64 [B], the shortlist, nearest first.
        score_names: S names, the columns of `raw`.
        raw: float64 [B, S], cosines, match counts, shares of neighbours in common, probabilities; NaN where a matcher was not run on a
            candidate, or a head does not know its individual or the species.
        matches: by matcher name, by row of the shortlist.
    """

    sighting_ids: NDArray[np.int64]
    score_names: tuple[str, ...]
    raw: NDArray[np.float64]
    matches: dict[str, dict[int, Matches]] = field(default_factory=dict)


class MayStop(Protocol):
    """Says of a comparison that is not finished whether its answer is, see `reid_edge.decide.early_exit.EarlyExitCheck`."""

    def __call__(self, comparison: Comparison, column: int, ceilings: Mapping[int, float]) -> bool:
        """Whether the answer stays, whatever the rows of `ceilings` score up to these in the column."""


@dataclass(frozen=True)
class Comparer:
    """Compares animals with a gallery.

    Attributes:
        recipe: how many candidates, which matchers.
        networks: for the matchers that are networks, and for the heads with their labels.
        source: the gallery.
    """

    recipe: Recipe
    networks: Networks
    source: CandidateSource

    def compare(self, features: Features, selection: Selection, timings: Timings, may_stop: MayStop | None = None) -> Comparison:
        """Shortlist and score.

        Args:
            features: the animal's.
            selection: which gallery animals may be candidates, and for heads the query's species and viewpoint.
            timings: gets the stages ``retrieve``, ``load`` and one per matcher, re-ranking and head.
            may_stop: lets the last matcher stop early where the recipe says so; all candidates are matched without it.

        Raises:
            EngineError: a network failed.
            PackError: a head gives other probabilities than its labels say.
        """
        recipe, names = self.recipe, self.recipe.score_names
        with timings.stage("retrieve"):
            retrieve = recipe.retrieve
            vector = features.vectors[retrieve.embedding]
            ids = self.source.nearest(retrieve.embedding, vector, retrieve.candidates, selection.ids)
            raw = np.full((len(ids), len(names)), np.nan)
            comparison = Comparison(ids, names, raw)
            if not len(ids):
                return comparison
            vectors = {name: self.source.vectors(name, ids) for name in recipe.embedding_names}
            for name, each in vectors.items():
                raw[:, names.index(name)] = each @ features.vectors[name]
        with timings.stage("load"):
            stored = _Stored.of(ids, self.source, recipe)
        for match in recipe.match:
            with timings.stage(match.name):
                self._match(match, features, stored, comparison, may_stop)
        for rerank in recipe.rerank:
            with timings.stage(rerank.name):
                vector = features.vectors[rerank.embedding]
                distances = jaccard_distances(vector, vectors[rerank.embedding], rerank.k1, rerank.k2)
                raw[:, names.index(rerank.name)] = 1 - distances
        owners = [self.source.identity_of(int(sighting)) for sighting in ids] if recipe.head else []
        for head in recipe.head:
            if applies_to(head.species, selection.query.species):
                with timings.stage(head.name):
                    probabilities = self._classify(head, features, selection)
                    raw[:, names.index(head.name)] = of_candidates(probabilities, self.networks.labels[head.name], owners)
        return comparison

    def _match(self, match: Match, features: Features, stored: _Stored, comparison: Comparison, may_stop: MayStop | None) -> None:
        """Run one matcher, batch by batch where it may stop between."""
        early = self.recipe.early_exit if may_stop and match is self.recipe.match[-1] else None
        rows = _rows_to_match(match, comparison)
        size = pairs_at_a_time(match, self.networks) if early else max(1, len(rows))
        for start in range(0, len(rows), size):
            self._score(match, rows[start : start + size], features, stored, comparison)
            left = rows[start + size :]
            if early and may_stop and left:
                ceilings = _ceilings(match, _highest_scores(match, left, features, stored), early, comparison)
                if may_stop(comparison, comparison.score_names.index(match.name), ceilings):
                    break

    def _score(self, match: Match, rows: list[int], features: Features, stored: _Stored, comparison: Comparison) -> None:
        """Match these rows of the shortlist and enter their scores."""
        of_pictures = match.rules.pictures
        query = (features.pictures if of_pictures else features.keypoints)[match.keypoints]
        shortlisted = (stored.pictures if of_pictures else stored.keypoints)[match.keypoints]
        candidates = [shortlisted[row] for row in rows]
        found = match_pairs(match, query, candidates, self.recipe, self.networks)
        scores = [pair_score(match, query, *pair) for pair in zip(candidates, found, strict=True)]
        comparison.matches.setdefault(match.name, {}).update(zip(rows, found, strict=True))
        comparison.raw[rows, comparison.score_names.index(match.name)] = scores

    def _classify(self, head: Head, features: Features, selection: Selection) -> NDArray[np.float64]:
        """A head's probabilities; the neighbours of boosting are the nearest of all that the query may be compared with, on the shortlist
        or not.
        """
        vector, labels = features.vectors[head.embedding], self.networks.labels[head.name]
        if head.kind == "boosting":
            ids = self.source.nearest(head.embedding, vector, labels.neighbours, selection.ids)
            distances = 1 - self.source.vectors(head.embedding, ids) @ vector
            shown = [self.source.identity_of(int(sighting)) for sighting in ids]
            vector = boosting_features(vector, distances, shown, selection.query, labels)
        return classify(vector, labels, self.networks[head.network].engine)


@dataclass(frozen=True)
class _Stored:
    """What the gallery holds of the shortlist: by extraction, one set of keypoints or one picture per row."""

    keypoints: Mapping[str, list[Keypoints]]
    pictures: Mapping[str, list[NDArray[np.uint8]]]

    @classmethod
    def of(cls, ids: NDArray[np.int64], source: CandidateSource, recipe: Recipe) -> _Stored:
        looks = {match.keypoints for match in recipe.match if match.rules.pictures}
        others = {match.keypoints for match in recipe.match} - looks
        return cls({name: source.keypoints(name, ids) for name in others}, {name: source.pictures(name, ids) for name in looks})


def _highest_scores(match: Match, rows: list[int], features: Features, stored: _Stored) -> dict[int, float]:
    keypoints = features.keypoints[match.keypoints]
    return {row: highest_score(match, keypoints, stored.keypoints[match.keypoints][row]) for row in rows}


def _ceilings(match: Match, highest: dict[int, float], early: EarlyExit, comparison: Comparison) -> dict[int, float]:
    """The highest score that each of these rows may reach, or is assumed to reach, see `reid_edge.recipe.EarlyExit`."""
    if not early.per_match:
        return highest
    orders = comparison.raw[:, comparison.score_names.index(match.order)]
    return {row: min(most, early.per_match * float(orders[row]) + early.spare) for row, most in highest.items()}


def _rows_to_match(match: Match, comparison: Comparison) -> list[int]:
    """Rows of the shortlist that this matcher sees: all, or the best by an earlier score, of equal ones the nearest."""
    if not match.best:
        return list(range(len(comparison.sighting_ids)))
    score = np.nan_to_num(comparison.raw[:, comparison.score_names.index(match.order)], nan=-np.inf)
    return [int(row) for row in np.argsort(-score, kind="stable")[: match.best]]
