"""Cross-validation over individuals chooses the calibrator, and its probabilities are of calibrators that did not see the pair."""

from __future__ import annotations

import time

import numpy as np
import pytest
from scipy.special import expit

from reid_edge.errors import UsageError
from reid_edge_calibration.calibrators import KINDS, choose_calibrator
from reid_edge_calibration.calibrators.choice import mean_and_error
from reid_edge_calibration.metrics import calibration_error


def animals(individuals=24, photos=2, separation=2.0, seed=0, counts=True):
    """Scores, same and the individual of the query, of every query photo against every gallery photo."""
    rng = np.random.default_rng(seed)
    total = individuals * photos
    query, gallery = np.repeat(np.arange(total), total), np.tile(np.arange(total), total)
    same = query // photos == gallery // photos
    z = rng.normal(size=total**2) + same * (separation + rng.normal(0, 0.5, total)[query])
    return np.maximum(0, np.round(20 * z + 20)) if counts else np.tanh(z / 4), same, query // photos


def choose(score, same, group, weight=None, seed=0):
    return choose_calibrator(score, same, np.ones(len(score)) if weight is None else weight, group, seed)


def test_all_kinds_are_compared_and_the_chosen_one_is_fitted_on_all_pairs():
    score, same, group = animals()
    chosen = choose(score, same, group)
    assert set(chosen.log_loss) == set(KINDS)
    assert all(0 < mean < 0.2 and 0 < error < mean for mean, error in chosen.log_loss.values())  # 0.12, 0.005 measured
    assert chosen.calibrator == KINDS[chosen.kind](score, same, np.ones(len(score)))
    assert calibration_error(chosen.probability, same) < 0.02  # 0.004 measured


def test_where_the_curve_has_a_step_isotonic_is_chosen():
    rng = np.random.default_rng(1)
    score, group = rng.uniform(0, 1, 6000), np.arange(6000) % 60
    same = rng.random(6000) < np.where(score > 0.62, 0.9, np.where(score > 0.6, 0.5, 0.02))
    assert choose(score, same, group).kind == "isotonic"


def test_where_one_kind_is_only_a_little_better_the_smooth_one_stays():
    rng = np.random.default_rng(2)
    score, group = rng.uniform(-4, 4, 3000), np.arange(3000) % 30
    chosen = choose(score, rng.random(3000) < expit(score), group)
    best = min(mean for mean, _ in chosen.log_loss.values())
    assert chosen.kind == "smooth"
    assert chosen.log_loss["smooth"][0] - best < 0.002


def test_a_probability_does_not_depend_on_what_pairs_of_the_same_individual_show():
    score, same, group = animals()
    one = group == 3
    swapped = same.copy()  # with as many positive pairs as before, so the folds stay
    lowest, highest = np.where(one & same, score, np.inf).argmin(), np.where(one & ~same, score, -np.inf).argmax()
    swapped[[lowest, highest]] = False, True
    chosen, other = choose(score, same, group), choose(score, swapped, group)
    assert chosen.kind == other.kind
    assert (chosen.probability[one] == other.probability[one]).all()
    assert (chosen.probability[~one] != other.probability[~one]).any()


def test_pairs_without_a_score_have_no_probability_and_change_nothing():
    score, same, group = animals()
    absent = np.random.default_rng(0).random(len(score)) < 0.3
    some = choose(np.where(absent, np.nan, score), same, group)
    alone = choose(score[~absent], same[~absent], group[~absent])
    assert np.isnan(some.probability[absent]).all()
    assert (some.probability[~absent] == alone.probability).all()
    assert some.calibrator == alone.calibrator


def test_the_same_seed_gives_the_same_choice_and_another_gives_other_folds():
    score, same, group = animals()
    first, again, other = choose(score, same, group), choose(score, same, group), choose(score, same, group, seed=1)
    assert (first.probability == again.probability).all()
    assert (first.probability != other.probability).any()


def test_fewer_than_twenty_positive_pairs_or_one_individual_with_some_give_the_smooth_one():
    score, same, group = animals(individuals=9, photos=1)
    few = choose(score, same, group)
    assert (few.kind, set(few.log_loss)) == ("smooth", {"smooth"})
    score, same, group = animals()
    one = choose(score, same & (group == 0), group)
    assert one.kind == "smooth"
    assert np.isfinite(one.probability).all()


@pytest.mark.parametrize("same", [True, False])
def test_pairs_of_one_kind_only_are_refused_with_what_is_missing(same):
    with pytest.raises(UsageError, match="different" if same else "same individual"):
        choose(np.arange(50.0), np.full(50, same), np.arange(50) % 5)


def test_infinite_scores_and_no_scores_are_refused():
    same, group = np.arange(50) % 2 == 0, np.arange(50) % 5
    with pytest.raises(UsageError, match="infinite"):
        choose(np.where(np.arange(50) == 7, np.inf, 1.0), same, group)
    with pytest.raises(UsageError, match="no score"):
        choose(np.full(50, np.nan), same, group)


def test_one_score_value_only_gives_its_share():
    same = np.arange(200) % 4 == 0
    chosen = choose(np.full(200, 7.0), same, np.arange(200) // 10)
    assert chosen.calibrator(7.0) == pytest.approx(0.25, abs=0.01)


def test_the_standard_error_is_that_of_groups_not_of_pairs():
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(50), 100)
    value = rng.normal(size=50)[group]  # all pairs of a group are alike
    _, error = mean_and_error(value, np.ones(5000), group)
    assert error == pytest.approx(value[::100].std(ddof=1) / np.sqrt(50), rel=1e-9)


@pytest.mark.slow
def test_forty_thousand_pairs_take_a_second_or_two_per_score():
    score, same, group = animals(individuals=100, photos=2, counts=False)
    begun = time.process_time()
    choose(score, same, group)
    assert time.process_time() - begun < 10 / 3  # 0.8 s measured
