"""Mutual nearest neighbours: two keypoints match when each one's descriptor is the other's nearest, and near enough."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from reid_edge.compare.matching.matches import Matches, no_matches
from reid_edge.describe.keypoints import Keypoints


def match_mutual_nearest(query: Keypoints, candidates: Sequence[Keypoints], min_score: float) -> list[Matches]:
    """Match one query with many candidates.

    Args:
        query: N keypoints.
        candidates: any number of keypoint sets with descriptors of the query's dimension.
        min_score: matches with a cosine above this are kept.

    Returns:
        One `Matches` per candidate, in their order.
    """
    # One candidate at a time, all in one buffer: its similarities stay in the processor's cache between the product and its maxima, and no
    # fresh memory is touched.
    buffer = np.empty(len(query) * max(map(len, candidates), default=0), np.float32)
    found = []
    for candidate in candidates:
        similarity = buffer[: len(query) * len(candidate)].reshape(len(query), len(candidate))
        if similarity.size:
            np.matmul(query.descriptors, candidate.descriptors.T, out=similarity)
        found.append(_mutual(similarity, min_score))
    return found


def _mutual(similarity: NDArray[np.float32], min_score: float) -> Matches:
    """Matches of one pair from its similarities [N, M]."""
    if not similarity.size:
        return no_matches()
    nearest = similarity.argmax(axis=1)
    rows = np.arange(len(nearest))
    best = similarity[rows, nearest]
    # A row is mutual when it holds its column's maximum; taking the maximum is cheaper than a second argmax.
    kept = np.flatnonzero((best == similarity.max(axis=0)[nearest]) & (best > min_score))
    return Matches(kept.astype(np.int64), nearest[kept].astype(np.int64), best[kept].astype(np.float32))
