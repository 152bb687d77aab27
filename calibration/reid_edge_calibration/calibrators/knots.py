"""Curves as knots that the runtime evaluates, with as few of them as keep their shape."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from reid_edge.decide.calibration import Calibrator

GRID = 257
"""Scores at which a smooth curve is taken before it is thinned."""
TOLERANCE = 1e-3
"""The largest change of a probability that dropping knots of a smooth curve may make."""


def thin(kind: str, x: NDArray[np.float64], y: NDArray[np.float64], tolerance: float) -> Calibrator:
    """The curve through these knots with as few of them as keep it within the tolerance, taking the worst one in each time.

    Args:
        kind: of the calibrator, "pchip" or "linear".
        x: [K] increasing; y: [K] never decreasing, in [0, 1].
        tolerance: largest difference of y; 0 keeps every knot.
    """
    full = Calibrator(kind, tuple(map(float, x)), tuple(map(float, y)))
    if tolerance <= 0:
        return full
    dense = np.unique(np.interp(np.linspace(0, len(x) - 1, 8 * (len(x) - 1) + 1), np.arange(len(x)), x))
    wanted, nearest = full.interpolate(dense), np.abs(dense[:, None] - x).argmin(axis=1)
    kept = {0, len(x) - 1}
    while len(kept) < len(x):
        index = sorted(kept)
        curve = Calibrator(kind, tuple(map(float, x[index])), tuple(map(float, y[index])))
        error = np.abs(curve.interpolate(dense) - wanted)
        if error.max() <= tolerance:
            return curve
        error[np.isin(nearest, index)] = -1
        kept.add(int(nearest[error.argmax()]))
    return full


def curve_of_logit(score: NDArray[np.float64], logit: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> Calibrator:
    """The curve of a fitted logit over the range of scores [L], increasing, made monotone and thinned to `TOLERANCE`."""
    grid = score_grid(score)
    return thin("pchip", grid, np.maximum.accumulate(expit(logit(grid))), TOLERANCE)


def flat(score: float, probability: float) -> Calibrator:
    """The same probability for any score, for pairs that all have the same score."""
    return Calibrator("pchip", (score - 0.5, score + 0.5), (probability, probability))


def score_grid(score: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scores from the lowest to the highest, half of them evenly spaced, half where scores are dense: float64 [up to GRID].

    Args:
        score: [L] increasing, two or more.
    """
    even = np.linspace(score[0], score[-1], GRID // 2 + 1)
    dense = np.interp(np.linspace(0, len(score) - 1, GRID // 2), np.arange(len(score)), score)
    grid = np.unique(np.concatenate([even, dense]))
    nearest = (grid[-1] - grid[0]) * 1e-6  # knots nearer than this to each other say nothing more
    return np.asarray(grid[np.concatenate([[True], np.diff(grid) > nearest])])
