"""Whether one way of answering is better than another: GeoMean of held-out trials, and the error of a difference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reid_edge_calibration.threshold import RESAMPLES, best_threshold
from reid_edge_calibration.trials import Trials

CONVINCING = 2.0
"""Standard errors by which a way of answering has to be better than the simpler one. With one, the best of three that are no better wins
four times in ten.
"""


@dataclass(frozen=True)
class Gain:
    """GeoMean of new answers less that of old ones, and its standard error."""

    value: float
    error: float

    @property
    def convinces(self) -> bool:
        """It is more than nothing, and more than CONVINCING standard errors."""
        return self.value > 0 and self.value > CONVINCING * self.error


def gain(trials: Trials, new: NDArray[np.bool_], old: NDArray[np.bool_], seed: int = 0) -> Gain:
    """Compare two ways to answer.

    With several species, the question is what the next species gains, so the error is that of the mean over species where that is more.

    Args:
        trials: what was asked.
        new, old: bool [T], the answer to each trial is right.
        seed: of the resamples.
    """
    rng = np.random.default_rng(seed)
    people = np.unique(trials.individual)
    gains = []
    for _ in range(RESAMPLES):
        times = np.bincount(rng.choice(people, len(people)), minlength=people.max() + 1).astype(np.float64)
        gains.append(geomean_of(trials, new, times) - geomean_of(trials, old, times))
    error = float(np.std(gains))
    kinds = np.unique(trials.species)
    if len(kinds) > 1:
        each = [trials.species == kind for kind in kinds]
        by_species = [geomean_of(trials.only(ours), new[ours]) - geomean_of(trials.only(ours), old[ours]) for ours in each]
        error = max(error, float(np.std(by_species, ddof=1)) / len(kinds) ** 0.5)
    return Gain(geomean_of(trials, new) - geomean_of(trials, old), error)


def held_out_answers(trials: Trials, fold: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Bool [T]: every trial is answered rightly with the threshold that is best on the other folds.

    Args:
        trials: what was asked.
        fold: int [T].
    """
    right = np.zeros(len(trials.score), bool)
    for held in np.unique(fold):
        test = fold == held
        known = trials.score >= best_threshold(trials.only(~test))[0]
        right[test] = np.where(trials.known, trials.right & known, ~known)[test]
    return right


def geomean_of(trials: Trials, right: NDArray[np.bool_], times: NDArray[np.float64] | None = None) -> float:
    """GeoMean of answers that are right or not, bool [T]; `times` as in Trials.balance."""
    weight = trials.balance(times) * right
    return float(np.sqrt(weight[trials.known].sum() * weight[~trials.known].sum()))


def geomean_interval_of(trials: Trials, right: NDArray[np.bool_], seed: int = 0) -> tuple[float, float, float]:
    """GeoMean of answers that are right or not, bool [T], and its 95 % percentile interval over bootstrap resamples of individuals."""
    rng = np.random.default_rng(seed)
    people = np.unique(trials.individual)
    drawn = (np.bincount(rng.choice(people, len(people)), minlength=people.max() + 1) for _ in range(RESAMPLES))
    low, high = np.quantile([geomean_of(trials, right, times.astype(np.float64)) for times in drawn], [0.025, 0.975])
    return geomean_of(trials, right), float(low), float(high)
