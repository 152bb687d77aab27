"""The fused scores of one individual's photos become the score of the individual."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from reid_edge.decide.calibration.fusion import log_odds
from reid_edge.plain_data import Range


@dataclass(frozen=True)
class Pooling:
    """The best photo counts, or all of them do a little.

    Attributes:
        sharpness: 0: the best photo alone. Otherwise a soft count: log odds of (sum over photos of odds ** sharpness) ** (1 / sharpness),
            so that two photos that both look alike say more than one, and the larger the sharpness, the less the others add.
    """

    sharpness: Annotated[float, Range(0, 100)] = 0.0

    def __call__(
        self, fused: NDArray[np.float64], first: NDArray[np.int64], counted: NDArray[np.bool_] | None = None
    ) -> NDArray[np.float64]:
        """Pool groups of photos that lie side by side.

        Args:
            fused: float64 [..., N] in [0, 1], photos of one individual next to one another.
            first: int64 [I], increasing from 0, where each individual's photos begin.
            counted: bool [..., N], photos that count; all where None.

        Returns:
            float64 [..., I] in [0, 1]; 0 for an individual of whose photos none counts.
        """
        present = np.ones(fused.shape, bool) if counted is None else counted
        best = np.maximum.reduceat(np.where(present, fused, 0.0), first, axis=-1)
        if not self.sharpness:
            return best
        odds = np.where(present, np.exp(self.sharpness * log_odds(fused)), 0.0)
        total = np.add.reduceat(odds, first, axis=-1)
        logit = np.log(total, out=np.full_like(total, -np.inf), where=total > 0) / self.sharpness
        # Below the certainty that log odds are cut at, the best photo's own score still tells one individual from another.
        return np.where(total > 0, np.maximum(best, 1 / (1 + np.exp(-np.clip(logit, -500, 500)))), 0.0)
