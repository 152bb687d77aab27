"""Weights of a mean by Powell's method on GeoMean, as the winner of AnimalCLEF 2025 fitted them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from reid_edge.decide.calibration import WeightedMean
from reid_edge_calibration.threshold import best_threshold
from reid_edge_calibration.trials import Pairs, TrialPlan

STARTS = 3
EVALUATIONS_PER_WEIGHT = 100
"""The most that one start may take. One pass over all weights takes 10 to 20 for each of them, so a limit that does not grow with their
number would leave the last ones where they started."""


@dataclass(frozen=True)
class WeightSearch:
    """What Powell's method found.

    Attributes:
        fusion: the weights, which add up to 1.
        evaluations: how often GeoMean was computed, over all starts.
        converged: the start that these weights are from ended by itself, not at its limit of evaluations.
    """

    fusion: WeightedMean
    evaluations: int
    converged: bool


def fit_weights(
    names: Sequence[str], pairs: Pairs, plan: TrialPlan, filled: NDArray[np.float64], chosen: NDArray[np.bool_], seed: int = 0
) -> WeightedMean:
    """The weights of `search_weights`, with its arguments."""
    return search_weights(names, pairs, plan, filled, chosen, seed).fusion


def search_weights(
    names: Sequence[str], pairs: Pairs, plan: TrialPlan, filled: NDArray[np.float64], chosen: NDArray[np.bool_], seed: int = 0
) -> WeightSearch:
    """The weights with the best GeoMean, at its best threshold, on the trials of the chosen individuals; from the mean and from random
    starts, because Powell's method ends in the nearest of many hollows.

    Args:
        names: S score names.
        pairs, plan: what was asked.
        filled: float64 [2, P, S], see Pairs.fuse.
        chosen: bool, of each individual, by its number.
        seed: of the starts.
    """
    used = chosen[plan.run(np.zeros(filled.shape[:2])).individual]

    def loss(weights: NDArray[np.float64]) -> float:
        return -best_threshold(plan.run(pairs.fuse(filled, _mean(names, weights))).only(used))[1]

    weights, evaluations, converged = powell(loss, len(names), seed)
    return WeightSearch(_mean(names, weights), evaluations, converged)


def powell(loss: Callable[[NDArray[np.float64]], float], count: int, seed: int) -> tuple[NDArray[np.float64], int, bool]:
    """The weights [S] from 0 to 1 of the least loss, the evaluations over all starts, and whether the best start converged."""
    starts = [np.full(count, 0.5), *np.random.default_rng(seed).uniform(0.05, 1, (STARTS - 1, count))]
    options = {"maxfev": EVALUATIONS_PER_WEIGHT * count, "xtol": 0.01, "ftol": 1e-4}
    found: list[Any] = [minimize(loss, start, method="Powell", bounds=[(0, 1)] * count, options=options) for start in starts]
    best = min(found, key=lambda result: float(result.fun))
    return np.asarray(best.x), sum(int(each.nfev) for each in found), bool(best.success)


def _mean(names: Sequence[str], weights: NDArray[np.float64]) -> WeightedMean:
    kept = np.clip(weights, 0, 1)
    share = kept / kept.sum() if kept.sum() > 0 else np.full(len(names), 1 / len(names))
    return WeightedMean(dict(zip(names, map(float, share), strict=True)))
