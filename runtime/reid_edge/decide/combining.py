"""Which animals of the photos of one event are one animal, and one answer for it; its photos are not independent.

Which animals of different photos are one animal is decided photo by photo, in their order: each photo's animals are assigned to
the groups that there are, one to one, so that two animals of one frame never share a group, and the sum of affinities is the largest.
The affinity of two animals is 1 where both are known as the same individual, 0 where each is more likely than not another one, else
the larger of the calibrated probability that their vectors show the same individual and of the overlap of their rankings,
sum_i min(p_a(i), p_b(i)). It must reach a half. Frames that each show one animal need no such proof: within seconds at one place, by
the camera's clock or in one video, that is the same one. Strangers that pass one by one are therefore taken for one.

The probability of an identity for a group is the weighted mean of the photos' log-odds, the weight being 1 - entropy of the photo's
ranking relative to its maximum: a photo that says little counts little. Photos of a burst repeat each other's errors, so the
log-odds are averaged and never added, as a logarithmic opinion pool whose weights sum to one does (Genest and Zidek, Statistical Science
1, 1986, section 3.2): the event is never surer of an identity than its surest photo, and the same photo twice changes nothing.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid_edge.decide.facts import ReviewFacts
from reid_edge.decide.reviewed import CERTAIN

_MOST_CASES = 20_000
_SAME, _SAME_ALONE = 0.5, 1e-6
_SURE = 0.5
_LEAST_WEIGHT = 0.05
_CLIP = 1e-4
_RANKED = 5

Similarity = Callable[[NDArray[np.float32], NDArray[np.float32]], float]


@dataclass(frozen=True)
class Sight:
    """The answer for one animal of one photo, as far as events need it.

    Attributes:
        animal: its number, the row id in the ledger of a watch.
        photo: the number of its photo, likewise.
        verdict, identity: of its decision.
        probabilities: by identity, of its ranking.
        unknown: that it is none of the gallery's.
        vector: float32 [D] of length 1; None where it is not kept.
        review: what a person decided of it; None where nobody did.
    """

    animal: int
    photo: int
    verdict: str
    identity: str | None
    probabilities: Mapping[str, float]
    unknown: float
    vector: NDArray[np.float32] | None = None
    review: ReviewFacts | None = None


@dataclass(frozen=True)
class CombinedAnswer:
    """One animal, from all of its photos; `ranking` is best first, `animals` are the numbers of its sights.

    `review` is what a person said of it (`reid_edge.decide.facts.ReviewFacts` as plain data); None where nobody did.
    """

    verdict: str
    identity: str | None
    probability: float
    unknown: float
    ranking: tuple[tuple[str, float], ...]
    animals: tuple[int, ...]
    review: Mapping[str, Any] | None = None

    def rounded(self) -> CombinedAnswer:
        """As a ledger stores it."""
        ranking = tuple((name, round(value, 6)) for name, value in self.ranking)
        return replace(self, probability=round(self.probability, 6), unknown=round(self.unknown, 6), ranking=ranking)

    def as_json(self) -> dict[str, Any]:
        """Plain data, as messages hold it, without the numbers of its sights."""
        return {
            **({"review": dict(self.review)} if self.review else {}),
            "verdict": self.verdict,
            "identity": self.identity,
            "probability": self.probability,
            "unknown": self.unknown,
            "ranking": [{"identity": name, "probability": probability} for name, probability in self.ranking],
        }


def group_animals(sights: Sequence[Sight], similarity: Similarity | None) -> list[list[Sight]]:
    """Which animals of an event's photos are one animal.

    Args:
        sights: photo by photo, in the order of the event.
        similarity: of two vectors, the probability that they show the same individual; None where it is not known.
    """
    groups: list[list[Sight]] = []
    alone = {photo: len(list(each)) == 1 for photo, each in itertools.groupby(sights, key=lambda sight: sight.photo)}
    for _, each in itertools.groupby(sights, key=lambda sight: sight.photo):
        animals = list(each)
        scores = [[_affinity(animal, group, alone, similarity) for group in groups] for animal in animals]
        for animal, place in zip(animals, assign(scores), strict=True):
            if place is None:
                groups.append([animal])
            else:
                groups[place].append(animal)
    return groups


def _affinity(animal: Sight, group: Sequence[Sight], alone: Mapping[int, bool], similarity: Similarity | None) -> float:
    """Mean affinity of an animal to a group's; 0 where it is not enough, or where they are known as different individuals."""
    total = 0.0
    for other in group:
        if _likely(animal) and _likely(other) and _likely(animal) != _likely(other):
            return 0.0
        if animal.verdict == other.verdict == "known" and animal.identity == other.identity:
            total += 1.0
            continue
        overlap = sum(min(value, other.probabilities.get(name, 0.0)) for name, value in animal.probabilities.items())
        if similarity is not None and animal.vector is not None and other.vector is not None:
            overlap = max(overlap, similarity(animal.vector, other.vector))
        total += overlap
    mean = total / len(group)
    both_alone = alone[animal.photo] and all(alone[other.photo] for other in group)
    if both_alone:
        return max(mean, _SAME_ALONE)
    return mean if mean >= _SAME else 0.0


def _likely(sight: Sight) -> str | None:
    """The identity that an animal has more likely than not; None where there is none."""
    name = max(sight.probabilities, key=lambda each: sight.probabilities[each], default=None)
    return name if name is not None and (sight.probabilities[name] >= _SURE or sight.verdict == "known") else None


def assign(scores: Sequence[Sequence[float]]) -> list[int | None]:
    """One column at most per row and one row at most per column, so that the sum of scores is the largest; None for a row without one.

    Exact where there are few cases, else by the largest scores first. A score of 0 is no assignment.
    """
    choices = [[None, *(column for column, score in enumerate(row) if score > 0)] for row in scores]
    if math.prod(len(each) for each in choices) > _MOST_CASES:
        return _assign_largest_first(scores)
    best: list[int | None] = [None] * len(scores)
    best_sum = -1.0
    for case in itertools.product(*choices):
        columns = [column for column in case if column is not None]
        if len(set(columns)) == len(columns):
            value = sum(scores[row][column] for row, column in enumerate(case) if column is not None)
            if value > best_sum:
                best, best_sum = list(case), value
    return best


def _assign_largest_first(scores: Sequence[Sequence[float]]) -> list[int | None]:
    found: list[int | None] = [None] * len(scores)
    pairs = sorted(
        ((score, row, column) for row, each in enumerate(scores) for column, score in enumerate(each) if score > 0), reverse=True
    )
    for _, row, column in pairs:
        if found[row] is None and column not in found:
            found[row] = column
    return found


def as_reviewed(groups: Sequence[Sequence[Sight]]) -> list[list[Sight]]:
    """The groups as people see them: apart where they named different individuals, one where they named the same one, and without what
    they said is not an animal."""
    apart: list[list[Sight]] = []
    for group in groups:
        animals = [sight for sight in group if sight.review is None or sight.review.identity is not None]
        names = list(dict.fromkeys(sight.review.identity for sight in animals if sight.review is not None))
        if len(names) <= 1:
            apart.append(animals)
            continue
        apart += [[sight for sight in animals if sight.review is not None and sight.review.identity == name] for name in names]
        apart.append([sight for sight in animals if sight.review is None])
    found: list[list[Sight]] = []
    for group in filter(None, apart):
        name = _reviewed_name(group)
        photos = {sight.photo for sight in group}
        same = (each for each in found if name is not None and _reviewed_name(each) == name)
        earlier = next((each for each in same if photos.isdisjoint(sight.photo for sight in each)), None)
        if earlier is None:
            found.append(list(group))
        else:
            earlier.extend(group)
    return found


def _reviewed_name(group: Sequence[Sight]) -> str | None:
    return next((sight.review.identity for sight in group if sight.review is not None), None)


def combine(group: Sequence[Sight]) -> CombinedAnswer:
    """One answer from all sights of one animal; of a single sight it is that photo's own.

    Where a person decided who it is, that is the answer. Else it is `known` where a photo knows it as the identity that leads in all of
    them, with a probability of at least a half; `new` where no photo knows it, at least half of them say so, and so does the combined
    probability; else a person is asked.
    """
    review = next((sight.review for sight in group if sight.review is not None), None)
    weights = [_weight(sight) for sight in group]
    names = sorted({name for sight in group for name in sight.probabilities})
    pooled = {name: _pooled([_of(sight, name) for sight in group], weights) for name in names}
    unknown = _pooled([sight.unknown for sight in group], weights)
    total = sum(pooled.values()) + unknown
    if total > 1.0:
        pooled, unknown = {name: value / total for name, value in pooled.items()}, unknown / total
    ranking = tuple(sorted(pooled.items(), key=lambda item: (-item[1], item[0]))[:_RANKED])
    animals = tuple(sight.animal for sight in group)
    if review is not None:
        return CombinedAnswer("known", review.identity, CERTAIN, 0.0, ranking, animals, review.as_json())
    leader = ranking[0][0] if ranking else None
    verdict = _verdict(group, leader, pooled.get(leader, 0.0) if leader is not None else 0.0, unknown)
    if verdict == "new":
        return CombinedAnswer(verdict, None, unknown, unknown, ranking, animals)
    return CombinedAnswer(verdict, leader, pooled[leader] if leader is not None else 0.0, unknown, ranking, animals)


def _verdict(group: Sequence[Sight], leader: str | None, probability: float, unknown: float) -> str:
    if len(group) == 1:
        return group[0].verdict
    known = {sight.identity for sight in group if sight.verdict == "known"}
    if leader in known and probability >= _SURE:
        return "known"
    strangers = sum(sight.verdict == "new" for sight in group)
    return "new" if not known and 2 * strangers >= len(group) and unknown >= _SURE else "ask"


def _of(sight: Sight, name: str) -> float:
    """An identity that a ranking does not list is at most as likely as its last, and as what it leaves over."""
    if name in sight.probabilities:
        return sight.probabilities[name]
    rest = max(0.0, 1.0 - sum(sight.probabilities.values()) - sight.unknown)
    return min([rest, *sight.probabilities.values()])


def _weight(sight: Sight) -> float:
    values = [*sight.probabilities.values(), sight.unknown]
    values.append(max(0.0, 1.0 - sum(values)))
    total = sum(values)
    entropy = -sum(value / total * math.log(value / total) for value in values if value > 0)
    return max(_LEAST_WEIGHT, 1.0 - entropy / math.log(len(values)))


def _pooled(values: Sequence[float], weights: Sequence[float]) -> float:
    if max(values) == min(values):
        return values[0]
    odds = (math.log(value / (1.0 - value)) for value in (min(1 - _CLIP, max(_CLIP, each)) for each in values))
    mean = sum(weight * each for weight, each in zip(weights, odds, strict=True)) / sum(weights)
    return 1.0 / (1.0 + math.exp(-mean))
