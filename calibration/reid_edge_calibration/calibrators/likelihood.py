"""Penalised maximum likelihood of a logistic model whose slopes are not negative."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit
from threadpoolctl import threadpool_limits


def fit_slopes(
    features: NDArray[np.float64],
    positive: NDArray[np.float64],
    negative: NDArray[np.float64],
    penalty: NDArray[np.float64],
    start: NDArray[np.float64],
) -> NDArray[np.float64]:
    """The c and w >= 0 with the largest likelihood of logit p = c + features @ w, less (c, w)' penalty (c, w) / 2.

    Args:
        features: float64 [L, K].
        positive: float64 [L], weight of the positive outcomes at each row.
        negative: float64 [L], of the others.
        penalty: float64 [K + 1, K + 1], symmetric, never negative; the first row and column belong to c.
        start: float64 [K + 1], c and w to begin with.

    Returns:
        float64 [K + 1], c and w.
    """
    design = np.column_stack([np.ones(len(features)), features])
    total = positive + negative

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        logit = design @ parameters
        pull = penalty @ parameters
        value = total @ np.logaddexp(0, logit) - positive @ logit + parameters @ pull / 2
        return float(value), design.T @ (total * expit(logit) - positive) + pull

    bounds = [(None, None)] + [(0, None)] * features.shape[1]
    options = {"maxiter": 1000, "ftol": 1e-10, "gtol": 1e-6 * max(1.0, total.sum() / 1000)}
    with threadpool_limits(1, "blas"):  # its matrices are tiny: on a busy machine, waiting for threads took 30 times as long
        return np.asarray(minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options).x)
