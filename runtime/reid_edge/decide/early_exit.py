"""Whether the candidates that are still to be matched can change the answer, so that an expensive matcher may stop.

Two tables bound all that may still come. In the one every candidate of another individual has the highest score that it may reach, and
those of the best individual have the lowest; in the other it is the other way round. Both are complete: each of these candidates has a
score, as it would at the end. So only this is relied on: among tables that have a score in the same places, a higher score of a candidate
never lowers the evidence for its own individual and never raises the evidence for another one. What a score that was not computed counts
as is not relied on: as the lowest one, or as unknown. The answer that would be given now, without these scores, is held against both.

Other candidates never get this score. Where the lowest of the query, of a photo or of an individual, stands in for it, it moves with the
scores that are to come, and with it the evidence of everybody. Hence a second pair of tables, in which these candidates too have the
extremes of what may stand in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from reid_edge.compare.comparison import Comparison
from reid_edge.decide.doubles import as_one, find_doubles
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
        """Whether the answer stays whatever the scores are that are still to be computed: the verdict, its individual, the names that may
        be one animal, and the probabilities within the tolerance. The order and the probabilities of the others may change.

        Args:
            comparison: its scores so far.
            column: of the score that is being computed.
            ceilings: the highest value of that score that each row may reach which has none yet, 0 or more.
        """
        if not self._is_settled(comparison, column, ceilings):
            return False
        recipe = self.ranker.recipe
        if recipe is None:
            return True
        now, at_most = self.ranker.rank(comparison), self.ranker.rank(_with(comparison, column, ceilings))
        doubles = find_doubles(now, recipe)
        if set(doubles) != set(find_doubles(at_most, recipe)):
            return False
        if not doubles:
            return True
        together = as_one(comparison, doubles, recipe)
        return now.scores.identities[0] == doubles[0] and self._is_settled(together, column, ceilings, doubles[0])

    def _is_settled(self, comparison: Comparison, column: int, ceilings: Mapping[int, float], first: str = "") -> bool:
        """Whether the best individual, which is `first` where one is given, the verdict and the probabilities stay."""
        now = self.ranker.rank(comparison)
        best, verdict = now.scores.identities[0], verdict_of(now, self.ranker.entry)
        if first and best != first:
            return False
        probabilities = [(now.probabilities[0], now.unknown)]
        for table in self._bounds(comparison, column, ceilings, best):
            ranking = self.ranker.rank(table)
            probabilities.append((ranking.probabilities[0], ranking.unknown))
            if ranking.scores.identities[0] != best or verdict_of(ranking, self.ranker.entry) != verdict:
                return False
            if np.ptp(probabilities, axis=0).max() > self.tolerance:
                return False
        return True

    def _bounds(self, comparison: Comparison, column: int, ceilings: Mapping[int, float], best: str) -> Iterator[Comparison]:
        """The tables of the lowest and of the highest evidence for the best individual, see the module."""
        owners = comparison.owners or [self.ranker.names.identity_of(int(sighting)) for sighting in comparison.sighting_ids]
        raw = comparison.raw[:, column]
        never = [row for row in range(len(raw)) if np.isnan(raw[row]) and row not in ceilings]
        highest: dict[str, float] = {}  # per individual: its lowest stands in where one has none
        for row in {*np.flatnonzero(~np.isnan(raw)).tolist(), *ceilings}:
            highest[owners[row]] = max(highest.get(owners[row], 0.0), ceilings.get(row, raw[row]))
        most_that_stands_in = min(highest.values(), default=0.0)
        for best_is_high in (False, True):
            complete = {row: most if (owners[row] == best) == best_is_high else 0.0 for row, most in ceilings.items()}
            yield _with(comparison, column, complete)
            if never:
                stand_in = {row: most_that_stands_in if (owners[row] == best) == best_is_high else 0.0 for row in never}
                yield _with(comparison, column, {**complete, **stand_in})


def _with(comparison: Comparison, column: int, values: Mapping[int, float]) -> Comparison:
    raw = comparison.raw.copy()
    raw[list(values), column] = list(values.values())
    return replace(comparison, raw=raw)
