"""An answer in words: the one place that makes its headline and its reason, for the terminal, tables, reports and the daemon alike.

The headline is the likeliest reading of the answer. The other readings are named beside it, and with them the share of the individuals
that are not named, so that what is printed adds up to the whole.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from reid_edge.decide.facts import PROBABILITY_DIGITS, ReviewFacts

if TYPE_CHECKING:
    from reid_edge.decide.decision import Decision
    from reid_edge.decide.ranking import Ranking

NEW, ANOTHER, UNCLEAR = "a new individual", "another of yours", "unclear"
NOBODY, NO_ANIMAL = "nobody to compare with", "no animal stands out"

_NAMED_FROM = 0.01  # a runner-up below is counted under ANOTHER
_SHOWN_FROM = 0.005  # less is neither a whole percent nor worth a line


@dataclass(frozen=True)
class Reading:
    """One reading of an answer: an individual's name, `NEW` or `ANOTHER`, and its probability."""

    name: str
    probability: float
    is_individual: bool


@dataclass(frozen=True)
class Wording:
    """An answer in words.

    Attributes:
        lead: the likeliest reading; None where there was nobody to compare with.
        is_sure: the verdict is ``known`` or ``new``.
        others: the other readings, likeliest first, last `ANOTHER`, or `UNCLEAR` where the ranking holds one individual alone. With
            the lead they add up to 1, but for shares below half a percent.
        review: what a person decided; None where nobody did. There are no other readings beside it.
        is_found: False where no animal stood out in the photo, so that the answer is about the whole frame.
    """

    lead: Reading | None
    is_sure: bool
    others: tuple[Reading, ...]
    review: ReviewFacts | None = None
    is_found: bool = True

    def headline(self, name: Callable[[str], str] = str, percent: Callable[[float], str] | None = None) -> str:
        """Such as ``Chipo, 98 %`` or ``possibly a new individual, 67 %``; of a frame without an animal an answer that is not sure is
        ``no animal stands out (possibly a new individual, 67 %)``.

        Args:
            name: writes an individual's name, for instance escaped.
            percent: writes a probability; `in_percent` where None.
        """
        if self.review is not None:
            return self.review.headline(name)
        if self.lead is None:
            return NOBODY
        lead = f"{_written(self.lead, name)}, {(percent or in_percent)(self.lead.probability)}"
        if self.is_sure:
            return lead
        return f"possibly {lead}" if self.is_found else f"{NO_ANIMAL} (possibly {lead})"

    def rest(self, name: Callable[[str], str] = str, percent: Callable[[float], str] | None = None) -> str:
        """The other readings, such as ``Chipo 27 %, another of yours 6 %``; empty where there are none. Arguments as of `headline`."""
        return ", ".join(f"{_written(each, name)} {(percent or in_percent)(each.probability)}" for each in self.others)


def wording_of(decision: Decision) -> Wording:
    """The words of an answer."""
    if decision.review is not None and decision.review.is_final:
        return Wording(None, True, (), decision.review)
    ranking = [(ranked.identity, ranked.probability) for ranked in decision.ranking]
    wording = _wording(decision.verdict, decision.identity, decision.probability, decision.unknown, ranking)
    return replace(wording, is_found=decision.animal.found)


def wording_of_json(answer: Mapping[str, Any]) -> Wording:
    """The words of an answer as plain data: of a decision, or of an animal of an event."""
    if (review := answer.get("review")) and (facts := ReviewFacts(**review)).is_final:
        return Wording(None, True, (), facts)
    ranking = [(ranked["identity"], ranked["probability"]) for ranked in answer["ranking"]]
    wording = _wording(answer["verdict"], answer["identity"], answer["probability"], answer["unknown"], ranking)
    return replace(wording, is_found=answer.get("animal", {}).get("found", True))


def _wording(
    verdict: str, identity: str | None, probability: float, unknown: float, ranking: Sequence[tuple[str, float]]
) -> Wording:
    new = Reading(NEW, _rounded(unknown), False)
    ranked = [Reading(name, _rounded(each), True) for name, each in ranking]
    best = ranked[0] if ranked else None
    if identity is not None:
        best = Reading(identity, _rounded(probability), True)
    if best is None and verdict == "ask":
        return Wording(None, False, ())
    if best is None or verdict == "new" or (verdict == "ask" and new.probability > best.probability):
        lead, second = new, best
    else:
        lead, second = best, new
    named = [second] if second is not None and (verdict == "ask" or second.probability >= _SHOWN_FROM) else []
    runner_up = next((each for each in ranked if best is None or each.name != best.name), None)
    if runner_up is not None and runner_up.probability >= _NAMED_FROM:
        named.append(runner_up)
    named.sort(key=lambda each: -each.probability)
    printed = lead.probability + sum(each.probability for each in named) + (0.0 if new in (lead, *named) else new.probability)
    missing = _rounded(max(0.0, 1.0 - printed))
    if ranked and missing >= _SHOWN_FROM:
        named.append(Reading(ANOTHER if len(ranked) > 1 else UNCLEAR, missing, False))
    return Wording(lead, verdict != "ask", tuple(named))


def in_percent(probability: float) -> str:
    """A whole percent that never claims certainty."""
    probability = _rounded(probability)
    return "> 99 %" if probability > 0.99 else "< 1 %" if probability < 0.01 else f"{probability * 100:.0f} %"


def reason_of(ranking: Ranking, verdict: str, ambiguity: str = "") -> str:
    """Why a verdict was given, one or two sentences for a person.

    Args:
        ranking: with one individual or more.
        verdict: that was given.
        ambiguity: why the animal may be known although nothing is near; a sentence, empty where there is no such reason.
    """
    matches = ranking.comparison.matches
    nothing = bool(matches) and not any(len(found) for each in matches.values() for found in each.values())
    if nothing and verdict != "known":
        evidence = "nothing matched: no point of this animal matches any photo that it was compared with"
    else:
        evidence = _best_photo(ranking, verdict == "known") + _next_individual(ranking)
    if verdict == "new" and not nothing:
        return f"No individual of the gallery is close enough: {evidence}."
    sentence = f"{evidence[0].upper()}{evidence[1:]}."
    if verdict != "ask":
        return sentence
    return f"{sentence} {ambiguity or 'That is not enough to be sure.'} A person should look."


def _best_photo(ranking: Ranking, owner_is_named: bool) -> str:
    owner = "" if owner_is_named else f" ({ranking.scores.identities[0]})"
    photo = f"{ranking.photos[0]}{owner}"
    column = _counted_score(ranking)
    if column is None:
        return f"the most similar photo is {photo}"
    count = _count(ranking, column, ranking.scores.rows[0])
    what = "verified point" if _is_verified(ranking, column) else "point"
    if not count:
        return f"no {what} matches {photo}"
    return f"1 {what} matches {photo}" if count == 1 else f"{count} {what}s match {photo}"


def _next_individual(ranking: Ranking) -> str:
    """The highest count of another individual, of those for which it was computed."""
    column = _counted_score(ranking)
    if column is None:
        return ""
    others = list(zip(ranking.scores.identities, ranking.scores.rows, strict=True))[1:]
    counts = [(_count(ranking, column, row), identity) for identity, row in others if _is_computed(ranking, column, row)]
    if not counts:
        return ""
    count, identity = max(counts, key=lambda each: each[0])
    if count > _count(ranking, column, ranking.scores.rows[0]):
        return f"; {identity} has {count}, but is less likely by all scores together"
    return f"; the next individual, {identity}, has {count or 'none'}"


def _counted_score(ranking: Ranking) -> int | None:
    """The column of the score whose count is told: the last one that verified matched points, else the last one that matched points, of
    those that were computed for the best photo.
    """
    row = ranking.scores.rows[0]
    computed = [column for column in range(len(ranking.comparison.score_names)) if _is_computed(ranking, column, row)]
    return max(computed, key=lambda column: (_is_verified(ranking, column), column), default=None)


def _is_verified(ranking: Ranking, column: int) -> bool:
    return ranking.counts.get(ranking.comparison.score_names[column]) == "inliers"


def _is_computed(ranking: Ranking, column: int, row: int) -> bool:
    """Whether the score is a matcher's that was run on this photo."""
    found = ranking.comparison.matches.get(ranking.comparison.score_names[column], {})
    return row in found and not math.isnan(ranking.comparison.raw[row, column])


def _count(ranking: Ranking, column: int, row: int) -> int:
    """Points of one photo; a score that is no count of points (a share, a sum) stands for its matches."""
    if _is_verified(ranking, column):
        return round(float(ranking.comparison.raw[row, column]))
    return len(ranking.comparison.matches[ranking.comparison.score_names[column]][row])


def _written(reading: Reading, name: Callable[[str], str]) -> str:
    return name(reading.name) if reading.is_individual else reading.name


def _rounded(probability: float) -> float:
    """As an answer stores it, so that one that was read back has the same words."""
    return round(float(probability), PROBABILITY_DIGITS)
