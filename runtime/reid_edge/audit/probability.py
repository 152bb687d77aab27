"""How probable it is that photos show one individual: by the pack's calibration, and by what is usual in this catalogue."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from reid_edge.decide.calibration import CalibrationModel

PairProbability: TypeAlias = Callable[[float, str], float]
"""Of a score and a species, the calibrated probability that both photos show one individual; NaN where the pack is not calibrated."""

DOUBLE_SHARE = 0.05
"""Before it is looked at, an individual stands under a second name as well, or is two, with this probability."""

MISFIT_SHARE = 0.02
"""Before it is looked at, a photo stands under the wrong name with this probability."""

UNLIKE_SHARE = 0.02
"""So many photos of one individual match none of its others, for other reasons than a wrong name: another pose, a bad photo."""

# Where a catalogue has few pairs: about the values of plains zebras, Amur tigers and the rendered animals with the default pack.
_SAME, _DIFFERENT, _SPREAD = 0.5, -0.7, 0.45
_DEFAULT_COUNTS_AS = 5
_LEAST_SPREAD = 0.1
_LARGEST_LOG_ODDS = 15.0


def calibrated(model: CalibrationModel | None, score_name: str) -> PairProbability:
    """By the entry of the species, or the generic one."""

    def probability(score: float, species: str) -> float:
        if model is None:
            return math.nan
        entry, _ = model.entry(species)
        return float(entry.calibrators[score_name](score))

    return probability


class MarginOdds:
    """What a margin is worth, by the margins of this catalogue: normal distributions of one spread, so that the odds never fall with it.

    Centres are medians and the spread is a median too: a few wrong names in the catalogue move them little.
    """

    def __init__(self, same: Sequence[float], different: Sequence[float]) -> None:
        """From margins of one individual, and of two; where there are few, usual values weigh more."""
        self.same = _shrunk(_median(same), len(same), _SAME)
        self.different = min(_shrunk(_median(different), len(different), _DIFFERENT), self.same - _LEAST_SPREAD)
        away = [abs(each - _median(margins)) for margins in (same, different) for each in margins]
        self.spread = max(_LEAST_SPREAD, _shrunk(1.4826 * _median(away), min(len(same), len(different)), _SPREAD))

    def log_odds(self, margin: float) -> float:
        """The logarithm of how many times as likely the margin is for one individual as for two."""
        middle = (self.same + self.different) / 2
        return _bounded((self.same - self.different) / self.spread**2 * (margin - middle))

    def log_odds_against(self, margin: float) -> float:
        """As `log_odds`, for two individuals as against one: a low margin has other reasons, too, see `UNLIKE_SHARE`."""
        return min(-self.log_odds(margin), -math.log(UNLIKE_SHARE))


def posterior(prior: float, log_odds: float) -> float:
    """The probability after evidence of these odds."""
    return 1 / (1 + (1 - prior) / prior * math.exp(-_bounded(log_odds)))


def _bounded(log_odds: float) -> float:
    return min(max(log_odds, -_LARGEST_LOG_ODDS), _LARGEST_LOG_ODDS)


def _median(values: Sequence[float]) -> float:
    return float(np.median(values)) if len(values) else 0.0


def _shrunk(value: float, count: int, usual: float) -> float:
    return (count * value + _DEFAULT_COUNTS_AS * usual) / (count + _DEFAULT_COUNTS_AS)
