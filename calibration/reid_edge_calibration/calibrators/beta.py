"""Beta calibrators: two slopes, one towards each end of the scores."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from reid_edge.decide.calibration import Calibrator
from reid_edge_calibration.calibrators.knots import curve_of_logit, flat
from reid_edge_calibration.calibrators.levels import soft_levels
from reid_edge_calibration.calibrators.likelihood import fit_slopes

MARGIN = 0.01
"""How far the lowest score seen lies above 0 and the highest below 1."""


def fit_beta(score: NDArray[np.floating], same: NDArray[np.bool_], weight: NDArray[np.float64] | None = None) -> Calibrator:
    """The probability that a pair with this score shows the same individual: expit(a log s - b log(1 - s) + c), a, b >= 0.

    Kull, Silva Filho & Flach 2017, "Beta calibration: a well-founded and easily implemented improvement on logistic calibration
    for binary classifiers". Theirs is for scores in (0, 1); counts of matches and cosines are brought there by a straight line
    that puts the lowest score seen at MARGIN and the highest at 1 - MARGIN. So a count keeps the logarithmic rise at its low end
    that is natural to counts. The targets are Platt's (see `logistic`), because separated scores would have no finite fit.
    Outside the scores seen the end values hold.

    Arguments and errors as for `fit_logistic`.
    """
    levels = soft_levels(score, same, weight)
    if len(levels.score) == 1:
        return flat(float(levels.score[0]), levels.prior)
    low, high = levels.score[0], levels.score[-1]

    def features(score: NDArray[np.float64]) -> NDArray[np.float64]:
        share = MARGIN + (1 - 2 * MARGIN) * (score - low) / (high - low)
        return np.stack([np.log(share), -np.log1p(-share)], axis=1)

    start = np.array([logit(levels.prior), 0.0, 0.0])
    fitted = fit_slopes(features(levels.score), levels.positive, levels.negative, np.zeros((3, 3)), start)
    return curve_of_logit(levels.score, lambda grid: fitted[0] + features(grid) @ fitted[1:])
