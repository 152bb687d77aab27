"""The second half of the way of a photo: shortlist gallery animals by their vectors and score each against the query."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from reid_edge.features import Features
from reid_edge.heads import boosting_features, classify, of_candidates
from reid_edge.keypoints import Keypoints
from reid_edge.matching import Matches
from reid_edge.matching.pair_scores import match_keypoints, match_pictures, pair_score
from reid_edge.networks import Networks
from reid_edge.recipe import Match, Recipe
from reid_edge.recipe.species import concerns
from reid_edge.recipe.stages import PICTURE_MATCHERS, Head
from reid_edge.reranking import jaccard_distances
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


def compare(
    query: Features,
    source: CandidateSource,
    recipe: Recipe,
    networks: Networks,
    timings: Timings,
    allowed: NDArray[np.int64] | None = None,
    species: str = "",
    viewpoint: str = "",
) -> Comparison:
    """Shortlist and score.

    Args:
        query: the animal's features.
        source: the gallery.
        recipe: how many candidates, which matchers.
        networks: for the matchers that are networks, and for the heads with their labels.
        timings: gets the stages ``retrieve``, ``load`` and one per matcher, re-ranking and head.
        allowed: sighting ids to choose among; None for all.
        species: of the query, for heads; empty where unknown.
        viewpoint: of the query, for heads; empty where unknown.

    Raises:
        EngineError: a network failed.
        PackError: a head gives other probabilities than its labels say.
    """
    names = recipe.score_names
    with timings.stage("retrieve"):
        wanted = recipe.retrieve
        ids = source.nearest(wanted.embedding, query.vectors[wanted.embedding], wanted.candidates, allowed)
        raw = np.full((len(ids), len(names)), np.nan)
        comparison = Comparison(ids, names, raw)
        if not len(ids):
            return comparison
        vectors = {name: source.vectors(name, ids) for name in recipe.embedding_names}
        for name, each in vectors.items():
            raw[:, names.index(name)] = each @ query.vectors[name]
    with timings.stage("load"):
        looks = {match.keypoints for match in recipe.match if match.matcher in PICTURE_MATCHERS}
        pictures = {name: source.pictures(name, ids) for name in looks}
        keypoints = {name: source.keypoints(name, ids) for name in {match.keypoints for match in recipe.match} - looks}
    for match in recipe.match:
        with timings.stage(match.name):
            rows = _rows_to_match(match, comparison)
            if match.keypoints in looks:
                found = match_pictures(match, query, [pictures[match.keypoints][row] for row in rows], networks)
                scores = [float(len(matches)) for matches in found]
            else:
                own, sets = query.keypoints[match.keypoints], [keypoints[match.keypoints][row] for row in rows]
                found = match_keypoints(match, own, sets, recipe, networks)
                scores = [pair_score(match, own, *pair) for pair in zip(sets, found, strict=True)]
            comparison.matches[match.name] = dict(zip(rows, found, strict=True))
            raw[rows, names.index(match.name)] = scores
    for rerank in recipe.rerank:
        with timings.stage(rerank.name):
            distances = jaccard_distances(query.vectors[rerank.embedding], vectors[rerank.embedding], rerank.k1, rerank.k2)
            raw[:, names.index(rerank.name)] = 1 - distances
    owners = [source.identity_of(int(sighting)) for sighting in ids] if recipe.head else []
    for head in recipe.head:
        if concerns(head.species, species):
            with timings.stage(head.name):
                labels = networks.labels[head.name]
                features = _head_features(head, query, source, networks, allowed, species, viewpoint)
                probabilities = classify(features, labels, networks[head.network].engine)
                raw[:, names.index(head.name)] = of_candidates(probabilities, labels, owners)
    return comparison


def _head_features(
    head: Head,
    query: Features,
    source: CandidateSource,
    networks: Networks,
    allowed: NDArray[np.int64] | None,
    species: str,
    viewpoint: str,
) -> NDArray[np.float32]:
    """What a head takes; the neighbours of boosting are the nearest of all that the query may be compared with, on the shortlist or not."""
    vector = query.vectors[head.embedding]
    if head.kind == "classifier":
        return vector
    labels = networks.labels[head.name]
    ids = source.nearest(head.embedding, vector, labels.neighbours, allowed)
    distances = 1 - source.vectors(head.embedding, ids) @ vector
    shown = [source.identity_of(int(sighting)) for sighting in ids]
    return boosting_features(vector, distances, shown, viewpoint, species, labels)


def _rows_to_match(match: Match, comparison: Comparison) -> list[int]:
    """Rows of the shortlist that this matcher sees: all, or the best by an earlier score, of equal ones the nearest."""
    if not match.best:
        return list(range(len(comparison.sighting_ids)))
    score = np.nan_to_num(comparison.raw[:, comparison.score_names.index(match.order)], nan=-np.inf)
    return [int(row) for row in np.argsort(-score, kind="stable")[: match.best]]
