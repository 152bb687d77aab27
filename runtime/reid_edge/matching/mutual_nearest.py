"""Mutual nearest neighbours: two keypoints match when each one's descriptor is the other's nearest, and near enough."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from reid_edge.keypoints import Keypoints
from reid_edge.matching.matches import Matches, no_matches

# Candidates in one matrix product: large enough to keep the cores busy, small enough that the similarities stay in cache.
_BATCH = 8


def match_mutual_nearest(query: Keypoints, candidates: Sequence[Keypoints], min_score: float) -> list[Matches]:
    """Match one query with many candidates.

    Args:
        query: N keypoints.
        candidates: any number of keypoint sets with descriptors of the query's dimension.
        min_score: matches with a cosine above this are kept.

    Returns:
        One `Matches` per candidate, in their order.
    """
    results: list[Matches] = []
    for start in range(0, len(candidates), _BATCH):
        results += _match_batch(query, candidates[start : start + _BATCH], min_score)
    return results


def _match_batch(query: Keypoints, candidates: Sequence[Keypoints], min_score: float) -> list[Matches]:
    if not len(query):
        return [no_matches() for _ in candidates]
    similarity = query.descriptors @ np.concatenate([candidate.descriptors for candidate in candidates]).T
    results, start = [], 0
    for candidate in candidates:
        results.append(_mutual(similarity[:, start : start + len(candidate)], min_score))
        start += len(candidate)
    return results


def _mutual(similarity: NDArray[np.float32], min_score: float) -> Matches:
    """Matches of one pair from its similarities [N, M]."""
    if not similarity.shape[1]:
        return no_matches()
    nearest = similarity.argmax(axis=1)
    rows = np.arange(len(nearest))
    best = similarity[rows, nearest]
    # A row is mutual when it holds its column's maximum; taking the maximum is cheaper than a second argmax.
    kept = np.flatnonzero((best == similarity.max(axis=0)[nearest]) & (best > min_score))
    return Matches(kept.astype(np.int64), nearest[kept].astype(np.int64), best[kept].astype(np.float32))
