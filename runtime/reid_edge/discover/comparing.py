"""Each photo against all others: how many keypoints they share, and how many of these they share with few others.

The second is local naive Bayes nearest neighbour (McCann & Lowe, CVPR 2012) with the fourth-best photo as the normaliser: who the others
are is not known yet, so that the best few may show the same animal.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from reid_edge.compare.matching.mutual_nearest import match_mutual_nearest
from reid_edge.describe.keypoints import Keypoints

POINTS = 512
"""The best keypoints of each photo. With 1024, four times the work, the grouping of three species was hardly better."""

MOST_OTHERS = 1000
"""A photo is compared with so many others, the nearest by their vectors."""

_MIN_COSINE = 0.5
_NORMALISER = 3  # photos that may share a keypoint before it counts as common


class PhotoComparer:
    """Compares photos by their keypoints; rows of it may be computed in any order and by several threads."""

    def __init__(self, keypoints: Sequence[Keypoints], vectors: NDArray[np.float32]) -> None:
        """Of N photos: their keypoints, best first, and vectors [N, D] of length 1."""
        self._keypoints = [each.first(POINTS) for each in keypoints]
        self._vectors = vectors

    def part(self, photos: Sequence[int]) -> PhotoComparer:
        """Of some of the photos, which are compared with each other alone."""
        return PhotoComparer([self._keypoints[photo] for photo in photos], self._vectors[list(photos)])

    def row(self, photo: int) -> NDArray[np.float32]:
        """One photo against all others.

        Returns:
            float32 [2, N]: the distinctive score, and the share of keypoints that have a mutual nearest neighbour; NaN for the photo itself
            and for those that are not among the nearest `MOST_OTHERS`.
        """
        query, count = self._keypoints[photo], len(self._keypoints)
        others = np.flatnonzero(np.arange(count) != photo)
        if len(others) > MOST_OTHERS:
            nearest = np.argsort(-(self._vectors[others] @ self._vectors[photo]), kind="stable")[:MOST_OTHERS]
            others = np.sort(others[nearest])
        row = np.full((2, count), np.nan, np.float32)
        if not len(query) or not len(others):
            return row
        shared = np.zeros((len(others), len(query)), np.float32)
        found = match_mutual_nearest(query, [self._keypoints[other] for other in others], _MIN_COSINE)
        for cosines, matches in zip(shared, found, strict=True):
            cosines[matches.query] = matches.scores
        row[0, others] = np.maximum(0, shared - _normaliser(shared)).sum(axis=1)
        row[1, others] = [len(matches) / len(query) for matches in found]
        return row


def _normaliser(shared: NDArray[np.float32]) -> NDArray[np.float32]:
    """The fourth-highest cosine of each keypoint, 0 where there are fewer photos."""
    if len(shared) <= _NORMALISER:
        return np.zeros(shared.shape[1], np.float32)
    return np.asarray(-np.partition(-shared, _NORMALISER, axis=0)[_NORMALISER])
