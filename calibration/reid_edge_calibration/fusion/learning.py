"""The pairs that a learned fusion is fitted on, the same for all kinds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reid_edge.decide.calibration.fusion import log_odds
from reid_edge_calibration.trials import Pairs

MOST_DIFFERENT = 10
"""At most so many pairs of different individuals per pair of the same one; more add no information and cost time."""


@dataclass(frozen=True)
class FusionPairs:
    """Pairs to learn from, in the gallery as it is.

    Attributes:
        odds: float64 [N, S], log odds of the calibrated scores, the typical ones where a score was not learnt.
        same: bool [N].
        weight: float64 [N], sums to the number of queries; species count the same.
        typical: float64 [S], the mean log odds of the scores that were learnt.
    """

    odds: NDArray[np.float64]
    same: NDArray[np.bool_]
    weight: NDArray[np.float64]
    typical: NDArray[np.float64]


def pairs_to_learn_from(pairs: Pairs, filled: NDArray[np.float64], chosen: NDArray[np.bool_], seed: int) -> FusionPairs:
    """The compared pairs of the chosen individuals' queries; those of different individuals are thinned and count for more instead.

    Args:
        pairs: the labelled pairs.
        filled: float64 [2, P, S], see Pairs.fuse.
        chosen: bool, of each individual, by its number.
        seed: of the thinning.
    """
    compared = chosen[pairs.individual[pairs.query]] & ~np.isnan(pairs.raw[0]).all(axis=1) & pairs.of_whole
    same, different = np.flatnonzero(compared & pairs.same), np.flatnonzero(compared & ~pairs.same)
    kept = min(len(different), MOST_DIFFERENT * max(len(same), 50))
    drawn = np.sort(np.random.default_rng(seed).choice(different, kept, replace=False))
    rows = np.concatenate([same, drawn])
    weight = pairs.weight[rows].copy()
    weight[len(same) :] *= len(different) / max(1, kept)
    odds, learnt = log_odds(filled[0, rows]), pairs.learnt[0, rows]
    typical = (odds * learnt).sum(axis=0) / np.maximum(1, learnt.sum(axis=0))
    queries = len(np.unique(pairs.query[rows]))
    return FusionPairs(np.where(learnt, odds, typical), pairs.same[rows], weight / weight.sum() * queries, typical)
