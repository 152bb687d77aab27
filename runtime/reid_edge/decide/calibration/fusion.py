"""Several calibrated scores of one pair of photos become one fused score.

Every fusion takes the same two arrays, never falls when a calibrated score rises, and leaves out what was not learnt. They differ in how
they weigh: a mean of probabilities, a logistic regression on their log odds, or a small network with weights of 0 or more.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reid_edge.decide.calibration.score_tables import PER_SCORE, NumbersByScore, Weight, WeightsByScore
from reid_edge.errors import PackError
from reid_edge.plain_data import Tagged

NEAREST_TO_CERTAIN = 1e-3
"""Probabilities are kept this far from 0 and 1 before their log odds are taken."""


def log_odds(probability: ArrayLike) -> NDArray[np.float64]:
    """Of probabilities in [0, 1], any shape; kept finite."""
    kept = np.clip(np.asarray(probability, np.float64), NEAREST_TO_CERTAIN, 1 - NEAREST_TO_CERTAIN)
    return np.asarray(np.log(kept) - np.log1p(-kept))


@dataclass(frozen=True)
class WeightedMean:
    """The weighted mean of the calibrated scores.

    Attributes:
        weights: by score name, in the order of the columns, 0 or more, not all 0.
    """

    weights: WeightsByScore

    def __post_init__(self) -> None:
        if not 0 < sum(self.weights.values()) < math.inf:
            raise PackError("the weights must not all be 0.", "Calibrate the pack again.")

    def __call__(self, calibrated: NDArray[np.float64], learnt: NDArray[np.bool_]) -> NDArray[np.float64]:
        """The fused scores.

        Args:
            calibrated: float64 [..., S] in [0, 1].
            learnt: bool, broadcast to [..., S]: the score was computed for some candidate of this query.

        Returns:
            float64 [...] in [0, 1]; 0 where no score that has a weight was learnt.
        """
        share = np.where(learnt, np.array(list(self.weights.values())), 0.0)
        total = share.sum(axis=-1, keepdims=True)
        share = np.divide(share, total, out=np.zeros_like(share), where=total > 0)
        return np.asarray(np.clip((calibrated * share).sum(axis=-1), 0.0, 1.0))


@dataclass(frozen=True)
class Stacking:
    """Logistic regression on the log odds of the calibrated scores (stacked generalisation, Wolpert 1992).

    Attributes:
        bias: log odds where every score says one half.
        weights: by score name, in the order of the columns, 0 or more.
        typical: by score name, the log odds that stand for a score that was not learnt.
    """

    bias: float
    weights: WeightsByScore
    typical: NumbersByScore

    def __call__(self, calibrated: NDArray[np.float64], learnt: NDArray[np.bool_]) -> NDArray[np.float64]:
        """As in `WeightedMean`, but never exactly 0 or 1."""
        odds = _odds_or_typical(calibrated, learnt, self.typical)
        return _expit(self.bias + odds @ np.array(list(self.weights.values())))


@dataclass(frozen=True)
class FusionNetwork:
    """One hidden layer of tanh on the log odds of the calibrated scores; all weights but the biases are 0 or more, so it is monotone
    (Sill 1998, Monotonic Networks, with a smooth unit).

    Attributes:
        hidden_bias: of H units.
        hidden: by score name, in the order of the columns, the weights to H units.
        bias: log odds of the output before the units add theirs.
        out: weights of H units.
        typical: by score name, the log odds that stand for a score that was not learnt.
    """

    hidden_bias: tuple[float, ...]
    hidden: Annotated[Mapping[str, tuple[Weight, ...]], PER_SCORE]
    bias: float
    out: tuple[Weight, ...]
    typical: NumbersByScore

    def __post_init__(self) -> None:
        if not 0 < len(self.out) == len(self.hidden_bias) or any(len(row) != len(self.out) for row in self.hidden.values()):
            raise PackError("there must be as many weights as hidden units, one or more.", "Calibrate the pack again.")

    def __call__(self, calibrated: NDArray[np.float64], learnt: NDArray[np.bool_]) -> NDArray[np.float64]:
        """As in `WeightedMean`, but never exactly 0 or 1."""
        odds = _odds_or_typical(calibrated, learnt, self.typical)
        units = np.tanh(odds @ np.array(list(self.hidden.values())) + np.array(self.hidden_bias))
        return _expit(self.bias + units @ np.array(self.out))


_KINDS = {"mean": WeightedMean, "stacking": Stacking, "network": FusionNetwork}
Fusion = Annotated[WeightedMean | Stacking | FusionNetwork, Tagged("kind", _KINDS)]


def _odds_or_typical(
    calibrated: NDArray[np.float64], learnt: NDArray[np.bool_], typical: Mapping[str, float]
) -> NDArray[np.float64]:
    return np.where(learnt, log_odds(calibrated), np.array(list(typical.values())))


def _expit(logit: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(1 / (1 + np.exp(-np.clip(logit, -500, 500))))
