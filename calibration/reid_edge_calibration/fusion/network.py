"""A small monotone network that fuses calibrated scores, trained on the labelled pairs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from reid_edge.decide.calibration import FusionNetwork
from reid_edge_calibration.fusion.learning import pairs_to_learn_from
from reid_edge_calibration.trials import Pairs, TrialPlan

UNITS = 6
STARTS = 2
STEPS = 150
DECAY = 0.02
"""Half the weight of the squared weights in the loss, whose unit is a query."""


def fit_network(
    names: Sequence[str], pairs: Pairs, plan: TrialPlan, filled: NDArray[np.float64], chosen: NDArray[np.bool_], seed: int = 0
) -> FusionNetwork:
    """One hidden layer by penalised likelihood of whether a pair shows the same individual, by L-BFGS-B from several seeded starts, with
    weights kept at 0 or more; arguments as in `powell.fit_weights`.
    """
    data = pairs_to_learn_from(pairs, filled, chosen, seed)
    count, spread = len(names), data.odds.std(axis=0) + 1e-9
    scaled = (data.odds - data.typical) / spread

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        hidden, hidden_bias, out, bias = _parts(parameters, count)
        units = np.tanh(scaled @ hidden + hidden_bias)
        logit = units @ out + bias
        value = (data.weight * (np.logaddexp(0, logit) - data.same * logit)).sum()
        slope = data.weight * (expit(logit) - data.same)
        inner = slope[:, None] * out * (1 - units**2)
        gradient = np.concatenate([(scaled.T @ inner).ravel(), inner.sum(axis=0), units.T @ slope, [slope.sum()]])
        penalised = np.r_[parameters[:-1], 0.0]
        return float(value + DECAY * penalised @ penalised), gradient + 2 * DECAY * penalised

    bounds = [(0, None)] * (count * UNITS) + [(None, None)] * UNITS + [(0, None)] * UNITS + [(None, None)]
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(STARTS):
        start = np.concatenate([rng.uniform(0, 1, count * UNITS), rng.normal(0, 1, UNITS), rng.uniform(0, 1, UNITS), [-2.0]])
        options = {"maxiter": STEPS}
        found.append(minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options))
    hidden, hidden_bias, out, bias = _parts(min(found, key=lambda result: float(result.fun)).x, count)
    hidden = hidden / spread[:, None]
    return FusionNetwork(
        hidden_bias=tuple(map(float, hidden_bias - data.typical @ hidden)),
        hidden={name: tuple(map(float, row)) for name, row in zip(names, hidden, strict=True)},
        bias=float(bias),
        out=tuple(map(float, out)),
        typical=dict(zip(names, map(float, data.typical), strict=True)),
    )


def _parts(
    parameters: NDArray[np.float64], count: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], float]:
    """Weights to the units [S, H], the units' biases [H], their weights in the output [H], and its bias."""
    hidden, hidden_bias, out, bias = np.split(parameters, [count * UNITS, (count + 1) * UNITS, (count + 2) * UNITS])
    return hidden.reshape(count, UNITS), hidden_bias, out, float(bias[0])
