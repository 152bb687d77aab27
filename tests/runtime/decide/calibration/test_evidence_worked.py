"""The evidence of an individual, worked by hand term by term."""

from __future__ import annotations

import math

import numpy as np
import pytest

from reid_edge.decide.calibration.evidence import MOST_OTHERS, Evidence, QualityTerm, Standing, leads, level_of, levels

QUALITY = {"sharpness": QualityTerm(0.4, 2.0, 0.0, 5.0), "area": QualityTerm(-3.0, 0.5, 0.1, 0.9)}
LEVELS, OTHERS = {"cosine": 0.0, "matches": 0.2}, -0.1
EVIDENCE = Evidence(
    -0.5, 2.0, {"cosine": 0.7, "matches": 1.5}, -0.3, QUALITY, {"cosine": 1.7, "matches": 3.0}, levels=LEVELS, others=OTHERS
)


def sigmoid(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))


def logit(share: float) -> float:
    return math.log(share / (1 - share))


def test_log_odds_leads_levels_numbers_and_quality_add_up():
    cosines, counts = math.log(5.9 / 5.4), math.log(45 / 15)
    quality = 0.4 * (3.0 - 2.0) - 3.0 * (0.2 - 0.5)
    same = -0.5 + OTHERS * math.log(2) + quality
    first = same + 2 * logit(0.8) + 0.7 * cosines + 1.5 * counts + 0.2 * math.log(45) - 0.3 * math.log(3)
    second = same + 2 * logit(0.3) - 0.7 * cosines - 1.5 * counts + 0.2 * math.log(15)
    found = EVIDENCE([0.8, 0.3], [[0.9, 40.0], [0.4, 10.0]], [3, 1], np.array([3.0, 0.2]))
    assert found == pytest.approx([sigmoid(first), sigmoid(second)])
    assert found.dtype == np.float64


def test_a_fused_score_above_one_half_speaks_for_an_individual_and_one_below_against_it():
    alone = Evidence(0.0, 1.0, {"m": 0.0}, 0.0, {}, {"m": 0.0})
    assert alone([0.8, 0.5, 0.2], [[1.0]] * 3, [1, 1, 1]) == pytest.approx([0.8, 0.5, 0.2])


def test_a_standing_that_is_computed_already_is_weighed_as_it_is_and_quality_may_differ_by_row():
    standing = Standing(
        fused=np.array([0.6, 0.4]),
        leads=np.array([[0.5, -1.0], [0.0, 2.0]]),
        levels=np.array([[9.0, 3.0], [9.0, 4.0]]),
        photos=np.array([2, 1]),
        others=np.array([0, 7]),
    )
    quality = np.array([[3.0, 0.5], [2.0, 0.4]])
    expected = [
        sigmoid(-0.5 + 2 * logit(0.6) + 0.7 * 0.5 - 1.5 + 0.2 * 3 - 0.3 * math.log(2) + 0.4),
        sigmoid(-0.5 + 2 * logit(0.4) + 1.5 * 2 + 0.2 * 4 + OTHERS * math.log(8) + 0.3),
    ]
    assert EVIDENCE.weigh(standing, quality) == pytest.approx(expected)


def test_individuals_beyond_the_most_that_evidence_was_fitted_on_change_nothing():
    none = np.zeros((1, 2))
    many, more = (
        EVIDENCE.weigh(Standing(np.array([0.5]), none, none, np.ones(1, np.int64), others)) for others in (MOST_OTHERS, 9000)
    )
    assert many == more


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


def test_a_negative_score_is_at_the_level_of_none_and_one_that_was_not_computed_at_that_of_a_typical_rival():
    assert level_of([-3.0, 0.0, 10.0]) == pytest.approx(np.log([5.0, 5.0, 15.0]))
    assert levels([[math.nan, 10.0]], np.array([1.7, 3.0])) == pytest.approx(np.array([[1.7, math.log(15)]]))


def test_an_individual_alone_is_ahead_of_the_typical_rival_of_each_score():
    assert leads([[0.9, 40.0]], np.array([1.7, 3.0])) == pytest.approx(np.log([[5.9, 45.0]]) - [[1.7, 3.0]])
