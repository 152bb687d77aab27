"""Logistic, beta and smooth calibrators: few parameters, never decreasing, never certain of what few pairs cannot vouch for."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from reid_edge.errors import UsageError
from reid_edge_calibration.calibrators import KINDS, fit_beta, fit_isotonic, fit_logistic, fit_smooth
from reid_edge_calibration.calibrators.beta import MARGIN

SMOOTH_KINDS = {"logistic": fit_logistic, "beta": fit_beta, "smooth": fit_smooth}


def drawn(truth, pairs=20_000, seed=0, low=-4.0, high=4.0):
    rng = np.random.default_rng(seed)
    score = rng.uniform(low, high, pairs)
    return score, rng.random(pairs) < truth(score)


def log_loss(curve, score, same):
    probability = np.clip(curve(score), 1e-3, 1 - 1e-3)
    return -np.log(np.where(same, probability, 1 - probability)).mean()


def test_logistic_has_the_slope_and_intercept_of_plain_logistic_regression_where_there_are_many_pairs():
    score, same = drawn(lambda s: expit(1.3 * s - 1))
    reference = LogisticRegression(C=np.inf).fit(score[:, None], same)
    expected = reference.predict_proba(score[:, None])[:, 1]
    assert np.abs(fit_logistic(score, same)(score) - expected).max() < 2e-3  # 1.0e-3 measured, the knots' tolerance


def test_beta_recovers_a_beta_curve():
    def share(score):
        return MARGIN + (1 - 2 * MARGIN) * (score + 4) / 8

    def truth(score):
        return expit(2 * np.log(share(score)) - 0.5 * np.log1p(-share(score)) + 1)

    score, same = drawn(truth)
    assert np.abs(fit_beta(score, same)(score) - truth(score)).max() < 0.02  # 0.009 measured


def test_smooth_follows_a_bend_that_logistic_cannot():
    def truth(score):
        return expit(np.where(score < 0, 0.3 * score - 2, 3 * score - 2))

    score, same = drawn(truth)
    assert np.abs(fit_smooth(score, same)(score) - truth(score)).mean() < 0.01  # 0.004 measured
    assert np.abs(fit_logistic(score, same)(score) - truth(score)).mean() > 0.02  # 0.033 measured


def test_smooth_is_nearly_logistic_where_the_truth_is():
    score, same = drawn(expit, pairs=300)
    assert np.abs(fit_smooth(score, same)(score) - fit_logistic(score, same)(score)).max() < 0.05  # 0.02 measured


@pytest.mark.parametrize("shape", ["counts", "cosines"])
def test_with_few_positive_pairs_smooth_loses_less_than_isotonic_on_pairs_it_did_not_see(shape):
    rng = np.random.default_rng(3)
    gain = []
    for _ in range(12):
        z = rng.normal(size=4000)
        same = np.arange(4000) % 40 == 0
        z = z + 2 * same
        score = np.maximum(0, np.round(20 * z + 20)) if shape == "counts" else np.tanh(z / 4)
        train = np.arange(4000) < 1600  # 40 positive pairs
        held = [log_loss(fit(score[train], same[train]), score[~train], same[~train]) for fit in (fit_isotonic, fit_smooth)]
        gain.append(1 - held[1] / held[0])
    assert np.mean(gain) > 0  # 0.02 measured for either
    assert np.sum(np.array(gain) > 0) >= 8


@pytest.mark.parametrize("fit", SMOOTH_KINDS.values(), ids=SMOOTH_KINDS)
def test_separated_scores_give_a_steep_curve_and_no_certainty(fit):
    score, same = np.concatenate([np.arange(30.0), np.arange(100, 130.0)]), np.arange(60) >= 30
    curve = fit(score, same)
    assert 0 < curve(0.0) < 0.1
    assert 0.9 < curve(129.0) < 1


@pytest.mark.parametrize("fit", SMOOTH_KINDS.values(), ids=SMOOTH_KINDS)
def test_a_score_that_points_the_wrong_way_gives_a_curve_that_does_not_fall(fit):
    score, same = drawn(lambda s: expit(-s), pairs=2000)
    curve = fit(score, same)(np.linspace(-4, 4, 200))
    assert (np.diff(curve) >= 0).all()
    assert np.ptp(curve) < 0.02
    assert curve.mean() == pytest.approx(same.mean(), abs=0.02)


@pytest.mark.parametrize("fit", SMOOTH_KINDS.values(), ids=SMOOTH_KINDS)
@pytest.mark.parametrize("outcome", [True, False])
def test_pairs_of_one_kind_only_give_platts_share_not_certainty(fit, outcome):
    curve = fit(np.arange(8.0), np.full(8, outcome))
    assert curve(np.arange(8.0)) == pytest.approx([0.9 if outcome else 0.1] * 8, abs=0.01)


@pytest.mark.parametrize("fit", SMOOTH_KINDS.values(), ids=SMOOTH_KINDS)
def test_one_score_for_every_pair_gives_the_smoothed_share_of_the_same_individual(fit):
    same = np.arange(8) < 2
    expected = (2 * 3 / 4 + 6 * 1 / 8) / 8  # targets (n+ + 1) / (n+ + 2) and 1 / (n- + 2)
    assert fit(np.full(8, 3.0), same)([-1, 3, 99]) == pytest.approx([expected] * 3, abs=1e-6)


@pytest.mark.parametrize("fit", SMOOTH_KINDS.values(), ids=SMOOTH_KINDS)
def test_weights_scale_the_pairs_and_pairs_without_a_score_are_left_out(fit):
    score, same = drawn(expit, pairs=400)
    weight = np.random.default_rng(2).integers(1, 4, 400)
    repeated = fit(np.repeat(score, weight), np.repeat(same, weight))
    padded = fit(np.append(score, np.nan), np.append(same, True), np.append(weight, 5.0))
    assert np.abs(repeated(score) - padded(score)).max() < 3e-3


@pytest.mark.parametrize("fit", KINDS.values(), ids=KINDS)
def test_every_kind_refuses_infinite_scores_and_none_at_all(fit):
    with pytest.raises(UsageError, match="infinite"):
        fit(np.array([1.0, np.inf, 2.0]), np.array([True, False, True]), np.ones(3))
    with pytest.raises(UsageError, match="no score"):
        fit(np.full(3, np.nan), np.array([True, False, True]), np.ones(3))


@pytest.mark.parametrize("fit", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_the_unit_of_a_score_does_not_matter(fit, scale):
    score, same = drawn(expit, pairs=400)
    plain, scaled = fit(score, same, np.ones(400)), fit(score * scale, same, np.ones(400))
    assert np.abs(plain(score) - scaled(score * scale)).max() < 3e-3
