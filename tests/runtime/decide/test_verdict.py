"""A score becomes a verdict by the thresholds of the calibration, with the reason in plain words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reid_edge.compare.comparison import Comparison
from reid_edge.compare.matching import Matches
from reid_edge.decide.calibration import Entry, Evidence, Pooling, WeightedMean
from reid_edge.decide.calibration.calibrator import Calibrator
from reid_edge.decide.ranking import Ranker, Ranking
from reid_edge.decide.verdict import judge

LINE = Calibrator("linear", (0.0, 1.0), (0.0, 1.0))
PROMISE = {"new": 0, "ask": 1, "known": 2}


def entry(ask_low: float = 0.4, threshold: float = 0.5, ask_high: float = 0.6) -> Entry:
    counts = Calibrator("linear", (0.0, 100.0), (0.0, 1.0))
    as_fused = Evidence(0.0, 1.0, {"e": 0.0, "m": 0.0}, 0.0, {}, {"e": 0.0, "m": 0.0})
    return Entry(
        {"e": LINE, "m": counts},
        WeightedMean({"e": 1.0, "m": 3.0}),
        Pooling(),
        as_fused,
        LINE,
        LINE,
        threshold,
        ask_low,
        ask_high,
    )


class Names:
    """Candidates 1, 2, ... are photos of A, B, A, B, ..."""

    def identity_of(self, sighting_id: int) -> str:
        return "AB"[(sighting_id - 1) % 2]

    def photo_of(self, sighting_id: int) -> str:
        return f"{sighting_id}.jpg"


def ranking(raw: list[list[float]], used: Entry, matched: bool = True) -> Ranking:
    found = {
        row: Matches(*(np.zeros(int(count), dtype) for dtype in (np.int64, np.int64, np.float32)))
        for row, (_, count) in enumerate(raw)
        if count == count
    }
    matches = {"m": found} if matched else {}
    ids = np.arange(1, len(raw) + 1)
    return Ranker(Names(), used).rank(Comparison(ids, ("e", "m"), np.array(raw, float).reshape(-1, 2), matches=matches))


share = st.floats(0, 1)
thresholds = st.tuples(share, share, share).map(sorted)
pair = st.tuples(share, st.one_of(st.integers(0, 150).map(float)))


@given(raw=st.lists(pair, min_size=1, max_size=6), band=thresholds, row=st.integers(0, 5), more=pair)
def test_higher_scores_never_make_a_known_animal_new_where_leads_do_not_count(raw, band, row, more):
    used = entry(*band)
    row %= len(raw)
    before = judge(ranking(raw, used), used)
    raised = [list(scores) for scores in raw]
    raised[row] = [max(had, given) for had, given in zip(raw[row], more, strict=True)]
    after = judge(ranking(raised, used), used)
    assert PROMISE[after.verdict] >= PROMISE[before.verdict]


@given(raw=st.lists(pair, min_size=2, max_size=6), band=thresholds, more=pair, lead=share)
def test_higher_scores_of_the_best_individual_never_make_it_new(raw, band, more, lead):
    used = replace(entry(*band), evidence=Evidence(-0.5, 0.5, {"e": lead, "m": 1.0}, 0.0, {}, {"e": 1.7, "m": 2.0}))
    before = ranking(raw, used)
    row = before.scores.rows[0]
    raised = [list(scores) for scores in raw]
    raised[row] = [max(had, given) for had, given in zip(raw[row], more, strict=True)]
    assert PROMISE[judge(ranking(raised, used), used).verdict] >= PROMISE[judge(before, used).verdict]


@given(raw=st.lists(pair, min_size=1, max_size=6), band=thresholds)
def test_no_verdict_is_given_that_is_more_likely_wrong_than_right(raw, band):
    used = entry(*band)
    verdict = judge(ranking(raw, used), used)
    assert verdict.verdict == "ask" or verdict.probability >= 0.5


@given(raw=st.lists(pair, min_size=1, max_size=6), band=thresholds)
def test_the_verdict_is_what_the_best_score_says(raw, band):
    used = entry(*band)
    ranked = ranking(raw, used)
    verdict = judge(ranked, used)
    score = float(ranked.scores.evidence[0])
    low, threshold, high = band
    expected = "ask" if low <= score <= high else "known" if score >= threshold else "new"
    top = ranked.probabilities[0]
    if {"known": top, "new": 1 - top}.get(expected, 1.0) < 0.5:
        expected = "ask"
    assert verdict.verdict == expected
    assert verdict.identity == (None if expected == "new" else ranked.scores.identities[0])
    assert verdict.probability == pytest.approx(1 - top if expected == "new" else top, abs=1e-12)
    assert 0 <= verdict.probability <= 1


def test_the_reason_names_the_matches_the_photo_and_the_next_individual():
    used = entry()
    known = judge(ranking([[0.9, 95], [0.8, 31]], used), used)
    assert known.reason == "95 points match 1.jpg; the next individual, B, has 31."
    new = judge(ranking([[0.1, 9], [0.1, 8]], used), used)
    expected = "No individual of the gallery is close enough: 9 points match 1.jpg (A); the next individual, B, has 8."
    assert new.reason == expected
    ask = judge(ranking([[0.5, 50]], used), used)
    assert ask.reason == "50 points match 1.jpg (A). That is not enough to be sure. A person should look."


def test_the_reason_to_doubt_a_new_animal_is_told_in_the_place_of_the_evidence():
    used = entry()
    ask = judge(ranking([[0.1, 1], [0.1, 0]], used), used, ambiguity="The gallery shows left sides only.")
    assert (ask.verdict, ask.identity) == ("ask", "A")
    expected = (
        "1 point matches 1.jpg (A); the next individual, B, has none. The gallery shows left sides only. A person should look."
    )
    assert ask.reason == expected


def test_an_individual_that_was_not_matched_is_not_mentioned():
    used = entry()
    ranked = ranking([[0.9, 95], [0.2, float("nan")]], used)
    assert judge(ranked, used).reason == "95 points match 1.jpg."


def test_verified_points_are_told_before_others():
    used = entry()
    ranked = ranking([[0.9, 95], [0.2, 31]], used)
    verified = replace(ranked, counts={"m": "inliers"})
    verified.comparison.raw[:, 1] = (40.0, 0.0)
    assert judge(verified, used).reason == "40 verified points match 1.jpg; the next individual, B, has none."


def test_where_no_point_matches_anything_nobody_is_called_the_nearest():
    used = entry()
    new = judge(ranking([[0.1, 0], [0.1, 0]], used), used)
    assert new.reason == "Nothing matched: no point of this animal matches any photo that it was compared with."
    ask = judge(ranking([[0.1, 0]], used), used, ambiguity="No animal stands out.")
    assert ask.reason.startswith("Nothing matched: ")


def test_without_matchers_the_reason_is_the_most_similar_photo():
    used = entry(0.0, 0.0, 0.0)  # evidence is never quite 0
    ranked = ranking([[0.9, float("nan")]], used, matched=False)
    assert judge(ranked, used).reason == "The most similar photo is 1.jpg."


def test_with_nothing_to_compare_the_animal_is_new_unless_it_may_be_known():
    used = entry()
    empty = ranking([], used)
    new, ask = judge(empty, used, "Why."), judge(empty, used, "Why.", may_be_known=True)
    assert (new.verdict, new.identity, new.probability, new.reason) == ("new", None, 1.0, "Why.")
    assert (ask.verdict, ask.identity, ask.probability, ask.reason) == ("ask", None, 0.0, "Why.")
