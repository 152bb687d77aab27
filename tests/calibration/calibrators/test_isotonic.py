"""The isotonic calibrator has the reference's numbers, and few knots."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.interpolate import PchipInterpolator
from sklearn.isotonic import IsotonicRegression

from reid_edge.errors import UsageError
from reid_edge_calibration.calibrators.isotonic import fit_isotonic


def scores(pairs=2000, seed=0):
    rng = np.random.default_rng(seed)
    same = rng.random(pairs) < 0.2
    return np.round(rng.gamma(3, 6, pairs) + 30 * same * rng.random(pairs)), same


def test_it_gives_the_numbers_of_the_reference_on_the_same_scores_to_1e_9():
    score, same = scores()
    reference = IsotonicRegression(out_of_bounds="clip").fit(score, same)
    knots = reference.f_.x
    x = np.sort(np.concatenate([(knots[:-1] + knots[1:]) / 2, [score.min(), score.max()]]))
    spline = PchipInterpolator(x, reference.predict(x))
    assert np.abs(fit_isotonic(score, same, tolerance=0)(score) - spline(score)).max() <= 1e-9


def test_fewer_knots_change_no_probability_by_more_than_the_tolerance():
    score, same = scores()
    full, few = fit_isotonic(score, same, tolerance=0), fit_isotonic(score, same, tolerance=0.01)
    grid = np.linspace(score.min(), score.max(), 5000)
    assert len(few.x) < len(full.x)
    assert np.abs(few(grid) - full(grid)).max() <= 0.0101


def test_the_probability_of_a_true_model_is_recovered():
    rng = np.random.default_rng(1)
    score = rng.uniform(-4, 4, 20_000)
    truth = 1 / (1 + np.exp(-score))
    fitted = fit_isotonic(score, rng.random(20_000) < truth)
    assert np.abs(fitted(score) - truth).mean() < 0.02  # 0.010 measured


def test_pairs_without_a_score_are_left_out_and_weights_count_as_repetitions():
    score, same = scores(300)
    weight = np.random.default_rng(2).integers(1, 4, 300)
    repeated = fit_isotonic(np.repeat(score, weight), np.repeat(same, weight), tolerance=0)
    padded = fit_isotonic(np.append(score, np.nan), np.append(same, True), np.append(weight, 5.0), tolerance=0)
    assert np.abs(repeated(score) - padded(score)).max() <= 1e-9


def test_one_score_for_every_pair_gives_the_share_of_the_same_individual():
    fitted = fit_isotonic(np.full(8, 3.0), np.arange(8) < 2)
    assert fitted([-1, 3, 99]) == pytest.approx([0.25] * 3)


def test_no_score_at_all_is_an_error_that_says_so():
    with pytest.raises(UsageError, match="no score"):
        fit_isotonic(np.full(3, np.nan), np.array([True, False, True]))
