"""A matcher of the recipe: which code runs it, on what, and what of its matches is the pair score."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from reid_edge.compare.matching.adalam import match_adalam
from reid_edge.compare.matching.affine_points import AffinePoints
from reid_edge.compare.matching.geometry_aware import match_fginn
from reid_edge.compare.matching.inliers import count_inliers
from reid_edge.compare.matching.lightglue import match_lightglue
from reid_edge.compare.matching.lightglue import pairs_at_a_time as lightglue_batch
from reid_edge.compare.matching.loftr import match_loftr
from reid_edge.compare.matching.matches import Matches
from reid_edge.compare.matching.mutual_nearest import match_mutual_nearest
from reid_edge.describe.features import Features
from reid_edge.describe.keypoints import Keypoints
from reid_edge.engines.network_input import input_size
from reid_edge.engines.networks import Networks
from reid_edge.recipe import Match, Recipe


def match_pictures(match: Match, query: Features, candidates: Sequence[NDArray[np.uint8]], networks: Networks) -> list[Matches]:
    """Run a matcher that looks at pixels; one `Matches` per candidate's picture.

    Raises:
        EngineError: the network failed.
    """
    network = networks[match.network]
    return match_loftr(query.pictures[match.keypoints], candidates, network.engine, network.preprocessing, match.min_score)


def match_keypoints(
    match: Match, query: Keypoints, candidates: Sequence[Keypoints], recipe: Recipe, networks: Networks
) -> list[Matches]:
    """Run a matcher of keypoints; one `Matches` per candidate.

    Raises:
        EngineError: a network failed.
        UsageError: the network asks for more of a keypoint than these have.
    """
    if match.matcher == "mutual-nearest":
        return match_mutual_nearest(query, candidates, match.min_score)
    if match.matcher == "lightglue":
        return match_lightglue(query, candidates, networks[match.network].engine, match.min_score)
    one, *others = (AffinePoints.of(each, _seen_size(each, match, recipe, networks)) for each in (query, *candidates))
    geometric = {"adalam": match_adalam, "fginn": match_fginn}[match.matcher]
    return geometric(one, others, match.min_score)


def pair_score(match: Match, query: Keypoints, candidate: Keypoints, matches: Matches) -> float:
    """What the recipe counts of the matches of keypoints; a share of no keypoints is 0."""
    if match.count == "inliers":
        return count_inliers(query, candidate, matches, match.inlier_pixels)
    return len(matches) / max(1, len(query)) if match.count == "share" else len(matches)


def highest_score(match: Match, query: Keypoints, candidate: Keypoints) -> float:
    """What `pair_score` cannot exceed, whatever the matches: a keypoint is matched once."""
    most = min(len(query), len(candidate))
    return most / max(1, len(query)) if match.count == "share" else most


def pairs_at_a_time(match: Match, networks: Networks) -> int:
    """How many candidates a matcher had best be given at a time, where it may stop between."""
    return lightglue_batch(networks[match.network].engine) if match.matcher == "lightglue" else 1


def _seen_size(keypoints: Keypoints, match: Match, recipe: Recipe, networks: Networks) -> tuple[int, int]:
    """The size at which the detector saw the chip, (width, height) in pixels."""
    width, height = (round(float(side)) for side in keypoints.chip_size)
    if keypoints.long_side:
        scale = keypoints.long_side / max(width, height)
        return max(1, round(width * scale)), max(1, round(height * scale))
    (extract,) = (each for each in recipe.extract if each.name == match.keypoints)
    return input_size(width, height, networks[extract.network].preprocessing)
