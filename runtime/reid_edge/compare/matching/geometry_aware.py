"""Nearest neighbours whose next rival lies elsewhere: fginn (Mishkin et al., CVIU 2015), as kornia's `GeometryAwareDescriptorMatcher`.

Lowe's ratio test refuses a keypoint that a detector found several times on one spot, as the second nearest is as near as the first. Here
neighbours close to the first are no rivals.

`reid-edge bench matchers` measures the time of a query on one core.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from reid_edge.compare.matching.affine_points import AffinePoints, DescriptorDistances
from reid_edge.compare.matching.matches import Matches, no_matches

# The defaults of kornia's matcher.
_RATIO = np.float32(0.85)
_CLOSE = 10.0  # pixels of the picture that the detector saw
_RIVALS = 10  # nearest neighbours, the first among them, that are looked at


def match_fginn(query: AffinePoints, candidates: Sequence[AffinePoints], min_score: float) -> list[Matches]:
    """Match one query with many candidates.

    Args:
        query: N points.
        candidates: any number of point sets with descriptors of the query's dimension.
        min_score: matches with a score above this are kept. A score is 1 - kornia's distance: 1 - the ratio of the distances of the
            nearest and of its nearest rival, at least 0.15; 1 where all of the ten nearest lie close to the first.

    Returns:
        One `Matches` per candidate, in their order. A query's point is in one match at most, a candidate's may be in several.
    """
    distances = DescriptorDistances(query.descriptors)
    return [_match(query, candidate, distances, min_score) for candidate in candidates]


def _match(query: AffinePoints, candidate: AffinePoints, to: DescriptorDistances, min_score: float) -> Matches:
    if len(query) == 0 or len(candidate) < 2:
        return no_matches()
    distances, rows = to.to(candidate.descriptors), np.arange(len(query))
    nearest = distances.argmin(axis=1)
    below = np.flatnonzero(distances[rows, nearest] < 0)  # copies, where rounding decides which of several is nearest
    distances[below] = np.maximum(distances[below], 0)
    nearest[below] = distances[below].argmin(axis=1)
    best = distances[rows, nearest]
    row, close = _close_to(candidate.xy, nearest)
    of_close = distances[row, close]
    distances[row, close] = np.inf
    rival = np.maximum(distances.min(axis=1), 0)
    # No other one is nearer than the rival.
    nearer = np.bincount(row[of_close < rival[row]], minlength=len(query))
    rival[nearer >= _RIVALS] = np.inf
    ratio = np.sqrt(np.divide(best, rival, out=np.ones_like(best), where=rival > 0))
    scores = 1 - ratio
    kept = np.flatnonzero((ratio <= _RATIO) & (scores > min_score))
    return Matches(kept, nearest[kept], scores[kept])


def _close_to(xy: NDArray[np.float32], points: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of a row of `points` and a row of `xy` that lie close to each other; each point is close to itself."""
    order = np.argsort(xy[:, 0], kind="stable")
    x = xy[order, 0]
    start = np.searchsorted(x, xy[points, 0] - _CLOSE)
    count = np.searchsorted(x, xy[points, 0] + _CLOSE, side="right") - start
    row = np.repeat(np.arange(len(points)), count)
    within = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
    other = order[np.repeat(start, count) + within]
    apart = xy[points[row]] - xy[other]
    close = (apart**2).sum(axis=1) < _CLOSE**2
    return row[close], other[close]
