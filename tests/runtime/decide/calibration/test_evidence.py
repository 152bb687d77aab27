"""An individual stands out by its fused score and by its lead over the others of the gallery."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from reid_edge.decide.calibration.evidence import CHANCE, Evidence, QualityTerm, leads, levels
from reid_edge.decide.calibration.fusion import log_odds

RIVALS, NOBODY = np.array([3.0, 1.7]), np.zeros(1)
counts = st.integers(0, 300).map(float) | st.just(math.nan)
galleries = st.integers(1, 6).flatmap(lambda identities: arrays(np.float64, (identities, 2), elements=counts))


@given(galleries)
def test_a_lead_is_over_the_best_of_the_others_whose_score_was_computed(best):
    level = np.log(best + CHANCE)
    found = leads(best, RIVALS)
    for row in range(len(best)):
        for column in (0, 1):
            others = [each for each in np.delete(level[:, column], row) if not math.isnan(each)]
            if math.isnan(level[row, column]) or (len(best) > 1 and not others):
                expected = 0.0
            else:
                expected = level[row, column] - max(others, default=RIVALS[column])
            assert found[row, column] == pytest.approx(expected)


@given(galleries)
def test_nobody_leads_or_trails_by_a_score_that_was_not_computed(best):
    hidden = best.copy()
    hidden[0] = math.nan
    found = leads(hidden, RIVALS)
    assert (found[0] == 0).all()
    if len(best) > 2:
        assert found[1:] == pytest.approx(leads(best[1:], RIVALS))
    assert levels(hidden, RIVALS)[0] == pytest.approx(RIVALS)


def test_few_matches_more_are_a_small_lead_and_a_multiple_of_many_is_the_same_in_any_species():
    few, zebra, turtle = (
        leads([[top], [next_best], *[[0]] * 4], NOBODY)[0, 0] for top, next_best in ((3, 1), (150, 40), (32, 8))
    )
    assert few < 0.3
    assert zebra == pytest.approx(1.24, abs=0.01)
    assert turtle == pytest.approx(1.05, abs=0.01)


@given(galleries, st.floats(0, 2), st.integers(1, 40))
def test_more_photos_of_an_individual_never_raise_its_evidence(best, level, more):
    evidence = Evidence(-1.0, 0.5, {"c": 0.0, "m": 1.0}, -0.3, {}, {"c": 1.7, "m": 3.0}, {"c": 0.0, "m": level}, 0.2)
    fused, photos = np.full(len(best), 0.5), np.ones(len(best), int)
    assert (evidence(fused, best, photos + more) <= evidence(fused, best, photos)).all()


def test_a_level_counts_beside_a_lead_so_two_names_of_one_animal_do_not_take_all_evidence_from_each_other():
    relative = Evidence(-2.0, 0.0, {"m": 2.0}, 0.0, {}, {"m": 2.0})
    both = replace(relative, levels={"m": 1.0})
    twice, strangers = [[200.0], [198.0], [10.0]], [[12.0], [11.0], [10.0]]
    fused, photos = np.full(3, 0.5), np.ones(3, int)
    assert relative(fused, twice, photos)[0] == pytest.approx(relative(fused, strangers, photos)[0], abs=0.1)
    assert both(fused, twice, photos)[0] > 0.9 > both(fused, strangers, photos)[0]


def test_alone_in_a_gallery_an_individual_is_ahead_of_what_the_best_other_one_typically_has():
    ((matches, cosine),) = leads([[200.0, 0.9]], np.log([20 + CHANCE, 0.8 + CHANCE]))
    assert matches == pytest.approx(np.log(205 / 25))
    assert cosine == pytest.approx(np.log(5.9 / 5.8))


@given(galleries, st.floats(0, 1), st.floats(0, 3), st.floats(0, 3), st.integers(0, 100))
def test_more_matches_for_one_individual_never_lower_its_evidence(best, fused, weight, lead, more):
    evidence = Evidence(-1.0, weight, {"cosine": 0.0, "matches": lead}, -0.5, {}, {"cosine": 1.7, "matches": 3.0})
    raised = best.copy()
    raised[0, 1] += more
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


ORDERED = Evidence(0.0, 1.0, {"c": 0.0, "m": 0.0}, 0.0, {}, {"c": 1.7, "m": 3.0}, order={"c": 20.0, "m": 1.5})


@given(galleries)
def test_individuals_share_one_belief_and_a_permutation_changes_nothing(best):
    shares = ORDERED.shares(best)
    assert shares.sum() == pytest.approx(1)
    assert ORDERED.shares(best[::-1]) == pytest.approx(shares[::-1])


@given(galleries, st.integers(1, 100), st.integers(0, 1))
def test_a_higher_score_never_lowers_the_own_share_nor_puts_another_one_ahead(best, more, column):
    raised = best.copy()
    raised[0, column] += more
    before, after = ORDERED.shares(best), ORDERED.shares(raised)
    assert after[0] >= before[0] - 1e-12
    behind = before <= before[0]
    assert (after[behind] <= after[0] + 1e-12).all()


def test_nobody_falls_behind_the_last_who_was_looked_at():
    shares = ORDERED.shares([[0.5, 80.0], [0.5, 9.0], [0.5, math.nan]])
    assert shares[1] == pytest.approx(shares[2])
    assert ORDERED.shares([[0.5, math.nan], [0.5, math.nan]]) == pytest.approx([0.5, 0.5])
