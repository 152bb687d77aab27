"""A smooth monotone calibrator for few pairs: a logistic curve that bends only as far as the pairs ask for it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import BSpline
from scipy.special import expit, logit

from reid_edge.decide.calibration import Calibrator
from reid_edge_calibration.calibrators.knots import curve_of_logit, flat
from reid_edge_calibration.calibrators.levels import Levels, soft_levels
from reid_edge_calibration.calibrators.likelihood import fit_slopes

DEGREE = 3
INNER_KNOTS = 8
PENALTIES = (0.3, 1.0, 3.0, 10.0, 100.0, 1000.0)
PRICE = 2.0
"""Of a degree of freedom, in log-likelihood; 1 is Akaike's. More, because the pairs of one photo are not independent."""


def fit_smooth(score: NDArray[np.floating], same: NDArray[np.bool_], weight: NDArray[np.float64] | None = None) -> Calibrator:
    """The probability that a pair with this score shows the same individual: expit of a monotone spline of the score.

    The spline is a sum of cubic I-splines (Ramsay 1988, "Monotone regression splines in action") with weights that are not negative,
    on evenly spaced knots from the lowest score to the highest. The penalty is a ridge on the differences of neighbouring slopes
    (the P-spline penalty of Eilers & Marx 1996), so that a strong one leaves logistic calibration, not a constant; its strength is
    that of PENALTIES with the smallest negative log-likelihood plus PRICE times the effective degrees of freedom (Wood 2017,
    "Generalized Additive Models", section 6.2). The targets are Platt's (see `logistic`). Outside the scores seen the end values hold.

    Log-loss per pair on the individuals left out, calibrators fitted on individuals drawn until they had 20 to 60 positive pairs,
    40 draws of each of 3 scores of zebras, tigers, turtles and nyalas and of 3 kinds of simulated scores: 2.5 % less than that of
    isotonic (logistic 1.6 %, beta 2.1 % less), and less for 14 of the 15 scores; the other is simulated with a log-normal tail.

    Arguments and errors as for `fit_logistic`.
    """
    levels = soft_levels(score, same, weight)
    if len(levels.score) == 1:
        return flat(float(levels.score[0]), levels.prior)
    width = np.diff(_sites())  # weights in these proportions make a straight line
    bend = np.diff(np.diag(width.mean() / width), axis=0)
    features = _isplines(levels.score, levels)
    fitted, best, smallest = np.concatenate([[logit(levels.prior)], width]), None, np.inf
    for strength in sorted(PENALTIES, reverse=True):
        penalty = np.zeros((len(width) + 1, len(width) + 1))
        penalty[1:, 1:] = strength * bend.T @ bend + 1e-6 * np.eye(len(width))
        fitted = fit_slopes(features, levels.positive, levels.negative, penalty, fitted)
        cost = _cost(fitted, features, levels, penalty)
        if cost < smallest:
            best, smallest = fitted, cost
    assert best is not None
    bias, slopes = best[0], best[1:]
    return curve_of_logit(levels.score, lambda grid: bias + _isplines(grid, levels) @ slopes)


def _knots() -> NDArray[np.float64]:
    inner = np.linspace(0, 1, INNER_KNOTS + 2)
    return np.concatenate([np.zeros(DEGREE), inner, np.ones(DEGREE)])


def _sites() -> NDArray[np.float64]:
    """The abscissae at which the coefficients of B-splines lie on a straight line where the spline does (Greville)."""
    knots = _knots()
    return np.array([knots[i + 1 : i + 1 + DEGREE].mean() for i in range(len(knots) - DEGREE - 1)])


def _isplines(score: NDArray[np.float64], levels: Levels) -> NDArray[np.float64]:
    """float64 [len(score), INNER_KNOTS + DEGREE], each column rising from 0 at the lowest level to 1 at the highest."""
    share = np.clip((score - levels.score[0]) / (levels.score[-1] - levels.score[0]), 0, 1)
    basis = BSpline.design_matrix(share, _knots(), DEGREE).toarray()
    return np.asarray(np.cumsum(basis[:, :0:-1], axis=1)[:, ::-1])


def _cost(fitted: NDArray[np.float64], features: NDArray[np.float64], levels: Levels, penalty: NDArray[np.float64]) -> float:
    """Negative log-likelihood plus PRICE per effective degree of freedom, of which weights held at 0 have none."""
    design = np.column_stack([np.ones(len(features)), features])
    total, line = levels.positive + levels.negative, design @ fitted
    free = np.concatenate([[True], fitted[1:] > 1e-8])
    design, probability = design[:, free], expit(line)
    information = (design * (total * probability * (1 - probability))[:, None]).T @ design
    freedom = np.trace(np.linalg.solve(information + penalty[np.ix_(free, free)] + 1e-9 * np.eye(free.sum()), information))
    return float(total @ np.logaddexp(0, line) - levels.positive @ line + PRICE * freedom)
