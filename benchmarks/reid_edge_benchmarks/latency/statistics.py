"""Medians with their spread, and ratios of medians that are given only if they are larger than the noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_RESAMPLES = 2000
_ENDS = (2.5, 97.5)
# A bootstrap of fewer pairs has an interval that means nothing.
LEAST_PAIRS = 5


@dataclass(frozen=True)
class Spread:
    """Percentiles of `count` values, in their unit: p99 of fewer than a hundred values is hardly more than the largest."""

    count: int
    p25: float
    p50: float
    p75: float
    p95: float
    p99: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """The percentiles; of at least one value."""
        return cls(len(values), *(float(each) for each in np.percentile(values, (25, 50, 75, 95, 99))))


@dataclass(frozen=True)
class Ratio:
    """How many times as much one side takes as the other.

    Attributes:
        value: ratio of the two medians.
        low, high: 95 % bootstrap interval, pairs resampled together (Efron and Tibshirani 1993, section 8.3); None of fewer than 5 pairs.
        pairs: how many photos both sides answered.
    """

    value: float
    low: float | None
    high: float | None
    pairs: int

    @property
    def significant(self) -> bool:
        """Whether the difference is larger than the noise: the interval does not include 1."""
        return self.low is not None and self.high is not None and not self.low <= 1 <= self.high

    def text(self) -> str:
        """For a table; no figure where the noise is larger than the difference."""
        if self.low is None:
            return f"too few pairs: {self.pairs}"
        return f"{self.value:.2f} ({self.low:.2f} to {self.high:.2f})" if self.significant else "within the noise"

    def as_json(self) -> dict[str, Any]:
        """Plain data; `value` is None unless the ratio is significant."""
        return {**asdict(self), "value": self.value if self.significant else None, "told": self.significant}


def ratio_of_medians(theirs: Sequence[float], ours: Sequence[float], seed: int = 0) -> Ratio:
    """Median of theirs by median of ours, over the same photos in the same order.

    Args:
        theirs, ours: above 0, of one length.
        seed: of the resamples.
    """
    above, below = np.asarray(theirs, np.float64), np.asarray(ours, np.float64)
    value = float(np.median(above) / np.median(below))
    if len(above) < LEAST_PAIRS:
        return Ratio(value, None, None, len(above))
    rows: NDArray[np.int64] = np.random.default_rng(seed).integers(0, len(above), (_RESAMPLES, len(above)))
    low, high = np.percentile(np.median(above[rows], 1) / np.median(below[rows], 1), _ENDS)
    return Ratio(value, float(low), float(high), len(above))
