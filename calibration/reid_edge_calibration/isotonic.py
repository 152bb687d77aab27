"""Isotonic calibrators in the form of wildlife-tools, as knots that the runtime evaluates."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression

from reid_edge.calibration import Calibrator
from reid_edge.errors import UsageError


def fit_isotonic(
    score: NDArray[np.floating], same: NDArray[np.bool_], weight: NDArray[np.float64] | None = None, tolerance: float = 2e-3
) -> Calibrator:
    """The probability that a pair with this score shows the same individual.

    The form of wildlife-tools' IsotonicCalibration: scikit-learn's IsotonicRegression, evaluated at the midpoints between its
    thresholds and at the smallest and largest score, joined by a PCHIP spline. Outside the scores seen the end values hold (the
    reference jumps to 0 and 1 there, which a few hundred pairs cannot vouch for).

    Args:
        score: [P] raw scores; pairs with NaN are left out.
        same: bool [P], the pair shows the same individual.
        weight: [P] of each pair, 1 where None.
        tolerance: the largest change of a probability that dropping knots may make; 0 keeps the reference's knots.

    Raises:
        UsageError: no score at all.
    """
    seen = ~np.isnan(score)
    if not seen.any():
        raise UsageError("there is no score to calibrate.", "Score some pairs of photos first.")
    x = np.asarray(score, np.float64)[seen]
    fitted = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip")
    fitted.fit(x, same[seen].astype(np.float64), None if weight is None else weight[seen])
    if x.min() == x.max():  # one score for every pair tells nothing: the same probability for any
        level = float(fitted.predict(x[:1])[0])
        return Calibrator("pchip", (x[0] - 0.5, x[0] + 0.5), (level, level))
    thresholds = fitted.X_thresholds_
    knots = np.unique(np.concatenate([[x.min()], (thresholds[:-1] + thresholds[1:]) / 2, [x.max()]]))
    return thin("pchip", knots, fitted.predict(knots), tolerance)


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
