"""Calibrators in the reference's own form: scikit-learn's isotonic regression through SciPy's PCHIP, as wildlife-tools has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import PchipInterpolator
from sklearn.isotonic import IsotonicRegression

TIE = 1e-9
"""Separates scores on a flat part of the curve: this share of the score's place between the smallest and largest score seen."""


class IsotonicCurve:
    """The probability that a pair with this score shows the same individual."""

    def __init__(self, score: ArrayLike, same: NDArray[np.bool_], weight: NDArray[np.float64] | None = None) -> None:
        """Fit.

        Args:
            score: [P]; pairs with NaN are left out.
            same: bool [P].
            weight: [P], 1 where None.
        """
        score = np.asarray(score, np.float64)
        seen = ~np.isnan(score)
        if not seen.any():  # a score of other species
            self._low, self._high, self._least, self._curve = 0.0, 1.0, 0.0, np.zeros_like
            return
        x, y = score[seen], np.asarray(same, np.float64)[seen]
        fitted = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(x, y, None if weight is None else weight[seen])
        steps = fitted.X_thresholds_
        knots = np.unique(np.concatenate(([x.min()], (steps[1:] + steps[:-1]) / 2, [x.max()])))
        self._low, self._high = float(x.min()), float(x.max())
        values = fitted.predict(knots)
        self._least = float(values[0])
        self._curve = PchipInterpolator(knots, values) if len(knots) > 1 else lambda _: np.full(np.shape(_), values[0])

    def __call__(self, score: ArrayLike) -> NDArray[np.float64]:
        """Probabilities of scores of any shape; of minus infinity the least there is, of NaN NaN."""
        score = np.asarray(score, np.float64)
        inside = np.clip(score, self._low, self._high)
        place = np.arctan((score - (self._low + self._high) / 2) / max(self._high - self._low, 1e-12)) / np.pi + 0.5
        return np.asarray((1 - TIE) * self.probability(inside) + TIE * place)

    def probability(self, score: ArrayLike) -> NDArray[np.float64]:
        """The curve alone, within the scores that were seen."""
        return np.clip(self._curve(np.asarray(score, np.float64)), 0.0, 1.0)


def by_name(
    raw: NDArray[np.float64], names: Sequence[str], curves: Mapping[str, IsotonicCurve]
) -> tuple[list[dict[str, float]], list[dict[str, float]]]:
    """The scores of each candidate by name: those that were computed, and all through their calibrators.

    Args:
        raw: [B, S], NaN where a score was not computed; it has the least probability.
        names: of the S columns.
        curves: by name.
    """
    there = [{name: float(value) for name, value in zip(names, row, strict=True) if value == value} for row in raw]
    filled = np.where(np.isnan(raw), -np.inf, raw)
    columns = [curves[name](filled[:, place]) for place, name in enumerate(names)]
    return there, [dict(zip(names, map(float, row), strict=True)) for row in zip(*columns, strict=True)]
