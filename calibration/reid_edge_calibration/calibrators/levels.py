"""Scores as levels: the same score once, with the weight of its pairs of the same individual and of the others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reid_edge.errors import UsageError

MOST_LEVELS = 500
"""Of scores that are nearly all different, such as cosines; neighbours are taken together, which moves no score by more than 0.4 %
of the pairs of either kind.
"""


@dataclass(frozen=True)
class Levels:
    """What a calibrator with few parameters needs to know of the pairs.

    Attributes:
        score: float64 [L], increasing.
        positive: float64 [L], 0 or more, the weight of the pairs of the same individual with this score.
        negative: float64 [L], 0 or more, the weight of the others.
    """

    score: NDArray[np.float64]
    positive: NDArray[np.float64]
    negative: NDArray[np.float64]

    @property
    def prior(self) -> float:
        """The share of the weight that the pairs of the same individual have."""
        return float(self.positive.sum() / (self.positive + self.negative).sum())


def soft_levels(score: NDArray[np.floating], same: NDArray[np.bool_], weight: NDArray[np.float64] | None = None) -> Levels:
    """`take_levels` with Platt's targets: each pair counts a little as one of the other kind."""
    levels = take_levels(score, same, weight)
    sure_positive = (levels.positive.sum() + 1) / (levels.positive.sum() + 2)
    sure_negative = (levels.negative.sum() + 1) / (levels.negative.sum() + 2)
    return Levels(
        levels.score,
        levels.positive * sure_positive + levels.negative * (1 - sure_negative),
        levels.positive * (1 - sure_positive) + levels.negative * sure_negative,
    )


def take_levels(
    score: NDArray[np.floating], same: NDArray[np.bool_], weight: NDArray[np.float64] | None = None, most: int = MOST_LEVELS
) -> Levels:
    """The levels of some pairs; those with NaN are left out.

    Args:
        score: [P] raw scores.
        same: bool [P], the pair shows the same individual.
        weight: [P] of each pair, 0 or more, 1 where None.
        most: where there are more different scores, they are taken together in quantiles of the pairs of the same individual and of
            the others, at their mean.

    Raises:
        UsageError: no score at all, or an infinite one.
    """
    x, positive, weight = seen_pairs(score, same, weight)
    level, place = np.unique(x, return_inverse=True)
    if len(level) > most:
        quantile = np.linspace(0, 1, most // 2)
        edges = np.unique(np.concatenate([np.quantile(x[side], quantile) for side in (positive, ~positive) if side.any()]))
        place = np.searchsorted(edges, x)
        total = np.bincount(place, weight, len(edges))
        filled = total > 0
        level = np.bincount(place, weight * x, len(edges))[filled] / total[filled]
        place = (np.cumsum(filled) - 1)[place]
    sides = [np.bincount(place, weight * side, len(level)).astype(np.float64) for side in (positive, ~positive)]
    return Levels(level, *sides)


def seen_pairs(
    score: NDArray[np.floating], same: NDArray[np.bool_], weight: NDArray[np.float64] | None
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.float64]]:
    """Score, same and weight of the pairs that have a score and a weight; arguments and errors as for `take_levels`."""
    score = np.asarray(score, np.float64)
    weight = np.ones(len(score)) if weight is None else np.asarray(weight, np.float64)
    seen = ~np.isnan(score) & (weight > 0)
    if not seen.any():
        raise UsageError("there is no score to calibrate.", "Score some pairs of photos first.")
    if np.isinf(score[seen]).any():
        raise UsageError("a score is infinite.", "Compute the scores again; a score that could not be computed is NaN.")
    return score[seen], np.asarray(same, bool)[seen], weight[seen]
