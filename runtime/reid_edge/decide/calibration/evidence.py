"""From a ranking of identities to one score of how clearly each stands out, on which `known`, `new` and `ask` are decided.

A fused score of 0.9 means little where every stranger of that species scores 0.9 too. What tells an individual in any species is
that it leaves the others of the same gallery behind: its lead. A lead is relative, though. An animal that stands in the gallery under two
names leaves nobody behind, and a single individual has nobody to leave behind; so the level that a score reaches counts beside it.

A score that was not computed is unknown: it gives no lead, nobody leads by it over another, and it stands at a rival's typical level.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
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
_OF_QUALITY = Keys(lambda _: QUALITY)
MOST_OTHERS = 100
"""Further individuals are counted as so many: galleries that evidence was fitted on hold hardly more."""


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
    """A logistic function, never falling in an identity's fused score, leads and levels, never rising in its number of photos.

    Attributes:
        bias: log odds of an identity with a fused score of one half, no lead and one photo, in a typical query photo.
        fused: weight of the log odds of the fused score, 0 or more.
        leads: by score name, in the order of the columns, the weight of that score's lead, 0 or more.
        levels: by score name, the weight of the level (`level_of`) that the score reaches, 0 or more.
        photos: weight of the logarithm of the number of the identity's photos that were compared, 0 or less: the best of many photos
            resembles any animal more.
        others: weight of log(1 + the number of other individuals that were compared).
        order: by score name, the weight of the level that the score reaches in the order of individuals, see `shares`; empty where the
            fused scores give the order.
        quality: by measure, in the order of `reid_edge.describe.quality.QUALITY`.
        rivals: by score name, the level (`level_of`) that the best of the others had in a typical comparison: what an identity is ahead of
            where the gallery holds no other one, and its own level where the score was not computed.
    """

    bias: float
    fused: Weight
    leads: WeightsByScore
    photos: float
    quality: Annotated[Mapping[str, QualityTerm], _OF_QUALITY]
    rivals: NumbersByScore
    levels: WeightsByScore = field(default_factory=dict)
    others: float = 0.0
    order: WeightsByScore = field(default_factory=dict)

    def shares(self, best: ArrayLike) -> NDArray[np.float64]:
        """How the individuals of one gallery share the belief that one of them is the query's: the softmax of their weighted levels.

        Where a score was not computed for an individual, the lowest level that it has for this query stands in: nobody falls behind
        further than the last who was looked at.

        Args:
            best: [I, S] each individual's highest raw score of each kind over its photos, NaN where none was computed.

        Returns:
            float64 [I], sums to 1.
        """
        level = level_of(best)
        lowest = np.min(np.where(np.isnan(level), np.inf, level), axis=0, initial=np.inf)
        filled = np.where(np.isnan(level), np.where(np.isfinite(lowest), lowest, 0.0), level)
        utility = filled @ np.array(list(self.order.values()))
        odds = np.exp(utility - utility.max())
        return np.asarray(odds / odds.sum())

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
        rivals = np.array(list(self.rivals.values()))
        standing = Standing(
            np.asarray(fused, np.float64),
            leads(best, rivals),
            levels(best, rivals),
            np.asarray(photos),
            max(0, len(np.asarray(fused)) - 1),
        )
        return self.weigh(standing, quality)

    def weigh(self, standing: Standing, quality: NDArray[np.floating] | None = None) -> NDArray[np.float64]:
        """The same from what was computed already; quality may be [I, K] as well.

        Returns:
            float64 [I] in [0, 1].
        """
        logit = self.bias + self.fused * log_odds(standing.fused) + standing.leads @ np.array(list(self.leads.values()))
        if self.levels:
            logit = logit + standing.levels @ np.array(list(self.levels.values()))
        logit = logit + self.photos * standing.log_photos + self.others * standing.log_others
        if quality is not None and self.quality:
            weight, typical, low, high = np.array([(t.weight, t.typical, t.low, t.high) for t in self.quality.values()]).T
            logit = logit + (np.clip(np.asarray(quality, np.float64), low, high) - typical) @ weight
        return np.asarray(1 / (1 + np.exp(-np.clip(logit, -500, 500))))


@dataclass(frozen=True)
class Standing:
    """How identities stand among the others of their gallery.

    Attributes:
        fused: float64 [I] in [0, 1], their fused scores.
        leads: float64 [I, S], see `leads`.
        levels: float64 [I, S], see `levels`.
        photos: int [I], how many of their photos were compared.
        others: int, or int [I], how many other individuals were compared.
    """

    fused: NDArray[np.float64]
    leads: NDArray[np.float64]
    levels: NDArray[np.float64]
    photos: NDArray[np.int64]
    others: int | NDArray[np.int64]

    @property
    def log_photos(self) -> NDArray[np.float64]:
        """float64 [I]."""
        return np.asarray(np.log(np.maximum(self.photos, 1)))

    @property
    def log_others(self) -> NDArray[np.float64]:
        """float64, of the shape of `others`."""
        return np.asarray(np.log1p(np.minimum(self.others, MOST_OTHERS)))


def leads(best: ArrayLike, rivals: NDArray[np.float64]) -> NDArray[np.float64]:
    """By how much each identity is ahead of the best other one: log((x + CHANCE) / (y + CHANCE)), negative where it is behind.

    Args:
        best: [I, S] as in `Evidence`, NaN where a score was not computed: 0 is its lead, and it is nobody's rival; a negative score
            counts as 0.
        rivals: float64 [S], the level of the other one where there is none, see `Evidence`.

    Returns:
        float64 [I, S].
    """
    raw = np.asarray(best, np.float64)
    level = np.where(np.isnan(raw), -np.inf, level_of(raw))
    if len(level) < 2:
        return np.asarray(np.where(np.isnan(raw), 0.0, level - rivals))
    order = np.argsort(level, axis=0)
    first, second = (np.take_along_axis(level, order[None, place], axis=0) for place in (-1, -2))
    rival = np.where(np.arange(len(level))[:, None] == order[-1], second, first)
    return np.subtract(level, rival, out=np.zeros_like(level), where=np.isfinite(level) & np.isfinite(rival))


def levels(best: ArrayLike, rivals: NDArray[np.float64]) -> NDArray[np.float64]:
    """The levels that identities reach, float64 [I, S]; a rival's typical one where a score was not computed. Arguments as of `leads`."""
    raw = np.asarray(best, np.float64)
    return np.where(np.isnan(raw), rivals, level_of(raw))


def level_of(raw: ArrayLike) -> NDArray[np.float64]:
    """log(x + CHANCE) of raw scores of any shape; a negative one counts as 0. NaN stays NaN."""
    return np.asarray(np.log(np.maximum(np.asarray(raw, np.float64), 0.0) + CHANCE))
