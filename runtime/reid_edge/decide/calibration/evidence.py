"""From a ranking of identities to one score of how clearly each stands out, on which `known`, `new` and `ask` are decided.

A fused score of 0.9 means little where every stranger of that species scores 0.9 too. What tells an individual in any species is
that it leaves the others of the same gallery behind: its lead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reid_edge.decide.calibration.fusion import log_odds
from reid_edge.decide.calibration.score_tables import NumbersByScore, Weight, WeightsByScore
from reid_edge.describe.quality import QUALITY
from reid_edge.errors import PackError
from reid_edge.plain_data import Keys

CHANCE = 5.0
"""Matches that any two photos may have by chance. Added to both counts of a lead, so that 3 against 1 is no lead of three times."""
FEW_OTHERS = {1: 0.58, 2: 0.30, 3: 0.16, 4: 0.07}
"""What a lead over so few other individuals is lowered by: the best of a few strangers is worse than the best of five, which is the fewest
that leads were calibrated on. Half of the difference of the expected largest of that many standard normal values (1.16 of five), one half
being about the spread of the logarithms of strangers' counts.
"""


_OF_QUALITY = Keys(lambda _: QUALITY)


@dataclass(frozen=True)
class QualityTerm:
    """What one measure of the query photo's quality adds to the log odds: weight * (measure - typical), the measure kept within the
    range that was seen when the weight was fitted.
    """

    weight: float
    typical: float
    low: float
    high: float

    def __post_init__(self) -> None:
        if not self.low <= self.typical <= self.high:
            raise PackError("a measure of quality must have low <= typical <= high.", "Calibrate the pack again.")


@dataclass(frozen=True)
class Evidence:
    """A logistic function, never falling in an identity's fused score and leads.

    Attributes:
        bias: log odds of an identity with a fused score of one half, no lead and one photo, in a typical query photo.
        fused: weight of the log odds of the fused score, 0 or more.
        leads: by score name, in the order of the columns, the weight of that score's lead, 0 or more.
        photos: weight of the logarithm of the number of the identity's photos that were compared.
        quality: by measure, in the order of `reid_edge.describe.quality.QUALITY`.
        rivals: by score name, the level (`level_of`) that the best of the others had in a typical comparison: what an identity is ahead of
            where the gallery holds no other one.
    """

    bias: float
    fused: Weight
    leads: WeightsByScore
    photos: float
    quality: Annotated[Mapping[str, QualityTerm], _OF_QUALITY]
    rivals: NumbersByScore

    def __call__(
        self, fused: ArrayLike, best: ArrayLike, photos: ArrayLike, quality: NDArray[np.floating] | None = None
    ) -> NDArray[np.float64]:
        """The score of every identity of one query.

        Args:
            fused: [I] in [0, 1], each identity's fused score.
            best: [I, S] each identity's highest raw score of each kind over its photos, NaN where none was computed.
            photos: int [I], 1 or more, how many photos of each identity were compared.
            quality: [K] of the query photo, in the order of QUALITY; a typical photo where None.

        Returns:
            float64 [I] in [0, 1].
        """
        return self.weigh(fused, leads(best, np.array(list(self.rivals.values()))), photos, quality)

    def weigh(
        self, fused: ArrayLike, ahead: NDArray[np.float64], photos: ArrayLike, quality: NDArray[np.floating] | None = None
    ) -> NDArray[np.float64]:
        """The same from leads that are computed already, float64 [I, S]; quality may be [I, K] as well."""
        logit = self.bias + self.fused * log_odds(fused) + ahead @ np.array(list(self.leads.values()))
        logit = logit + self.photos * np.log(np.maximum(np.asarray(photos, np.float64), 1.0))
        if quality is not None and self.quality:
            weight, typical, low, high = np.array([(t.weight, t.typical, t.low, t.high) for t in self.quality.values()]).T
            logit = logit + (np.clip(np.asarray(quality, np.float64), low, high) - typical) @ weight
        return np.asarray(1 / (1 + np.exp(-np.clip(logit, -500, 500))))


def leads(best: ArrayLike, rivals: NDArray[np.float64]) -> NDArray[np.float64]:
    """By how much each identity is ahead of the best other one: log((x + CHANCE) / (y + CHANCE)), negative where it is behind, and less
    where the others are few and the score is a count (FEW_OTHERS).

    Args:
        best: [I, S] as in `Evidence`; a score that was not computed counts as 0, and so does a negative one.
        rivals: float64 [S], the level of the other one where there is none, see `Evidence`.

    Returns:
        float64 [I, S].
    """
    level = level_of(best)
    if len(level) < 2:
        return np.asarray(level - rivals)
    order = np.argsort(level, axis=0)
    first, second = (np.take_along_axis(level, order[None, place], axis=0) for place in (-1, -2))
    is_first = np.arange(len(level))[:, None] == order[-1]
    return np.asarray(level - np.where(is_first, second, first) - lowered_by(len(level) - 1, level.max(axis=0)))


def lowered_by(others: ArrayLike, highest_level: NDArray[np.float64]) -> NDArray[np.float64]:
    """What a lead over so few others is lowered by: FEW_OTHERS, but no more than the score is above 1.

    A cosine is never above 1, and strangers' cosines are near one another however few they are; nor does a count that rises ever lower its
    own lead this way.

    Args:
        others: how many other individuals there are, broadcast to the levels.
        highest_level: of the score among all individuals, float64 of any shape.
    """
    few = np.append([0.0, *FEW_OTHERS.values()], 0.0)[np.minimum(others, len(FEW_OTHERS) + 1)]
    return np.asarray(np.minimum(few, np.maximum(highest_level - np.log(1 + CHANCE), 0.0)))


def level_of(raw: ArrayLike) -> NDArray[np.float64]:
    """log(x + CHANCE) of raw scores of any shape, with 0 for those that were not computed and for negative ones."""
    return np.asarray(np.log(np.maximum(np.nan_to_num(np.asarray(raw, np.float64), nan=0.0), 0.0) + CHANCE))
