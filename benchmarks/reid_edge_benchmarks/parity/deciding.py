"""From raw scores to an answer as the published accounts describe it, candidate by candidate and step by step, in plain Python."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from reid_edge.recipe import Recipe
from reid_edge.recipe.stages import Agree, Fuse

Scores = Mapping[str, float]
"""The scores of one candidate photo by name; one that was not computed is not there."""
Network = Callable[[Scores, Collection[str]], float]
"""From the calibrated scores of one candidate, and the names of those that were computed for any, its fused score."""


@dataclass(frozen=True)
class Opinion:
    """The identity that a source gives, None for an individual not in the gallery, and its confidence."""

    identity: str | None
    confidence: float


@dataclass(frozen=True)
class ReferenceAnswer:
    """The answer to one query.

    Attributes:
        identity: the best individual, None where nothing was compared.
        confidence: after the last step.
        fused: by individual, the best fused score of its photos, by the recipe's first fusion.
    """

    identity: str | None
    confidence: float
    fused: Mapping[str, float]

    def at(self, threshold: float) -> str | None:
        """The individual where the confidence reaches the threshold, else None: new."""
        return self.identity if self.confidence >= threshold else None


def decide(
    raw: Sequence[Scores],
    calibrated: Sequence[Scores],
    owners: Sequence[str],
    recipe: Recipe,
    weights: Scores | None,
    species: str,
    network: Network | None = None,
) -> ReferenceAnswer:
    """Fuse and take the recipe's steps.

    Args:
        raw: of each candidate, nearest first.
        calibrated: the same through the calibrators, all scores of the recipe: one that was not computed has the least probability.
        owners: whom each candidate shows.
        recipe: fusions and steps.
        weights: of single scores, where a fusion leaves them to be fitted.
        species: of the query.
        network: where a fusion leaves one to be fitted.
    """
    if not owners:
        return ReferenceAnswer(None, 0.0, {})
    learnt = {name for scores in raw for name in scores}
    fused = {fuse.name: fused_scores(fuse, raw, calibrated, learnt, weights, network) for fuse in recipe.fuse}
    first = fused[recipe.fuse[0].name]
    answer = _opinion(dict(enumerate(first)), owners)
    for step in recipe.step:
        if step.species and species.lower() not in step.species:
            continue
        of_source = fused[step.source] if step.source in fused else [scores.get(step.source, math.nan) for scores in raw]
        told = {row: value for row, value in enumerate(of_source) if not math.isnan(value)}
        if not told:
            continue
        source = _opinion(told, owners)
        if isinstance(step, Agree):
            answer = _agreed(step, answer, source)
            continue
        sure = (source.confidence + 1) / 2 if step.cosine else source.confidence
        if step.calibrated:
            sure = max(calibrated[row][step.source] for row in told)
        if step.then == "take":
            answer = Opinion(source.identity, sure) if sure >= step.limit else answer
        elif sure < step.limit:
            answer = Opinion(None, 0.0)
    best: dict[str, float] = {}
    for owner, value in zip(owners, first, strict=True):
        best[owner] = max(best.get(owner, 0.0), 0.0 if math.isnan(value) else value)
    top = answer.identity or max(best, key=lambda name: best[name])
    return ReferenceAnswer(top, min(max(answer.confidence, 0.0), 1.0), best)


def _agreed(step: Agree, answer: Opinion, source: Opinion) -> Opinion:
    mine, other = step.weights[0] * answer.confidence, step.weights[1] * source.confidence
    if answer.identity == source.identity:
        return Opinion(answer.identity, min((mine + other) / 2 * step.boost, 1.0))
    if step.differ == "source" or other > mine:
        return Opinion(source.identity, min(other * step.differ_boost, 1.0))
    return Opinion(answer.identity, min(mine, 1.0))


def _opinion(told: Mapping[int, float], owners: Sequence[str]) -> Opinion:
    """The individual of the highest value; of equal ones the first by name."""
    heard = {row: value for row, value in told.items() if not math.isnan(value)}
    best = min(heard, key=lambda row: (-heard[row], owners[row], row))
    return Opinion(owners[best], heard[best])


def fused_scores(
    fuse: Fuse,
    raw: Sequence[Scores],
    calibrated: Sequence[Scores],
    learnt: set[str],
    weights: Scores | None,
    network: Network | None,
) -> list[float]:
    """Of each candidate the weighted mean of the groups' means; a score that was computed for no candidate is left out."""
    if fuse.fit == "network" and network is not None:
        return [network(probability, learnt) for probability in calibrated]
    parts: list[tuple[str, float, bool]] = []
    for group in fuse.groups:
        there = [name for name in group.scores if name in learnt]
        for name in there:
            weight = weights[name] if fuse.fit == "powell" and weights is not None else group.weight / len(there)
            parts.append((name, weight, group.calibrated))
    total = sum(weight for _, weight, _ in parts)
    values = []
    for place, (mine, probability) in enumerate(zip(raw, calibrated, strict=True)):
        if fuse.candidates and place >= fuse.candidates:
            values.append(math.nan)
            continue
        said = (
            weight * (probability[name] if is_calibrated else min(max(mine.get(name, 0.0), 0.0), 1.0))
            for name, weight, is_calibrated in parts
        )
        values.append(min(max(sum(said) / total, 0.0), 1.0) if total > 0 else 0.0)
    return values
