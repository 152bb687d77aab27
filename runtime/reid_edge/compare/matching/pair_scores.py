"""A matcher of the recipe, run on a query and its candidates, and what of its matches is the pair score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from reid_edge.compare.matching.inliers import count_inliers
from reid_edge.compare.matching.matches import Matches
from reid_edge.compare.matching.registry import IMPLEMENTATIONS, Settings
from reid_edge.describe.keypoints import Keypoints
from reid_edge.engines.networks import Networks
from reid_edge.recipe import Match, Recipe
from reid_edge.threads import in_shares

Comparable: TypeAlias = Keypoints | NDArray[np.uint8]


def match_pairs(
    match: Match, query: Comparable, candidates: Sequence[Comparable], recipe: Recipe, networks: Networks
) -> list[Matches]:
    """Run a matcher; one `Matches` per candidate.

    Args:
        match: the matcher, of a recipe that was checked.
        query, candidates: `Keypoints`, or pictures, uint8 [S, S], as `match.rules` says.
        recipe: whose `extract` found them.
        networks: the pack's.

    Raises:
        EngineError: a network failed.
        UsageError: the network asks for more of a keypoint than these have.
    """
    found_by = next(extract.network for extract in recipe.extract if extract.name == match.keypoints)
    settings = Settings(
        match.min_score,
        networks[match.network] if match.network else None,
        networks.preprocessing(found_by) if found_by else None,
    )
    run = IMPLEMENTATIONS[match.matcher]
    if match.network:
        return run(query, candidates, settings)
    return in_shares(lambda some: run(query, some, settings), candidates, networks.device.threads)


def pair_score(match: Match, query: Comparable, candidate: Comparable, matches: Matches) -> float:
    """What the recipe counts of the matches; a share of no keypoints is 0. Of pictures a recipe counts the matches themselves, or adds
    their scores. How distinctive they are is no matter of one pair, see `reid_edge.compare.matching.distinctive`.
    """
    if match.count == "inliers" and isinstance(query, Keypoints) and isinstance(candidate, Keypoints):
        return count_inliers(query, candidate, matches, match.inlier_pixels, match.geometry)
    if match.count == "sum":
        return float(matches.scores.sum(dtype=np.float64))
    return len(matches) / max(1, len(query)) if match.count == "share" else float(len(matches))


def highest_score(match: Match, query: Keypoints, candidate: Keypoints) -> float:
    """What `pair_score` cannot exceed, whatever the matches: a query's keypoint is matched once, a candidate's once by most matchers, with
    a score of 1 at most.
    """
    most = min(len(query), len(candidate)) if match.rules.one_to_one else len(query)
    return most / max(1, len(query)) if match.count == "share" else most


def pairs_at_a_time(match: Match, networks: Networks) -> int:
    """How many candidates a matcher had best be given at a time, where it may stop between."""
    return networks[match.network].run_shape.pairs if match.network else 1
