"""A strictly increasing curve from a raw score to a probability, stored as knots and evaluated with numpy alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reid_edge.errors import PackError

KINDS = ("linear", "pchip")
STRICT = 1e-9
"""The share of the answer that only ranks.

Small enough that a calibrator gives the numbers of wildlife-tools' IsotonicCalibration to 1e-9 on the scores it was fitted on;
large enough that two scores which differ by a millionth of the knots' range never tie.
"""


@dataclass(frozen=True)
class Calibrator:
    """A monotone curve through knots.

    Attributes:
        kind: "pchip" (piecewise cubic Hermite with Fritsch-Carlson slopes) or "linear" between knots.
        x: two knots or more, raw scores, strictly increasing, finite.
        y: probabilities at the knots, never decreasing, within [0, 1].

    Raises:
        PackError: knots that break these rules.
    """

    kind: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    _bends: NDArray[np.float64] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _check_knots(self.kind, self.x, self.y)
        x, y = np.array(self.x), np.array(self.y)
        object.__setattr__(self, "_bends", pchip_bends(x, y) if self.kind == "pchip" else np.stack([np.diff(y)] * 2))

    def __call__(self, score: ArrayLike) -> NDArray[np.float64]:
        """Probabilities, strictly increasing with the score so that flat stretches still rank.

        The curve of `interpolate`, mixed with a share STRICT of an arctangent of the score; the reference adds score x eps
        instead, which leaves [0, 1].

        Args:
            score: raw scores of any shape; minus infinity gives the lowest probability there is, NaN gives NaN.

        Returns:
            float64 of the same shape, within [0, 1].
        """
        score = np.asarray(score, np.float64)
        low, high = self.x[0], self.x[-1]
        with np.errstate(over="ignore"):
            rank = 0.5 + np.arctan((score - (low + high) / 2) / (high - low)) / np.pi
        return np.asarray((1 - STRICT) * self.interpolate(score) + STRICT * rank)

    def interpolate(self, score: ArrayLike) -> NDArray[np.float64]:
        """The curve through the knots, held at the end values outside them; shapes as in `__call__`."""
        knots, y = np.array(self.x), np.array(self.y)
        score = np.clip(np.asarray(score, np.float64), knots[0], knots[-1])
        piece = np.clip(np.searchsorted(knots, score, side="right") - 1, 0, len(knots) - 2)
        t = (score - knots[piece]) / np.diff(knots)[piece]
        low, high = y[piece], y[piece + 1]
        start, end = self._bends[:, piece]
        value = low * (1 + 2 * t) * (1 - t) ** 2 + high * t**2 * (3 - 2 * t) + start * t * (1 - t) ** 2 - end * t**2 * (1 - t)
        return np.asarray(np.clip(value, low, high))


def pchip_bends(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Slopes that keep a cubic Hermite curve monotone, times the width of each piece.

    Interior slopes are the weighted harmonic mean of their neighbours' (Fritsch & Butland 1984, the form of
    Fritsch & Carlson 1980 that SciPy's PchipInterpolator uses), end slopes the one-sided three-point estimate, limited
    (Moler 2004, Numerical Computing with MATLAB, section 3.6).

    Args:
        x: [K] knots, increasing; y: [K] values, never decreasing.

    Returns:
        float64 [2, K - 1]: slope at the start and at the end of each piece, times its width.
    """
    width, rise = np.diff(x), np.diff(y) / np.diff(x)
    if len(x) == 2:
        return np.stack([np.diff(y)] * 2)
    before, after = width[1:] * 2 + width[:-1], width[1:] + 2 * width[:-1]
    with np.errstate(divide="ignore", over="ignore"):
        inner = (before + after) / (before / rise[:-1] + after / rise[1:])
    first = _end_slope(width[0], width[1], rise[0], rise[1])
    last = _end_slope(width[-1], width[-2], rise[-1], rise[-2])
    slope = np.concatenate([[first], inner, [last]])
    return np.stack([slope[:-1] * width, slope[1:] * width])


def _end_slope(width: float, next_width: float, rise: float, next_rise: float) -> float:
    """Of a curve that never falls, so the only limit needed is that the slope is not negative."""
    return max(0.0, ((2 * width + next_width) * rise - width * next_rise) / (width + next_width))


def _check_knots(kind: str, x: Sequence[float], y: Sequence[float]) -> None:
    hint = "Calibrate the pack again."
    if kind not in KINDS:
        raise PackError(f"the kind of a calibrator must be {' or '.join(map(repr, KINDS))}, not {str(kind)[:40]!r}.", hint)
    if len(x) != len(y) or len(x) < 2:
        raise PackError(f"a calibrator needs as many x as y, two or more; it has {len(x)} and {len(y)}.", hint)
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        width = np.diff(np.array(x, np.float64))
        steep = np.diff(np.array(y, np.float64)) / width
        span = width.sum()
    if not np.isfinite([*x, span, 3 * span]).all() or not (width > 0).all() or not np.isfinite(3 * steep).all():
        raise PackError("the x of a calibrator must be finite and strictly increasing, with gaps that can be divided by.", hint)
    if not all(0 <= value <= 1 for value in y) or (np.diff(y) < 0).any():
        raise PackError("the y of a calibrator must lie within 0 and 1 and never decrease.", hint)
