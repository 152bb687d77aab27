"""Whether the catalogue holds the animal twice: two names that carry the same absolute evidence.

Relative evidence fails here. Each name is the other's nearest rival, so neither leaves the others behind, and a known animal would become
new. Absolute evidence does not depend on who else is in the gallery: where two names have it, they are judged as one.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from reid_edge.compare.comparison import Comparison
from reid_edge.compare.matching.distinctive import distinctive_scores
from reid_edge.decide.ranking import Ranking
from reid_edge.decide.verdict import Judgement
from reid_edge.recipe import Recipe

SAME = 0.9
"""The calibrated probability of an absolute score from which two photos are taken to show one animal."""


def find_doubles(ranking: Ranking, recipe: Recipe) -> tuple[str, ...]:
    """Names that may be one animal, the query's: two or more individuals whose absolute score says so, best first; else none.

    The absolute score is the recipe's last count of inliers, or its last count of matches where it has none.
    """
    by_count = {match.count: match.name for match in recipe.match}
    name = by_count.get("inliers") or by_count.get("matches")
    if name not in ranking.comparison.score_names or recipe.fuse:  # a recipe that fuses decides by rules of its own
        return ()
    owners, column = ranking.comparison.owners, ranking.comparison.score_names.index(name)
    sure = np.nan_to_num(ranking.scores.calibrated[:, column]) >= SAME
    names = {owner for owner, each in zip(owners, sure, strict=True) if each}
    doubles = tuple(identity for identity in ranking.scores.identities if identity in names)
    return doubles if len(doubles) > 1 else ()


def as_one(comparison: Comparison, doubles: tuple[str, ...], recipe: Recipe) -> Comparison:
    """The same comparison with these names as one individual, the first of them: none of them is another's rival any more."""
    owners = tuple(doubles[0] if owner in doubles else owner for owner in comparison.owners)
    raw = comparison.raw.copy()
    for match in recipe.match:
        rows = sorted(comparison.matches.get(match.name, {}))
        if match.count == "distinctive" and rows:
            found = [comparison.matches[match.name][row] for row in rows]
            keypoints = 1 + max((int(each.query.max()) for each in found if len(each)), default=0)
            scores = distinctive_scores(keypoints, found, [owners[row] for row in rows])
            raw[rows, comparison.score_names.index(match.name)] = scores
    return replace(comparison, owners=owners, raw=raw)


def judge_doubles(judgement: Judgement, ranking: Ranking, doubles: tuple[str, ...]) -> Judgement:
    """What was judged of the names apart is kept where it is `known` for one of them; else a person is asked: the animal is not new.

    Args:
        judgement: of the ranking that takes the names for different animals.
        ranking: that takes them for one.
        doubles: the names.
    """
    twice = f"Your catalogue may hold this animal twice, as {' and '.join(doubles)}."
    identity = ranking.scores.identities[0]
    probability = ranking.probabilities[0]
    if judgement.verdict == "known" and judgement.identity in doubles:
        return replace(judgement, probability=max(judgement.probability, probability), reason=f"{judgement.reason} {twice}")
    return Judgement("ask", identity, probability, f"{twice} It matches each of them. A person should look.")
