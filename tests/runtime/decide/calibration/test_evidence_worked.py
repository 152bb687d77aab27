"""The evidence of an individual, worked by hand term by term."""

from __future__ import annotations

import math

import numpy as np
import pytest

from reid_edge.decide.calibration.evidence import Evidence, QualityTerm, leads, level_of, lowered_by

QUALITY = {"sharpness": QualityTerm(0.4, 2.0, 0.0, 5.0), "area": QualityTerm(-3.0, 0.5, 0.1, 0.9)}
EVIDENCE = Evidence(-0.5, 2.0, {"cosine": 0.7, "matches": 1.5}, 0.3, QUALITY, {"cosine": 1.7, "matches": 3.0})


def sigmoid(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))


def logit(share: float) -> float:
    return math.log(share / (1 - share))


def test_log_odds_leads_photos_and_quality_add_up():
    cosines, counts = math.log(5.9 / 5.4), math.log(45 / 15)
    few = 0.0, 0.58  # of one other individual; a cosine is never above 1
    quality = 0.4 * (3.0 - 2.0) - 3.0 * (0.2 - 0.5)
    first = -0.5 + 2 * logit(0.8) + 0.7 * (cosines - few[0]) + 1.5 * (counts - few[1]) + 0.3 * math.log(3) + quality
    second = -0.5 + 2 * logit(0.3) + 0.7 * (-cosines - few[0]) + 1.5 * (-counts - few[1]) + 0.3 * math.log(1) + quality
    found = EVIDENCE([0.8, 0.3], [[0.9, 40.0], [0.4, 10.0]], [3, 1], np.array([3.0, 0.2]))
    assert found == pytest.approx([sigmoid(first), sigmoid(second)])
    assert found.dtype == np.float64


def test_a_fused_score_above_one_half_speaks_for_an_individual_and_one_below_against_it():
    alone = Evidence(0.0, 1.0, {"m": 0.0}, 0.0, {}, {"m": 0.0})
    assert alone([0.8, 0.5, 0.2], [[1.0]] * 3, [1, 1, 1]) == pytest.approx([0.8, 0.5, 0.2])


def test_leads_that_are_computed_already_are_weighed_as_they_are_and_quality_may_differ_by_row():
    ahead = np.array([[0.5, -1.0], [0.0, 2.0]])
    quality = np.array([[3.0, 0.5], [2.0, 0.4]])
    expected = [
        sigmoid(-0.5 + 2 * logit(0.6) + 0.7 * 0.5 - 1.5 + 0.3 * math.log(2) + 0.4),
        sigmoid(-0.5 + 2 * logit(0.4) + 1.5 * 2 + 0.3),
    ]
    assert EVIDENCE.weigh([0.6, 0.4], ahead, [2, 1], quality) == pytest.approx(expected)


def test_no_photo_counts_as_one_and_quality_without_a_term_as_none():
    assert EVIDENCE([0.6], [[0.5, 9.0]], [0]) == EVIDENCE([0.6], [[0.5, 9.0]], [1])
    without = Evidence(-0.5, 2.0, {"m": 1.5}, 0.3, {}, {"m": 3.0})
    assert without([0.6], [[9.0]], [2], np.array([1.0, 2.0])) == without([0.6], [[9.0]], [2])


def test_evidence_beyond_what_an_exponential_can_hold_is_certainty_without_a_warning():
    with np.errstate(all="raise"):
        for bias, expected in ((1e6, 1.0), (-1e6, 0.0)):
            found = Evidence(bias, 1.0, {"m": 0.0}, 0.0, {}, {"m": 0.0})([0.5], [[1.0]], [1])
            assert found == pytest.approx([expected])


def test_of_two_that_lead_together_neither_is_ahead_of_the_other():
    both = leads([[40.0], [40.0], [10.0], [5.0], [3.0], [1.0]], np.zeros(1))[:, 0]
    assert both == pytest.approx(np.log(np.array([45, 45, 15, 10, 8, 6]) / 45))


@pytest.mark.parametrize(("others", "expected"), [(0, 0.0), (1, 0.58), (2, 0.30), (3, 0.16), (4, 0.07), (5, 0.0), (500, 0.0)])
def test_a_lead_over_few_others_is_lowered_by_what_the_best_of_so_few_lacks(others, expected):
    assert lowered_by(others, np.array([math.log(105)])) == pytest.approx([expected])


def test_a_lead_is_lowered_by_no_more_than_its_score_is_above_one_match():
    levels = np.log([5.0, 6.0, 6.3, 105.0])
    assert lowered_by(1, levels) == pytest.approx([0.0, 0.0, math.log(6.3 / 6), 0.58])
    assert lowered_by([1, 2, 3, 9], np.full(4, math.log(105))) == pytest.approx([0.58, 0.30, 0.16, 0.0])


def test_a_score_that_was_not_computed_and_a_negative_one_are_at_the_level_of_none():
    assert level_of([math.nan, -3.0, 0.0, 10.0]) == pytest.approx(np.log([5.0, 5.0, 5.0, 15.0]))
    assert level_of([[1.0, math.nan]]).shape == (1, 2)


def test_an_individual_alone_is_ahead_of_the_typical_rival_of_each_score():
    assert leads([[0.9, 40.0]], np.array([1.7, 3.0])) == pytest.approx(np.log([[5.9, 45.0]]) - [[1.7, 3.0]])
