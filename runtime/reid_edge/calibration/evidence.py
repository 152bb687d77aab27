"""From a ranking of identities to one score of how clearly each stands out, on which `known`, `new` and `ask` are decided.

A fused score of 0.9 means little where every stranger of that species scores 0.9 too. What tells an individual in any species is
that it leaves the others of the same gallery behind: its lead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

CHANCE = 5.0
"""Matches that any two photos may have by chance. Added to both counts of a lead, so that 3 against 1 is no lead of three times."""
FEW_OTHERS = {1: 0.58, 2: 0.30, 3: 0.16, 4: 0.07}
"""What a lead over so few other individuals is lowered by: the best of a few strangers is worse than the best of five, which is the fewest
that leads were calibrated on. Half of the difference of the expected largest of that many standard normal values (1.16 of five), one half
being about the spread of the logarithms of strangers' counts.
"""
NEAREST_TO_CERTAIN = 1e-3
"""Fused scores are kept this far from 0 and 1 before their log odds are taken."""


@dataclass(frozen=True)
class Evidence:
    """A logistic function of an identity's fused score and of its leads, never falling in any of them.

    Attributes:
        bias: log odds of an identity with a fused score of one half and no lead.
        fused: weight of the log odds of the fused score, 0 or more.
        leads: by score name, in the order of the columns, the weight of that score's lead, 0 or more.
    """

    bias: float
    fused: float
    leads: Mapping[str, float]

    def __call__(self, fused: ArrayLike, best: ArrayLike) -> NDArray[np.float64]:
        """The score of every identity of one query.

        Args:
            fused: [I] in [0, 1], each identity's best fused score.
            best: [I, S] each identity's highest raw score of each kind over its photos, NaN where none was computed.

        Returns:
            float64 [I] in [0, 1].
        """
        return self.weigh(fused, leads(best))

    def weigh(self, fused: ArrayLike, ahead: NDArray[np.float64]) -> NDArray[np.float64]:
        """The same from leads that are computed already, float64 [I, S]."""
        logit = self.bias + self.fused * log_odds(fused) + ahead @ np.array(list(self.leads.values()))
        return np.asarray(1 / (1 + np.exp(-np.clip(logit, -500, 500))))


def log_odds(fused: ArrayLike) -> NDArray[np.float64]:
    """Of fused scores in [0, 1], any shape; kept finite."""
    score = np.clip(np.asarray(fused, np.float64), NEAREST_TO_CERTAIN, 1 - NEAREST_TO_CERTAIN)
    return np.asarray(np.log(score) - np.log1p(-score))


def leads(best: ArrayLike) -> NDArray[np.float64]:
    """By how much each identity is ahead of the best other one: log((x + CHANCE) / (y + CHANCE)), negative where it is behind, and less
    where the others are few and the score is a count (FEW_OTHERS).

    Args:
        best: [I, S] as in `Evidence`; a score that was not computed counts as 0, and so does a negative one.

    Returns:
        float64 [I, S]; 0 where there is no other identity to be ahead of.
    """
    level = level_of(best)
    if len(level) < 2:
        return np.zeros(level.shape)
    order = np.argsort(level, axis=0)
    first, second = (np.take_along_axis(level, order[None, place], axis=0) for place in (-1, -2))
    is_first = np.arange(len(level))[:, None] == order[-1]
    counts = level.max(axis=0) > np.log(1 + CHANCE)  # a cosine is never above 1; strangers' cosines are near one another
    return np.asarray(level - np.where(is_first, second, first) - FEW_OTHERS.get(len(level) - 1, 0.0) * counts)


def level_of(raw: ArrayLike) -> NDArray[np.float64]:
    """log(x + CHANCE) of raw scores of any shape, with 0 for those that were not computed and for negative ones."""
    return np.asarray(np.log(np.maximum(np.nan_to_num(np.asarray(raw, np.float64), nan=0.0), 0.0) + CHANCE))
