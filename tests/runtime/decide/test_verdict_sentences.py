"""Each verdict at its borders, and each reason to the letter."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from reid_edge.compare.comparison import Comparison
from reid_edge.compare.matching import Matches
from reid_edge.decide.calibration import Entry, Evidence, Pooling, WeightedMean
from reid_edge.decide.calibration.calibrator import Calibrator
from reid_edge.decide.calibration.identities import IdentityScores
from reid_edge.decide.ranking import Ranking
from reid_edge.decide.verdict import judge, verdict_of

LINE = Calibrator("linear", (0.0, 1.0), (0.0, 1.0))
ENTRY = Entry(
    {"e": LINE, "m": LINE, "n": LINE},
    WeightedMean({"e": 1.0, "m": 1.0, "n": 1.0}),
    Pooling(),
    Evidence(0.0, 1.0, {}, 0.0, {}, {}),
    LINE,
    LINE,
    threshold=0.5,
    ask_low=0.4,
    ask_high=0.6,
)
nan = float("nan")


def matches(count: int) -> Matches:
    return Matches(np.arange(count), np.arange(count), np.ones(count, np.float32))


def ranking(evidence: float, probability: float = 0.9, unknown: float = 0.05, others: bool = True, **changes: object) -> Ranking:
    """A and, with `others`, B: rows 1 and 0 of a shortlist, matched by m with 40 and 12 points and by n, of A alone, with 7."""
    raw = np.array([[0.3, 0.12, nan], [0.8, 0.4, 0.07]])
    found = {"m": {0: matches(12), 1: matches(40)}, "n": {1: matches(7)}}
    scores = IdentityScores(raw, ("A", "B"), (1, 0), np.array([0.876, 0.2]), np.array([evidence, 0.1]))
    photos, probabilities = ("a.jpg", "b.jpg"), (probability, 0.01)
    if not others:
        scores = IdentityScores(raw, ("A",), (1,), np.array([0.876]), np.array([evidence]))
        photos, probabilities = photos[:1], probabilities[:1]
    made = Ranking(Comparison(np.array([5, 6]), ("e", "m", "n"), raw, found), scores, photos, probabilities, unknown)
    return replace(made, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("evidence", "expected"),
    [(0.0, "new"), (0.39, "new"), (0.4, "ask"), (0.49, "ask"), (0.5, "ask"), (0.6, "ask"), (0.61, "known"), (1.0, "known")],
)
def test_the_ask_band_holds_its_borders(evidence, expected):
    assert verdict_of(ranking(evidence, unknown=0.9), ENTRY) == expected


def test_evidence_of_the_threshold_itself_is_a_match():
    entry = replace(ENTRY, ask_low=0.5, ask_high=0.5)
    assert judge(ranking(0.5), entry).verdict == "ask"
    assert verdict_of(ranking(0.51), entry) == "known"
    assert verdict_of(ranking(0.49, unknown=0.9), entry) == "new"


@pytest.mark.parametrize(("probability", "expected"), [(0.5, "known"), (0.49, "ask")])
def test_known_must_be_as_likely_right_as_wrong(probability, expected):
    assert verdict_of(ranking(0.7, probability=probability, unknown=0.01), ENTRY) == expected


@pytest.mark.parametrize(("unknown", "expected"), [(0.5, "new"), (0.49, "ask")])
def test_new_must_be_as_likely_right_as_wrong(unknown, expected):
    assert verdict_of(ranking(0.1, probability=0.99, unknown=unknown), ENTRY) == expected


def told(ranked: Ranking, *arguments: object) -> tuple[str, str | None, float, str]:
    found = judge(ranked, ENTRY, *arguments)  # type: ignore[arg-type]
    return found.verdict, found.identity, found.probability, found.reason


POINTS = "7 points match a.jpg"


def test_a_known_animal_is_told_with_its_last_score():
    assert told(ranking(0.7)) == ("known", "A", 0.9, f"{POINTS}.")


def test_a_new_animal_is_told_with_the_nearest():
    reason = f"No individual of the gallery is close enough: {POINTS} (A)."
    assert told(ranking(0.1, probability=0.02, unknown=0.93)) == ("new", None, 0.93, reason)


def test_a_new_animal_that_may_yet_be_known_goes_to_a_person():
    reason = f"{POINTS} (A). Its left side was not seen. A person should look."
    found = told(ranking(0.1, probability=0.02, unknown=0.93), "", False, "Its left side was not seen.")
    assert found == ("ask", "A", 0.02, reason)
    assert told(ranking(0.7), "", False, "Its left side was not seen.")[0] == "known"


@pytest.mark.parametrize(
    ("evidence", "probability", "unknown"), [(0.55, 0.9, 0.05), (0.45, 0.2, 0.7), (0.7, 0.3, 0.05), (0.1, 0.3, 0.4)]
)
def test_a_person_is_told_why_they_are_asked(evidence, probability, unknown):
    reason = f"{POINTS} (A). That is not enough to be sure. A person should look."
    assert told(ranking(evidence, probability, unknown)) == ("ask", "A", probability, reason)


def test_an_empty_ranking_is_new_or_asked_for_its_reason_and_otherwise_a_gallery_that_changed():
    empty = ranking(0.7, photos=())
    assert told(empty) == ("ask", None, 0.0, "The gallery changed while this photo was compared; ask again.")
    assert told(empty, "No zebra yet.") == ("new", None, 1.0, "No zebra yet.")
    assert told(empty, "No zebra yet.", True) == ("ask", None, 0.0, "No zebra yet.")
    assert told(ranking(0.7), "No zebra yet.", True)[0] == "known"


def test_the_last_matcher_that_looked_at_the_best_individual_is_told_with_the_next_individual_where_it_looked_at_that_too():
    ranked = ranking(0.7)
    ranked.comparison.raw[1, 2] = nan
    assert told(ranked)[3] == "40 points match a.jpg; the next individual, B, has 12."
    ranked.comparison.raw[:, 1:] = nan
    assert told(ranked)[3] == "The most similar photo is a.jpg."


def test_one_point_is_one_and_alone_there_is_no_next_individual():
    ranked = ranking(0.7, others=False)
    ranked.comparison.matches["n"][1] = matches(1)
    assert told(ranked)[3] == "1 point matches a.jpg."
    ranked.comparison.matches["n"][1] = matches(0)
    assert told(ranked)[3] == "No point matches a.jpg."
