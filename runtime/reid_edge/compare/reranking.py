"""k-reciprocal re-ranking: two photos of one individual have most of their reciprocal nearest neighbours in common.

Zhong, Zheng, Cao, Li: Re-ranking Person Re-identification with k-reciprocal Encoding, CVPR 2017, in the form of the authors' own program:
distances squared and divided by the largest of each row, sets joined where strictly more than two thirds of one are shared, half of k1
rounded to the even number. Of photos that are equally near, at the end of a neighbourhood, all belong to it, so that their order changes
nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Far below what a vector in single precision tells, far above the rounding of a sum: equal photos are equally near.
_DECIMALS = 9


def jaccard_distances(query: NDArray[np.floating], vectors: NDArray[np.floating], k1: int, k2: int) -> NDArray[np.float64]:
    """How few neighbours a query has in common with each photo of its shortlist, among the query and the shortlist.

    Args:
        query: [D], of length 1.
        vectors: [B, D], each of length 1.
        k1: neighbours of an image that are asked whether it is one of theirs.
        k2: nearest images over which an image's neighbourhood is averaged (local query expansion), itself among them.

    Returns:
        float64 [B] in [0, 1], 0 where the neighbourhoods are the same.
    """
    images = np.vstack([query[None], vectors]).astype(np.float64)
    images /= np.linalg.norm(images, axis=1, keepdims=True)
    distances = np.sqrt(np.maximum(np.round(2 - 2 * images @ images.T, _DECIMALS), 0))
    return np.asarray(rerank(distances, 1, k1, k2, share=0.0)[0])


def rerank(distances: NDArray[np.floating], queries: int, k1: int, k2: int, share: float) -> NDArray[np.float64]:
    """The published algorithm on distances.

    Args:
        distances: [Q + G, Q + G] Euclidean distances of the queries and then the gallery, symmetric, 0 on its diagonal.
        queries: Q.
        k1: size of the reciprocal neighbourhood.
        k2: size of the local query expansion.
        share: of the original distance in the final one, the paper's lambda, 0..1.

    Returns:
        float64 [Q, G]: (1 - share) x Jaccard distance + share x squared distance over the largest of its row.
    """
    distance = np.square(distances.astype(np.float64))
    largest = distance.max(axis=1, keepdims=True)
    distance /= np.where(largest > 0, largest, 1)
    encoded = _encode(distance, k1)
    if k2 > 1:
        expansion = _nearest(distance, k2).astype(np.float64)
        encoded = expansion @ encoded / expansion.sum(axis=1, keepdims=True)
    common = np.array([np.minimum(row, encoded[queries:]).sum(axis=1) for row in encoded[:queries]])
    jaccard = np.clip(1 - common / (2 - common), 0, 1)  # each row of `encoded` sums to 1, so the maxima sum to 2 - common
    return np.asarray((1 - share) * jaccard + share * distance[:queries, queries:])


def _encode(distance: NDArray[np.float64], k1: int) -> NDArray[np.float64]:
    """Of each image [N, N]: how strongly each other one belongs to its k-reciprocal neighbours; rows sum to 1 (equations 3 to 7)."""
    near, core = _reciprocal(distance, k1), _reciprocal(distance, round(k1 / 2))
    shared = near.astype(np.float64) @ core.T
    joined = near & (3 * shared > 2 * core.sum(axis=1))
    belongs = near | (joined.astype(np.float64) @ core > 0)
    weights = np.where(belongs, np.exp(-distance), 0.0)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _reciprocal(distance: NDArray[np.float64], k: int) -> NDArray[np.bool_]:
    """Whether two images are among the k nearest of each other [N, N]; each is its own."""
    nearest = _nearest(distance, k + 1)
    return np.asarray(nearest & nearest.T)


def _nearest(distance: NDArray[np.float64], count: int) -> NDArray[np.bool_]:
    """Per row, the `count` nearest, itself among them, and all that are as near as the last of them."""
    last = min(count, len(distance)) - 1
    return np.asarray(distance <= np.partition(distance, last, axis=1)[:, last : last + 1])
