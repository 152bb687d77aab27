"""Weights that put the right individual first: a conditional logit on the log odds of the calibrated scores."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from reid_edge.decide.calibration import Stacking
from reid_edge.decide.calibration.fusion import log_odds
from reid_edge_calibration.fusion.learning import pairs_to_learn_from
from reid_edge_calibration.trials import PART, Pairs, TrialPlan

PRIOR = 1.0
"""Standard deviation of a weight about 1 / S, where the scores are averaged in log odds."""


def fit_ranking(
    names: Sequence[str], pairs: Pairs, plan: TrialPlan, filled: NDArray[np.float64], chosen: NDArray[np.bool_], seed: int = 0
) -> Stacking:
    """The most likely weights for which of a query's candidates shows its individual (McFadden 1974, conditional logit), where one does;
    arguments as in `powell.fit_weights`.

    A regression on whether each pair shows one individual would serve the many pairs that are easy to tell; only the order of the best few
    decides an answer.
    """
    asked = np.zeros(len(pairs.individual), bool)
    asked[pairs.query[pairs.same & ~np.isnan(pairs.raw[0]).all(axis=1)]] = True
    rows = np.flatnonzero((asked & chosen[pairs.individual])[pairs.query] & ~np.isnan(pairs.raw[0]).all(axis=1))
    rows = rows[np.argsort(pairs.query[rows], kind="stable")]
    query, same = pairs.query[rows], pairs.same[rows]
    first = np.flatnonzero(np.diff(query, prepend=-1))
    group = np.repeat(np.arange(len(first)), np.diff([*first, len(rows)]))
    typical = pairs_to_learn_from(pairs, filled, chosen, seed).typical
    odds = np.where(pairs.learnt[0, rows], log_odds(filled[0, rows]), typical)
    weight = _weight(pairs, query[first])

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        logit = odds @ weights
        odd = np.exp(logit - np.maximum.reduceat(logit, first)[group])
        share = odd / np.add.reduceat(odd, first)[group]
        right = np.add.reduceat(share * same, first)
        of_right = share * same / right[group]
        pull = (weights - 1 / len(names)) / PRIOR
        value = -(weight * np.log(right)).sum() + pull @ pull / 2
        return float(value), odds.T @ (weight[group] * (share - of_right)) + pull / PRIOR

    start = np.full(len(names), 1 / len(names))
    weights = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0, None)] * len(names)).x if len(first) else start
    bias = -float(np.median(np.maximum.reduceat(odds @ weights, first))) if len(first) else 0.0
    return Stacking(bias, dict(zip(names, map(float, weights), strict=True)), dict(zip(names, map(float, typical), strict=True)))


def _weight(pairs: Pairs, query: NDArray[np.int64]) -> NDArray[np.float64]:
    """Of each query, float64: species count the same, a part of a gallery for less, see `trials.PART`."""
    weight = np.where(pairs.whole[query], 1.0, PART)
    per_species = np.bincount(pairs.species[query], weight)
    return np.asarray(weight / per_species[pairs.species[query]] * weight.sum() / (per_species > 0).sum())
