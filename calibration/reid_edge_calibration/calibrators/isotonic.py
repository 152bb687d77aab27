"""Isotonic calibrators in the form of wildlife-tools, as knots that the runtime evaluates."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression

from reid_edge.decide.calibration import Calibrator
from reid_edge_calibration.calibrators.knots import flat, thin
from reid_edge_calibration.calibrators.levels import seen_pairs


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
        UsageError: no score at all, or an infinite one.
    """
    x, positive, weight = seen_pairs(score, same, weight)
    fitted = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip")
    fitted.fit(x, positive.astype(np.float64), weight)
    if x.min() == x.max():
        return flat(float(x[0]), float(fitted.predict(x[:1])[0]))
    thresholds = fitted.X_thresholds_
    knots = np.unique(np.concatenate([[x.min()], (thresholds[:-1] + thresholds[1:]) / 2, [x.max()]]))
    return thin("pchip", knots, fitted.predict(knots), tolerance)
