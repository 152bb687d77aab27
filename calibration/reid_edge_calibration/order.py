"""Weights that put the right individual first: a conditional logit on the levels that individuals reach."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from reid_edge_calibration.trials import TrialPlan

PRIOR = 1.0
"""Standard deviation of a weight about 0, for a level of standard deviation 1 within a query."""


def fit_order(plan: TrialPlan, chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The most likely weights, 0 or more, for which of the individuals of a gallery is the query's (McFadden 1974, conditional logit).

    Only the order of the best few decides an answer, so a regression on whether each pair shows one individual would serve the wrong
    pairs: the many that are easy to tell.

    Args:
        plan: its queries of individuals that are in the gallery are learnt from; species count the same.
        chosen: bool, of each individual by its number, that it is learnt from.

    Returns:
        float64 [S], see `reid_edge.decide.calibration.Evidence.order`; equal ones where there is nothing to learn from.
    """
    level, same, first, weight = plan.known_groups(chosen)
    scores = level.shape[1]
    if not len(first):
        return np.ones(scores)
    group = np.repeat(np.arange(len(first)), np.diff([*first, len(level)]))
    middle = np.add.reduceat(level, first) / np.bincount(group)[:, None]
    centred = level - middle[group]
    spread = np.sqrt((centred**2 * (weight / np.bincount(group))[group, None]).sum(axis=0) / weight.sum()) + 1e-9
    scaled = centred / spread

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        logit = scaled @ weights
        odds = np.exp(logit - np.maximum.reduceat(logit, first)[group])
        share = odds / np.add.reduceat(odds, first)[group]
        right = np.maximum(np.add.reduceat(share * same, first), 1e-300)
        value = -(weight * np.log(right)).sum() + weights @ weights / 2 / PRIOR**2
        return float(value), scaled.T @ (weight[group] * (share - share * same / right[group])) + weights / PRIOR**2

    found = minimize(loss, np.full(scores, 0.5), jac=True, method="L-BFGS-B", bounds=[(0, None)] * scores)
    return np.asarray(found.x / spread)
