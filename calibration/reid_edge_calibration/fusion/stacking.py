"""Logistic stacking: a logistic regression on the log odds of the calibrated scores, with weights of 0 or more."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from reid_edge.decide.calibration import Stacking
from reid_edge_calibration.fusion.learning import pairs_to_learn_from
from reid_edge_calibration.trials import Pairs, TrialPlan

PRIOR = 1.0
"""Standard deviation of a weight about 1 / S, where the scores are averaged in log odds."""


def fit_stacking(
    names: Sequence[str], pairs: Pairs, plan: TrialPlan, filled: NDArray[np.float64], chosen: NDArray[np.bool_], seed: int = 0
) -> Stacking:
    """The most likely weights for whether a pair shows the same individual; arguments as in `powell.fit_weights`."""
    data = pairs_to_learn_from(pairs, filled, chosen, seed)
    features = np.column_stack((np.ones(len(data.odds)), data.odds))
    start = np.array([0.0, *[1 / len(names)] * len(names)])

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        logit, pull = features @ parameters, (parameters - start) * ([0.0] + [1.0] * len(names)) / PRIOR
        value = (data.weight * (np.logaddexp(0, logit) - data.same * logit)).sum() + pull @ pull / 2
        return float(value), features.T @ (data.weight * (expit(logit) - data.same)) + pull / PRIOR

    bounds = [(None, None), *[(0, None)] * len(names)]
    bias, *weights = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    return Stacking(
        float(bias), dict(zip(names, map(float, weights), strict=True)), dict(zip(names, map(float, data.typical), strict=True))
    )
