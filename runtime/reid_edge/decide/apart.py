"""The animals of one photo, or of one video at the same time, are different individuals.

Two animals in one frame are never the same individual. Let p_a(i) be the probability that animal a is identity i, with what is
left over as "none of these", which several animals may be. The joint distribution is the product of the animals' own, restricted to
assignments in which no identity occurs twice, and normalised; each animal gets its marginal of that. It is computed exactly by
enumeration where that is small (four animals with five identities each are 1,296 cases), else animal by animal, the surest first, each
without the identities that are taken. An animal whose identity another one of the frame claims more surely goes to a person.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace

from reid_edge.decide.decision import Decision

_MOST_CASES = 20_000
_SURE = 0.5
_CLIP = 1e-4


def resolve_frame(decisions: Sequence[Decision]) -> list[Decision]:
    """The decisions of one photo's animals, so that no individual is in the photo twice."""
    count = len(decisions)
    return _resolve(decisions, [set(range(count)) - {index} for index in range(count)], "photo")


def resolve_tracks(decisions: Sequence[Decision], together: Collection[tuple[int, int]]) -> list[Decision]:
    """The decisions of the animals that were followed through a video, so that no individual is twice in it at one time.

    Args:
        decisions: one for each track.
        together: pairs of these, by their places, that one frame shows.
    """
    rivals: list[set[int]] = [set() for _ in decisions]
    for one, other in together:
        rivals[one].add(other)
        rivals[other].add(one)
    return _resolve(decisions, rivals, "video")


def _resolve(decisions: Sequence[Decision], rivals: Sequence[AbstractSet[int]], what: str) -> list[Decision]:
    rankings = [{ranked.identity: ranked.probability for ranked in decision.ranking} for decision in decisions]
    if all(rankings[index].keys().isdisjoint(rankings[other]) for index, others in enumerate(rivals) for other in others):
        return list(decisions)
    marginals, best = _joint(rankings, rivals)
    resolved = []
    for index, decision in enumerate(decisions):
        rival = next(
            (other for other in sorted(rivals[index]) if best[other] is not None and best[other] == decision.identity), None
        )
        resolved.append(_resolved(decision, rankings[index], marginals[index], rival, what) if rivals[index] else decision)
    return resolved


def _joint(
    rankings: Sequence[Mapping[str, float]], rivals: Sequence[AbstractSet[int]]
) -> tuple[list[dict[str | None, float]], list[str | None]]:
    """Per animal the marginals, None being none of its ranking, and the most probable assignment."""
    options = [_options(ranking) for ranking in rankings]
    if math.prod(len(each) for each in options) > _MOST_CASES:
        return _one_by_one(options, rivals)
    pairs = [(one, other) for one, others in enumerate(rivals) for other in others if one < other]
    sums: list[dict[str | None, float]] = [dict.fromkeys(each, 0.0) for each in options]
    best: list[str | None] = [None] * len(options)
    best_weight, total = -1.0, 0.0
    for case in itertools.product(*options):
        if any(case[one] is not None and case[one] == case[other] for one, other in pairs):
            continue
        weight = math.prod(options[index][name] for index, name in enumerate(case))
        total += weight
        for index, name in enumerate(case):
            sums[index][name] += weight
        if weight > best_weight:
            best, best_weight = list(case), weight
    return [{name: weight / total for name, weight in each.items()} for each in sums], best


def _options(ranking: Mapping[str, float]) -> dict[str | None, float]:
    listed: dict[str | None, float] = {name: max(_CLIP, probability) for name, probability in ranking.items()}
    listed[None] = max(_CLIP, 1.0 - sum(ranking.values()))
    return listed


def _one_by_one(
    options: Sequence[Mapping[str | None, float]], rivals: Sequence[AbstractSet[int]]
) -> tuple[list[dict[str | None, float]], list[str | None]]:
    marginals: list[dict[str | None, float]] = [{} for _ in options]
    best: list[str | None] = [None] * len(options)
    surest = sorted(range(len(options)), key=lambda index: -max((p for name, p in options[index].items() if name), default=0.0))
    for index in surest:
        taken = {best[other] for other in rivals[index]} - {None}
        left = {name: 0.0 if name in taken else value for name, value in options[index].items()}
        total = sum(left.values())
        marginals[index] = {name: value / total for name, value in left.items()}
        best[index] = max(marginals[index], key=lambda name: marginals[index][name])
    return marginals, best


def _resolved(
    decision: Decision, ranking: Mapping[str, float], marginal: Mapping[str | None, float], rival: int | None, what: str
) -> Decision:
    rest = 1.0 - sum(ranking.values())
    unknown = decision.unknown * marginal[None] / rest if rest > _CLIP else decision.unknown
    ranked = sorted(
        (replace(each, probability=marginal[each.identity]) for each in decision.ranking), key=lambda each: -each.probability
    )
    changed = replace(decision, ranking=tuple(ranked), unknown=min(1.0, unknown))
    if decision.identity is None:
        return replace(changed, probability=changed.unknown)
    first = ranked[0]
    if rival is None and decision.verdict == "ask":
        return replace(changed, identity=first.identity, probability=first.probability)
    if rival is None and marginal[decision.identity] >= _SURE:
        return replace(changed, probability=marginal[decision.identity])
    if rival is None:
        why = f"Another animal of this {what} matches {decision.identity} as well, and one individual is not in a {what} twice."
    else:
        why = (
            f"{decision.identity} is more surely animal {rival + 1} of this {what}, and one individual is not in a {what} twice."
        )
    reason = f"{why} A person should look."
    return replace(changed, verdict="ask", identity=first.identity, probability=first.probability, reason=reason)
