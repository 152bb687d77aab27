"""An individual stands out by its fused score and by its lead over the others of the gallery."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from reid_edge.decide.calibration.evidence import CHANCE, FEW_OTHERS, Evidence, QualityTerm, leads
from reid_edge.decide.calibration.fusion import log_odds

RIVALS, NOBODY = np.array([3.0, 1.7]), np.zeros(1)
counts = st.integers(0, 300).map(float) | st.just(math.nan)
galleries = st.integers(1, 6).flatmap(lambda identities: arrays(np.float64, (identities, 2), elements=counts))


@given(galleries)
def test_a_lead_is_over_the_best_of_the_others(best):
    level = np.log(np.nan_to_num(best) + CHANCE)
    found = leads(best, RIVALS)
    for row in range(len(best)):
        others = np.delete(level, row, axis=0)
        few = np.minimum(FEW_OTHERS.get(len(others), 0), np.maximum(0, level.max(axis=0) - np.log(1 + CHANCE)))
        expected = level[row] - others.max(axis=0) - few if len(others) else level[row] - RIVALS
        assert found[row] == pytest.approx(expected)


def test_few_matches_more_are_a_small_lead_and_a_multiple_of_many_is_the_same_in_any_species():
    few, zebra, turtle = (
        leads([[top], [next_best], *[[0]] * 4], NOBODY)[0, 0] for top, next_best in ((3, 1), (150, 40), (32, 8))
    )
    assert few < 0.3
    assert zebra == pytest.approx(1.24, abs=0.01)
    assert turtle == pytest.approx(1.05, abs=0.01)


def test_a_lead_in_matches_over_few_others_counts_less_and_one_in_cosines_the_same():
    few, many = leads([[40, 0.9], [20, 0.8]], RIVALS)[0], leads([[40, 0.9], [20, 0.8], *[[0, 0.1]] * 4], RIVALS)[0]
    assert few[0] == pytest.approx(many[0] - 0.58)
    assert few[1] == many[1]


def test_two_matches_against_none_in_a_gallery_of_two_are_never_less_than_none_against_none():
    assert leads([[2.0], [0.0]], NOBODY)[0] > leads([[0.0], [0.0]], NOBODY)[0]


def test_alone_in_a_gallery_an_individual_is_ahead_of_what_the_best_other_one_typically_has():
    ((matches, cosine),) = leads([[200.0, 0.9]], np.log([20 + CHANCE, 0.8 + CHANCE]))
    assert matches == pytest.approx(np.log(205 / 25))
    assert cosine == pytest.approx(np.log(5.9 / 5.8))


@given(galleries, st.floats(0, 1), st.floats(0, 3), st.floats(0, 3), st.integers(0, 100))
def test_more_matches_for_one_individual_never_lower_its_evidence(best, fused, weight, lead, more):
    evidence = Evidence(-1.0, weight, {"cosine": 0.0, "matches": lead}, 0.5, {}, {"cosine": 1.7, "matches": 3.0})
    raised = best.copy()
    raised[0, 1] = np.nan_to_num(best[0, 1]) + more
    scores = np.full(len(best), fused)
    photos = np.arange(1, len(best) + 1)
    before, after = evidence(scores, best, photos), evidence(scores, raised, photos)
    assert after[0] >= before[0]
    assert (after[1:] <= before[1:]).all()
    assert ((after >= 0) & (after <= 1)).all()


@pytest.mark.parametrize("fused", [0.0, 1.0])
def test_certainty_stays_finite(fused):
    assert abs(log_odds(fused)) == pytest.approx(math.log(999))


def test_quality_counts_within_the_range_that_was_seen_and_a_photo_of_unknown_quality_is_a_typical_one():
    evidence = Evidence(0.0, 1.0, {"m": 0.0}, 0.0, {"sharpness": QualityTerm(2.0, 3.0, 1.0, 5.0)}, {"m": 1.6})
    said = {q: evidence([0.5], [[1.0]], [1], np.array([q]))[0] for q in (-9.0, 1.0, 3.0, 5.0, 99.0)}
    assert said[-9.0] == said[1.0] < said[3.0] < said[5.0] == said[99.0]
    assert evidence([0.5], [[1.0]], [1])[0] == said[3.0] == 0.5
