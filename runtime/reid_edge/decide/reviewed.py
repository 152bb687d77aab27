"""An answer together with what people decided since: a person's word comes first, and individuals have the names that they have now."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from reid_edge.decide.decision import Decision, RankedIdentity
from reid_edge.decide.facts import ReviewFacts
from reid_edge.gallery import Review

CERTAIN = 1.0
"""The probability of what a person decided."""

_LEAST = 1e-6


def reviewed(decision: Decision, reviews: Sequence[Review], also_rejected: Collection[str] = ()) -> Decision:
    """The answer with what people said of this animal.

    A final review gives verdict, identity and probability. Where there is none, the individuals that were rejected are left out, and an
    answer that was one of them becomes a question.

    Args:
        decision: what was computed.
        reviews: of this animal, oldest first.
        also_rejected: individuals that a person rejected for the same animal in other photos.
    """
    final = next((each for each in reversed(reviews) if each.is_final), None)
    if final is not None:
        return decided(decision, _facts(decision, final))
    rejected = {*also_rejected, *(each.identity for each in reviews if each.kind == "rejected" and each.identity is not None)}
    answer = _without(decision, rejected) if rejected else decision
    return replace(answer, review=_facts(decision, reviews[-1])) if reviews else answer


def decided(decision: Decision, facts: ReviewFacts) -> Decision:
    """The answer that a person gave."""
    if facts.identity is None:  # not an animal: nobody, and nothing that would count as an individual
        return replace(decision, verdict="ask", identity=None, probability=0.0, unknown=CERTAIN, review=facts)
    known = replace(decision, verdict="known", identity=facts.identity, probability=CERTAIN, unknown=0.0)
    return replace(known, same_as=(), review=facts)


def with_names(decision: Decision, names: Mapping[int, tuple[str, str]]) -> Decision:
    """The answer with the individuals' names of now: renamed, merged or split off since it was given.

    Args:
        names: of `Gallery.current_names`. A sighting that is of another photo than the ranking says belongs to another gallery.
    """
    ranking = []
    for ranked in decision.ranking:
        photo, name = names.get(ranked.sighting, ("", ""))
        ranking.append(replace(ranked, identity=name) if name and photo == ranked.photo else ranked)
    now = {old.identity: new.identity for old, new in zip(decision.ranking, ranking, strict=True)}
    if all(old == new for old, new in now.items()):
        return decision
    same_as = tuple(dict.fromkeys(now.get(name, name) for name in decision.same_as))
    together = _together(ranking)
    identity = None if decision.identity is None else now.get(decision.identity, decision.identity)
    merged = next((each.probability for each in together if each.identity == identity), decision.probability)
    return replace(
        decision,
        identity=identity,
        probability=decision.probability if identity is None else max(decision.probability, merged),
        ranking=together,
        same_as=same_as if len(same_as) > 1 else (),
    )


def _together(ranking: Sequence[RankedIdentity]) -> tuple[RankedIdentity, ...]:
    """The ranking with each individual once: the probabilities of names that are one individual now are added."""
    found: dict[str, RankedIdentity] = {}
    for ranked in ranking:
        first = found.get(ranked.identity)
        added = ranked if first is None else replace(first, probability=min(1.0, first.probability + ranked.probability))
        found[ranked.identity] = added
    return tuple(sorted(found.values(), key=lambda each: -each.probability))


def _without(decision: Decision, rejected: Collection[str]) -> Decision:
    """The answer under the condition that the animal is none of these."""
    left = tuple(each for each in decision.ranking if each.identity not in rejected)
    rest = 1.0 - sum(each.probability for each in decision.ranking if each.identity in rejected)
    if len(left) == len(decision.ranking):
        return decision
    scale = 1.0 / max(rest, _LEAST)
    ranking = tuple(replace(each, probability=min(1.0, each.probability * scale)) for each in left)
    unknown = min(1.0, decision.unknown * scale) if rest > _LEAST else 1.0
    answer = replace(decision, ranking=ranking, unknown=unknown)
    if decision.identity not in rejected:
        return replace(answer, probability=unknown) if decision.verdict == "new" else answer
    first = ranking[0] if ranking else None
    return replace(
        answer,
        verdict="ask",
        identity=first.identity if first else None,
        probability=first.probability if first else 0.0,
        reason=f"A person said that it is not {decision.identity}. A person should look.",
    )


def _facts(decision: Decision, review: Review) -> ReviewFacts:
    answered = (decision.verdict, decision.identity, decision.probability)
    return ReviewFacts(review.kind, review.identity, review.person, review.decided_at, *answered)
