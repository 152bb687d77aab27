"""A ranking becomes `known`, `new` or `ask`, with a probability and a sentence that says why."""

from __future__ import annotations

from dataclasses import dataclass

from reid_edge.decide.calibration import Entry
from reid_edge.decide.decision import Verdict
from reid_edge.decide.ranking import Ranking

_AS_LIKELY_WRONG = 0.5


@dataclass(frozen=True)
class Judgement:
    """The verdict on a ranking with its reason; see `reid_edge.decide.decision.Decision` for the meaning of each."""

    verdict: Verdict
    identity: str | None
    probability: float
    reason: str


def verdict_of(ranking: Ranking, entry: Entry) -> Verdict:
    """What a ranking that is not empty says, before anything else is known: see `judge`. As the evidence for the best identity rises, it
    goes from `new` through `ask` to `known`.
    """
    known = _is_known(ranking, entry)
    probability = ranking.probabilities[0] if known else ranking.unknown
    if _is_in_band(ranking, entry) or probability < _AS_LIKELY_WRONG:
        return "ask"
    return "known" if known else "new"


def judge(
    ranking: Ranking, entry: Entry, nothing_to_compare: str = "", may_be_known: bool = False, ambiguity: str = ""
) -> Judgement:
    """Decide.

    A person is asked where the evidence for the best identity lies in the ask band, and where the verdict would be more likely wrong
    than right: the threshold of the best GeoMean can lie where most matches are wrong, if the species is hard to tell apart.

    Args:
        ranking: identities, best first.
        entry: the calibration of the species: threshold and ask band on the evidence.
        nothing_to_compare: where the ranking is empty, the sentence that says why.
        ambiguity: why the animal may be known although nothing is near, such as a side that was not seen; a sentence. A person is asked
            then rather than told that it is new.
        may_be_known: the ranking is empty, yet the animal may be known (from its other side, for instance): a person is asked.
    """
    if not ranking.photos and not nothing_to_compare:
        return Judgement("ask", None, 0.0, "The gallery changed while this photo was compared; ask again.")
    if not ranking.photos:
        return Judgement("ask" if may_be_known else "new", None, 0.0 if may_be_known else 1.0, nothing_to_compare)
    identity, probability = ranking.scores.identities[0], ranking.probabilities[0]
    verdict = verdict_of(ranking, entry)
    if verdict == "ask":
        reason = f"{_why_unsure(ranking, entry)}: {_in_words(ranking)}. A person should look."
        return Judgement("ask", identity, probability, reason)
    if verdict == "known":
        return Judgement("known", identity, probability, f"It matches {identity}: {_in_words(ranking)}.")
    if ambiguity:
        return Judgement(
            "ask", identity, probability, f"{ambiguity} The nearest is {identity}: {_in_words(ranking)}. A person should look."
        )
    reason = f"No individual of the gallery is near enough; the nearest is {identity}: {_in_words(ranking)}."
    return Judgement("new", None, ranking.unknown, reason)


def _is_known(ranking: Ranking, entry: Entry) -> bool:
    return bool(ranking.scores.evidence[0] >= entry.threshold)


def _is_in_band(ranking: Ranking, entry: Entry) -> bool:
    return bool(entry.ask_low <= ranking.scores.evidence[0] <= entry.ask_high)


def _why_unsure(ranking: Ranking, entry: Entry) -> str:
    identity, known = ranking.scores.identities[0], _is_known(ranking, entry)
    if _is_in_band(ranking, entry) and known:
        return f"{identity} is the best match, but not a sure one"
    if _is_in_band(ranking, entry):
        return f"{identity}, the nearest, is not near enough, but that it is new is not sure"
    if known:
        return f"{identity} is the best match, but evidence like this is wrong more often than not"
    return f"{identity}, the nearest, is not near enough, yet animals like this are often in the gallery"


def _in_words(ranking: Ranking) -> str:
    """The last score that was computed for the best identity, beside the next identity's, in words."""
    names, raw = ranking.comparison.score_names, ranking.comparison.raw
    counts = [column for column, name in enumerate(names) if name in ranking.comparison.matches]
    present = [column for column in counts if raw[ranking.scores.rows[0], column] == raw[ranking.scores.rows[0], column]]
    if not present:
        return f"score {ranking.scores.fused[0]:.2f} with {ranking.photos[0]}"
    column = present[-1]
    # The score may count something else, such as inliers or a share.
    found = ranking.comparison.matches[names[column]]
    number = len(found[ranking.scores.rows[0]])
    text = f"{number} matching point{'' if number == 1 else 's'} with {ranking.photos[0]}"
    if len(ranking.photos) > 1:
        other = raw[ranking.scores.rows[1], column]
        has = str(len(found[ranking.scores.rows[1]])) if other == other else "too few to be matched"
        text += f", the next individual ({ranking.scores.identities[1]}) has {has}"
    return text
