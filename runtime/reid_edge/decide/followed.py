"""One answer for an animal that was followed through a video, from the answers for its frames, combined as those of one event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

from reid_edge.decide.combining import CombinedAnswer, Sight, combine
from reid_edge.decide.decision import Decision, RankedIdentity, Verdict
from reid_edge.decide.facts import ReviewFacts, TrackFacts


def combine_track(decisions: Sequence[Decision], track: TrackFacts, top: int) -> Decision:
    """The answer for the animal, told by the frame that says most of it.

    Args:
        decisions: one for each of its best frames, with what people said of each.
        track: where the animal was followed.
        top: the most identities that the ranking holds.
    """
    of_animals = [
        each for each in decisions if each.review is None or not each.review.is_final or each.review.identity is not None
    ]
    if not of_animals:  # a person said so of each
        return replace(decisions[0], track=track)
    decisions = of_animals
    combined = combine([_sight(place, each) for place, each in enumerate(decisions)])
    frame = max(decisions, key=lambda each: _says(each, combined))
    ranking = tuple(_ranked(name, value, frame, decisions) for name, value in combined.ranking[:top])
    return replace(
        frame,
        verdict=cast("Verdict", combined.verdict),
        identity=combined.identity,
        probability=combined.probability,
        unknown=combined.unknown,
        reason=_reason(frame, decisions, combined),
        ranking=ranking,
        warnings=tuple(dict.fromkeys(warning for each in decisions for warning in each.warnings)),
        same_as=frame.same_as if combined.verdict == frame.verdict else (),
        review=ReviewFacts(**combined.review) if combined.review else frame.review,
        track=track,
    )


def _sight(place: int, decision: Decision) -> Sight:
    review = decision.review if decision.review is not None and decision.review.is_final else None
    probabilities = {each.identity: each.probability for each in decision.ranking}
    return Sight(place, place, decision.verdict, decision.identity, probabilities, decision.unknown, review=review)


def _says(decision: Decision, combined: CombinedAnswer) -> tuple[bool, bool, float]:
    """How much a frame says for the combined answer."""
    decided = decision.review is not None and decision.review.is_final
    if combined.identity is None:
        return decided, decision.verdict == combined.verdict, decision.unknown
    found = next((each.probability for each in decision.ranking if each.identity == combined.identity), 0.0)
    return decided, decision.verdict == combined.verdict and decision.identity == combined.identity, found


def _ranked(name: str, probability: float, frame: Decision, decisions: Sequence[Decision]) -> RankedIdentity:
    """The evidence of the frame that is shown; where that does not rank the individual, of another frame, without its matched points."""
    in_frame = next((each for each in frame.ranking if each.identity == name), None)
    if in_frame is not None:
        return replace(in_frame, probability=probability)
    others = (each for decision in decisions for each in decision.ranking if each.identity == name)
    return replace(max(others, key=lambda each: each.probability), probability=probability, matches=())


def _reason(frame: Decision, decisions: Sequence[Decision], combined: CombinedAnswer) -> str:
    if len(decisions) == 1:
        return frame.reason
    agreeing = sum((each.verdict, each.identity) == (combined.verdict, combined.identity) for each in decisions)
    if (frame.verdict, frame.identity) == (combined.verdict, combined.identity):
        return f"{frame.reason} So in {agreeing} of {len(decisions)} frames."
    return f"The {len(decisions)} frames do not agree enough to be sure. A person should look."
