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

from reid_edge.compare.comparison import Comparison
from reid_edge.decide.ranking import Ranker
from reid_edge.decide.verdict import verdict_of


@dataclass(frozen=True)
class EarlyExitCheck:
    """Says of a comparison that is not finished whether its answer is.

    Attributes:
        ranker: ranks the individuals.
        tolerance: how far the probabilities may still move.
    """

    ranker: Ranker
    tolerance: float

    def __call__(self, comparison: Comparison, column: int, ceilings: Mapping[int, float]) -> bool:
        """Whether the answer stays whatever the scores are that are still to be computed.

        Args:
            comparison: its scores so far.
            column: of the score that is being computed.
            ceilings: the highest value of that score that each row may reach which has none yet, 0 or more.
        """
        now = self.ranker.rank(comparison)
        best = now.scores.identities[0]
        of_best = {row for row in ceilings if self.ranker.names.identity_of(int(comparison.sighting_ids[row])) == best}
        low = self.ranker.rank(_raised(comparison, column, {row: value for row, value in ceilings.items() if row not in of_best}))
        if low.scores.identities[0] != best:
            return False
        high = self.ranker.rank(_raised(comparison, column, {row: value for row, value in ceilings.items() if row in of_best}))
        moved = max(abs(high.probabilities[0] - low.probabilities[0]), abs(high.unknown - low.unknown))
        return verdict_of(low, self.ranker.entry) == verdict_of(high, self.ranker.entry) and moved <= self.tolerance


def _raised(comparison: Comparison, column: int, values: Mapping[int, float]) -> Comparison:
    raw = comparison.raw.copy()
    raw[list(values), column] = list(values.values())
    return replace(comparison, raw=raw)
