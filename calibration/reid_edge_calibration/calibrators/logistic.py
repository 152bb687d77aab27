"""Logistic calibrators: Platt scaling."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from reid_edge.decide.calibration import Calibrator
from reid_edge_calibration.calibrators.knots import curve_of_logit, flat
from reid_edge_calibration.calibrators.levels import soft_levels
from reid_edge_calibration.calibrators.likelihood import fit_slopes


def fit_logistic(score: NDArray[np.floating], same: NDArray[np.bool_], weight: NDArray[np.float64] | None = None) -> Calibrator:
    """The probability that a pair with this score shows the same individual: expit(a score + c), a >= 0.

    Platt 1999, "Probabilistic outputs for support vector machines and comparisons to regularized likelihood methods", with the
    targets of section 2.2, (n+ + 1) / (n+ + 2) and 1 / (n- + 2) in place of 1 and 0, which keep the curve finite where a score
    separates the pairs altogether. Outside the scores seen the end values hold.

    Args:
        score: [P] raw scores; pairs with NaN are left out.
        same: bool [P], the pair shows the same individual.
        weight: [P] of each pair, 1 where None.

    Raises:
        UsageError: no score at all, or an infinite one.
    """
    levels = soft_levels(score, same, weight)
    if len(levels.score) == 1:
        return flat(float(levels.score[0]), levels.prior)
    total = levels.positive + levels.negative
    middle = np.average(levels.score, weights=total)
    spread = np.sqrt(np.average((levels.score - middle) ** 2, weights=total))
    start = np.array([logit(levels.prior), 0.0])
    c, a = fit_slopes(((levels.score - middle) / spread)[:, None], levels.positive, levels.negative, np.zeros((2, 2)), start)
    return curve_of_logit(levels.score, lambda grid: a * (grid - middle) / spread + c)
