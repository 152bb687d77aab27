"""A ranking becomes `known`, `new` or `ask`, with a probability and the reason."""

from __future__ import annotations

from dataclasses import dataclass

from reid_edge.decide.calibration import Entry
from reid_edge.decide.decision import Verdict
from reid_edge.decide.ranking import Ranking
from reid_edge.decide.wording import reason_of

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
    if verdict == "new" and ambiguity:
        return Judgement("ask", identity, probability, reason_of(ranking, "ask", ambiguity))
    reason = reason_of(ranking, verdict)
    return (
        Judgement("new", None, ranking.unknown, reason) if verdict == "new" else Judgement(verdict, identity, probability, reason)
    )


def _is_known(ranking: Ranking, entry: Entry) -> bool:
    return bool(ranking.scores.evidence[0] >= entry.threshold)


def _is_in_band(ranking: Ranking, entry: Entry) -> bool:
    return bool(entry.ask_low <= ranking.scores.evidence[0] <= entry.ask_high)
