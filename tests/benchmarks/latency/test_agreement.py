"""Answers of two sides are compared photo by photo, and differences are seen."""

from __future__ import annotations

from typing import Any

from reid_edge_benchmarks.latency.agreement import compare_answers

COUNTS_OF = {"points": "matches", "unlike": "distinctive"}


def runtime_answer(identity: str, points: float, cosine: float = 0.9) -> dict[str, Any]:
    return {"verdict": "known", "ranking": [{"identity": identity, "sighting": 1, "raw": {"points": points, "vector": cosine}}]}


def other_answer(identity: str, points: float | None, cosine: float = 0.9, verdict: str = "known") -> dict[str, Any]:
    raw = {"vector": cosine} | ({} if points is None else {"points": points})
    return {"verdict": verdict, "ranking": [{"identity": identity}], "scored": [{"sighting": 1, "raw": raw}]}


def test_the_same_answers_agree_in_everything() -> None:
    agreement = compare_answers([[runtime_answer("Asha", 80)]] * 3, [[other_answer("Asha", 81, 0.8999)]] * 3, COUNTS_OF)
    assert (agreement.photos, agreement.counts) == (3, 3)
    assert agreement.same_animals == agreement.same_identity == agreement.same_verdict == agreement.same_counts == 1
    assert agreement.largest_difference == 1
    assert 0 < agreement.largest_cosine_difference < 0.001
    assert "the same identity first for 100.0%" in agreement.text()
    assert "as many animals" not in agreement.text()


def test_other_answers_are_seen() -> None:
    ours = [[runtime_answer("Asha", 80)], [runtime_answer("Chipo", 30)]]
    theirs = [[other_answer("Chipo", 40)], [other_answer("Chipo", 30, verdict="new"), other_answer("Asha", 3)]]
    agreement = compare_answers(ours, theirs, COUNTS_OF)
    assert agreement.same_identity == agreement.same_verdict == agreement.same_animals == agreement.same_counts == 0.5
    assert agreement.largest_difference == 40
    assert "the same number of animals in only 50.0% of the photos" in agreement.text()


def test_a_pair_that_only_one_side_matched_is_not_counted() -> None:
    agreement = compare_answers([[runtime_answer("Asha", 80)]], [[other_answer("Asha", None)]], COUNTS_OF)
    assert agreement.counts == 0
    assert agreement.same_counts is None


def test_a_side_that_gives_no_verdicts_is_compared_by_its_identities() -> None:
    without = {"ranking": [{"identity": "Asha", "sighting": 1}]}
    agreement = compare_answers([[runtime_answer("Asha", 80)]], [[without]], COUNTS_OF)
    assert agreement.same_identity == 1
    assert agreement.same_verdict is None
    assert "verdict" not in agreement.text()


def test_a_score_that_is_no_count_is_compared_by_itself() -> None:
    def answer(distinctive: float) -> dict[str, Any]:
        return {"sighting": 1, "raw": {"unlike": distinctive}}

    ours = {"ranking": [{"identity": "Asha", **answer(20.0)}]}
    agreement = compare_answers([[ours]], [[{"ranking": [{"identity": "Asha"}], "scored": [answer(19.0)]}]], COUNTS_OF)
    assert agreement.counts == 0
    assert agreement.largest_score_difference == 0.05
    assert "other scores within 5.00%" in agreement.text()
