"""Whether the candidates that are still to be matched can change the answer, so that an expensive matcher may stop.

Every step from raw scores to the answer is monotone: a higher score of a candidate never lowers the evidence for its own individual, and
never raises the evidence for another one. So two tables bound all that may still come. In the one every candidate of another individual
has the highest score that it may reach, and those of the best individual have none; in the other it is the other way round. Where the best
individual stays first in the former, and both give the same verdict and nearly the same probabilities, then so does every table between.
The answer is given from the scores that are known, which lie between as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from reid_edge.compare.comparison import Comparison
from reid_edge.decide.calibration import Entry
from reid_edge.decide.ranking import Ranking, SightingNames, rank
from reid_edge.decide.verdict import verdict_of
from reid_edge.recipe import EarlyExit


@dataclass(frozen=True)
class Settled:
    """Says of a comparison that is not finished whether its answer is.

    Attributes:
        names: who each candidate is.
        entry: the calibration of the species.
        quality: [K] of the query photo; a typical one where None.
        settings: how far the probabilities may still move.
    """

    names: SightingNames
    entry: Entry
    quality: NDArray[np.floating] | None
    settings: EarlyExit

    def __call__(self, comparison: Comparison, column: int, ceilings: Mapping[int, float]) -> bool:
        """Whether the answer stays whatever the scores are that are still to be computed.

        Args:
            comparison: its scores so far.
            column: of the score that is being computed.
            ceilings: the highest value of that score that each row may reach which has none yet, 0 or more.
        """
        now = self._ranking(comparison)
        best = now.scores.identities[0]
        own = {row for row in ceilings if self.names.identity_of(int(comparison.sighting_ids[row])) == best}
        low = self._ranking(_raised(comparison, column, {row: value for row, value in ceilings.items() if row not in own}))
        if low.scores.identities[0] != best:
            return False
        high = self._ranking(_raised(comparison, column, {row: value for row, value in ceilings.items() if row in own}))
        moved = max(abs(high.probabilities[0] - low.probabilities[0]), abs(high.unknown - low.unknown))
        return verdict_of(low, self.entry) == verdict_of(high, self.entry) and moved <= self.settings.tolerance

    def _ranking(self, comparison: Comparison) -> Ranking:
        return rank(comparison, self.names, self.entry, self.quality)


def _raised(comparison: Comparison, column: int, values: Mapping[int, float]) -> Comparison:
    raw = comparison.raw.copy()
    raw[list(values), column] = list(values.values())
    return replace(comparison, raw=raw)
