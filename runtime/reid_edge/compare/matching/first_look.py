"""Mutual nearest neighbours of a query's best few keypoints with those of hundreds of photos, out of one mapped block of descriptors.

The cosines are those of `reid_edge.compare.matching.mutual_nearest` within 1e-4: descriptors are read as 16-bit fractions, which become
floats five times as fast as half precision does.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from reid_edge.compare.matching.matches import Matches, no_matches

_SCALE = 32767.0
_PHOTOS = 8  # at a time: the products of so many stay in the processor's cache


def to_fractions(descriptors: NDArray[np.generic], points: int) -> NDArray[np.int16]:
    """The first `points` descriptors as they are mapped.

    Args:
        descriptors: float [M, D], each of length 1.
        points: rows of the answer; those that there are no descriptors for are 0, which match nothing.

    Returns:
        int16 [points, D], the values times 32767.
    """
    first = np.rint(np.asarray(descriptors[:points], np.float32) * _SCALE).clip(-_SCALE, _SCALE)
    rows = np.zeros((points, descriptors.shape[1]), np.int16)
    rows[: len(first)] = first
    return rows


def match_first_look(query: NDArray[np.float32], fractions: NDArray[np.int16], min_score: float) -> list[Matches]:
    """Match one query with many candidates.

    Args:
        query: float32 [N, D], descriptors of length 1.
        fractions: int16 [B, P, D], see `to_fractions`.
        min_score: matches with a cosine above this are kept, from 0 on.

    Returns:
        One `Matches` per candidate, in their order; none depends on the others.
    """
    found: list[Matches] = []
    scaled = query / np.float32(_SCALE)
    buffer = np.empty(
        (_PHOTOS, len(query), fractions.shape[1]), np.float32
    )  # for all products: fresh memory costs half as much as they do
    for start in range(0, len(fractions), _PHOTOS):
        block = fractions[start : start + _PHOTOS].astype(np.float32)
        # One product per photo of the same shape: a product of all rounds a photo by its place.
        cosines = buffer[: len(block)]
        if not cosines.size:
            found += [no_matches() for _ in block]
            continue
        np.matmul(scaled, block.transpose(0, 2, 1), out=cosines)
        nearest = cosines.argmax(axis=2)
        photos = np.arange(len(block))[:, None]
        best = cosines[photos, np.arange(len(query)), nearest]
        mutual = (best == cosines.max(axis=1)[photos, nearest]) & (best > max(0.0, min_score))
        photo, rows = np.nonzero(mutual)
        columns, scores = nearest[photo, rows], best[photo, rows]
        bounds = np.searchsorted(photo, np.arange(len(block) + 1)).tolist()
        found += [Matches(rows[a:b], columns[a:b], scores[a:b]) for a, b in pairwise(bounds)]
    return found
