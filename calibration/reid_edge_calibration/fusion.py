"""Fusion weights: the mean of the calibrated scores, unless other weights are better by more than chance."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from reid_edge_calibration.threshold import RESAMPLES, best_threshold
from reid_edge_calibration.trials import Pairs, TrialPlan, Trials

STARTS = 3
EVALUATIONS = 100


def choose_weights(
    pairs: Pairs, filled: NDArray[np.float64], fold: NDArray[np.int64], seed: int = 0
) -> tuple[NDArray[np.float64], bool]:
    """Equal weights, or those of Powell's method on GeoMean where they win under cross-validation.

    In each fold, weights and threshold are fitted on the other individuals and judged on its own. The fitted weights are kept
    when their GeoMean over all folds beats that of the mean by more than the standard error of the difference, taken from
    bootstrap resamples of individuals.

    Args:
        pairs: the labelled pairs.
        filled: float64 [2, P, S] calibrated scores, fitted without the individual they are about; see Pairs.fuse.
        fold: int, the fold of each individual, by its number.
        seed: of the starts and the resamples.

    Returns:
        weights: float64 [S], sum 1.
        fitted: they are not simply equal.
    """
    count = filled.shape[2]
    equal = np.full(count, 1 / count)
    if count == 1:
        return equal, False
    plan = TrialPlan(pairs)
    at_mean = plan.run(pairs.fuse(filled, equal))
    mean_right, fitted_right = np.zeros(len(at_mean.score), bool), np.zeros(len(at_mean.score), bool)
    for held in np.unique(fold[at_mean.individual]):
        test = fold[at_mean.individual] == held
        weights = _powell(pairs, plan, filled, ~test, seed)
        mean_right[test] = answered_rightly(at_mean, test)
        fitted_right[test] = answered_rightly(plan.run(pairs.fuse(filled, weights)), test)
    if not wins(at_mean, fitted_right, mean_right, seed):
        return equal, False
    return _powell(pairs, plan, filled, np.ones(len(at_mean.score), bool), seed), True


def _powell(
    pairs: Pairs, plan: TrialPlan, filled: NDArray[np.float64], chosen: NDArray[np.bool_], seed: int
) -> NDArray[np.float64]:
    """The weights with the best GeoMean, at its best threshold, on the chosen trials; from the mean and from random starts."""

    def loss(weights: NDArray[np.float64]) -> float:
        return -best_threshold(plan.run(pairs.fuse(filled, np.clip(weights, 0, 1))).only(chosen))[1]

    count = filled.shape[2]
    starts = [np.full(count, 0.5), *np.random.default_rng(seed).uniform(0.05, 1, (STARTS - 1, count))]
    options = {"maxfev": EVALUATIONS, "xtol": 0.01, "ftol": 1e-4}
    found = [minimize(loss, start, method="Powell", bounds=[(0, 1)] * count, options=options) for start in starts]
    best = np.clip(min(found, key=lambda result: float(result.fun)).x, 0, 1)
    return np.asarray(best / best.sum()) if best.sum() > 0 else np.full(count, 1 / count)


def wins(trials: Trials, new: NDArray[np.bool_], old: NDArray[np.bool_], seed: int = 0, errors: float = 1.0) -> bool:
    """Whether the new answers have a better GeoMean than the old ones by more than the error of the difference.

    Args:
        trials: what was asked.
        new, old: bool [T], the answer to each trial is right.
        seed: of the bootstrap resamples of individuals.
        errors: how many standard errors the difference has to be.
    """
    rng = np.random.default_rng(seed)
    people = np.unique(trials.individual)
    gains = []
    for _ in range(RESAMPLES):
        times = np.bincount(rng.choice(people, len(people)), minlength=people.max() + 1).astype(np.float64)
        gains.append(geomean_of(trials, new, times) - geomean_of(trials, old, times))
    gain = geomean_of(trials, new) - geomean_of(trials, old)
    return bool(gain > 0 and gain > errors * np.std(gains))


def answered_rightly(trials: Trials, test: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Bool per test trial, with the threshold that is best on the others."""
    threshold = best_threshold(trials.only(~test))[0]
    known = trials.score >= threshold
    return np.where(trials.known, trials.right & known, ~known)[test]


def geomean_of(trials: Trials, right: NDArray[np.bool_], times: NDArray[np.float64] | None = None) -> float:
    """GeoMean of answers that are right or not, bool [T]; `times` as in Trials.balance."""
    weight = trials.balance(times) * right
    return float(np.sqrt(weight[trials.known].sum() * weight[~trials.known].sum()))
