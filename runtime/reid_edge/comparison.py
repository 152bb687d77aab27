"""The second half of the way of a photo: shortlist gallery animals by their vectors and score each against the query."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from reid_edge.features import Features
from reid_edge.keypoints import Keypoints
from reid_edge.matching import Matches, match_lightglue, match_mutual_nearest
from reid_edge.networks import Networks
from reid_edge.recipe import Match, Recipe
from reid_edge.timings import Timings


class CandidateSource(Protocol):
    """Where candidates come from: a gallery, seen through one pack."""

    def nearest(
        self, embedding: str, vector: NDArray[np.float32], count: int, allowed: NDArray[np.int64] | None
    ) -> NDArray[np.int64]:
        """The sighting ids of the nearest `count` animals by cosine, nearest first, among the allowed ids (None: all)."""

    def vectors(self, embedding: str, sighting_ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """float32 [N, D], in the order of the ids."""

    def keypoints(self, extraction: str, sighting_ids: NDArray[np.int64]) -> list[Keypoints]:
        """One set per id, in their order."""


@dataclass(frozen=True)
class Comparison:
    """A query against its shortlist.

    Attributes:
        sighting_ids: int64 [B], the shortlist, nearest first.
        score_names: S names, the columns of `raw`.
        raw: float64 [B, S], cosines and match counts; NaN where a matcher was not run on a candidate.
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
) -> Comparison:
    """Shortlist and score.

    Args:
        query: the animal's features.
        source: the gallery.
        recipe: how many candidates, which matchers.
        networks: for the matchers that are networks.
        timings: gets the stages ``retrieve``, ``load`` and one per matcher.
        allowed: sighting ids to choose among; None for all.

    Raises:
        EngineError: a network failed.
    """
    names = recipe.score_names
    with timings.stage("retrieve"):
        wanted = recipe.retrieve
        ids = source.nearest(wanted.embedding, query.vectors[wanted.embedding], wanted.candidates, allowed)
        raw = np.full((len(ids), len(names)), np.nan)
        comparison = Comparison(ids, names, raw)
        if not len(ids):
            return comparison
        for embedding in recipe.embed:
            raw[:, names.index(embedding.name)] = source.vectors(embedding.name, ids) @ query.vectors[embedding.name]
    with timings.stage("load"):
        candidates = {name: source.keypoints(name, ids) for name in {match.keypoints for match in recipe.match}}
    for match in recipe.match:
        with timings.stage(match.name):
            rows = _rows_to_match(match, comparison)
            sets = candidates[match.keypoints]
            found = _match(match, query.keypoints[match.keypoints], [sets[row] for row in rows], networks)
            comparison.matches[match.name] = dict(zip(rows, found, strict=True))
            raw[rows, names.index(match.name)] = [len(matches) for matches in found]
    return comparison


def _rows_to_match(match: Match, comparison: Comparison) -> list[int]:
    """Rows of the shortlist that this matcher sees: all, or the best by an earlier score, of equal ones the nearest."""
    if not match.best:
        return list(range(len(comparison.sighting_ids)))
    score = np.nan_to_num(comparison.raw[:, comparison.score_names.index(match.order)], nan=-np.inf)
    return [int(row) for row in np.argsort(-score, kind="stable")[: match.best]]


def _match(match: Match, query: Keypoints, candidates: Sequence[Keypoints], networks: Networks) -> list[Matches]:
    if match.matcher == "mutual-nearest":
        return match_mutual_nearest(query, candidates, match.min_score)
    return match_lightglue(query, candidates, networks[match.network].engine, match.min_score)
