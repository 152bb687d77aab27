"""Whether an answer is clear without the recipe's costly matcher, so that it is not run.

A pack with such a matcher brings a second calibration, fitted on all other scores. Where that one answers without asking a person, its
answer stands; where it would ask, the matcher is run and the whole calibration answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from reid_edge.compare.comparison import Comparison
from reid_edge.decide.doubles import find_doubles
from reid_edge.decide.ranking import Ranker
from reid_edge.decide.verdict import verdict_of


@dataclass(frozen=True)
class DoubtCheck:
    """Says of a comparison that lacks its last score whether its answer is clear.

    Attributes:
        ranker: with the calibration that was fitted without that score.
    """

    ranker: Ranker

    def __call__(self, comparison: Comparison, column: int, ceilings: Mapping[int, float]) -> bool:
        """Whether the answer stands without the score in this column, of which nothing is computed yet."""
        ranking = self.ranker.rank(without_score(comparison, comparison.score_names[column]))
        if verdict_of(ranking, self.ranker.entry) == "ask":
            return False
        return self.ranker.recipe is None or not find_doubles(ranking, self.ranker.recipe)


def is_left_out(comparison: Comparison, score: str) -> bool:
    """Whether this score was computed for no candidate."""
    return bool(np.isnan(comparison.raw[:, comparison.score_names.index(score)]).all())


def without_score(comparison: Comparison, score: str) -> Comparison:
    """The same comparison without one of its scores."""
    column = comparison.score_names.index(score)
    names = tuple(name for name in comparison.score_names if name != score)
    return replace(comparison, score_names=names, raw=np.delete(comparison.raw, column, axis=1))
