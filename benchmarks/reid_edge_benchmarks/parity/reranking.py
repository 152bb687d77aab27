"""k-reciprocal encoding of one query and its shortlist, set by set as its paper writes it (Zhong et al., CVPR 2017, section 3)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def jaccard_similarities(vectors: NDArray[np.float64], k1: int, k2: int) -> NDArray[np.float64]:
    """1 - Jaccard distance of the first image to each of the others.

    Args:
        vectors: float64 [1 + B, D] of length 1, the query first.
        k1, k2: as in the paper.

    Returns:
        float64 [B].
    """
    squared = np.maximum(2 - 2 * vectors @ vectors.T, 0)
    np.fill_diagonal(squared, 0)
    return similarities_of_distances(squared, k1, k2)


def similarities_of_distances(squared: NDArray[np.float64], k1: int, k2: int) -> NDArray[np.float64]:
    """1 - Jaccard distance of the first image to each of the others.

    Args:
        squared: float64 [1 + B, 1 + B], squared distances, 0 on the diagonal. Of images that are equally near, at the end of a
            neighbourhood, all belong to it.
        k1, k2: as in the paper.

    Returns:
        float64 [B].
    """
    count = len(squared)
    largest = squared.max(axis=1, keepdims=True)
    distance = squared / np.where(largest > 0, largest, 1)

    def nearest(image: int, k: int) -> set[int]:
        last = sorted(distance[image])[min(k, count) - 1]
        return {other for other in range(count) if distance[image, other] <= last}

    def reciprocal(image: int, k: int) -> set[int]:
        return {other for other in nearest(image, k + 1) if image in nearest(other, k + 1)}

    core = [reciprocal(image, round(k1 / 2)) for image in range(count)]
    encoded = np.zeros((count, count))
    for image in range(count):
        near = reciprocal(image, k1)
        belongs = near.union(*(core[other] for other in near if 3 * len(core[other] & near) > 2 * len(core[other])))
        for other in belongs:
            encoded[image, other] = math.exp(-distance[image, other])
        encoded[image] /= encoded[image].sum()
    if k2 > 1:
        encoded = np.stack([encoded[sorted(nearest(image, k2))].mean(axis=0) for image in range(count)])
    smaller, larger = np.minimum(encoded[0], encoded[1:]).sum(axis=1), np.maximum(encoded[0], encoded[1:]).sum(axis=1)
    return np.asarray(smaller / larger)
