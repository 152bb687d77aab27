"""The metrics are those of the challenge, checked by hand, by scikit-learn and by their own laws."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, brier_score_loss, roc_auc_score

from reid_edge_calibration.metrics import NEW, auroc, baks, baus, brier, calibration_error, geomean, geomean_interval, rank_k

KNOWN = ("a", "b", "c")
answers = st.lists(st.tuples(st.sampled_from(["a", "b", "c", "x", "y"]), st.sampled_from([*KNOWN, NEW])), min_size=1, max_size=40)


def test_a_case_worked_by_hand():
    truth = ["a", "a", "a", "b", "x", "x", "y"]
    answer = ["a", "a", "b", NEW, NEW, "a", NEW]
    assert baks(truth, answer, KNOWN) == pytest.approx((2 / 3 + 0) / 2)
    assert baus(truth, answer, KNOWN) == pytest.approx((1 / 2 + 1) / 2)
    assert geomean(truth, answer, KNOWN) == pytest.approx(math.sqrt(1 / 3 * 3 / 4))


@settings(deadline=None)
@given(answers)
@pytest.mark.filterwarnings("ignore:y_pred contains classes", "ignore:A single label was found")
def test_baks_is_balanced_accuracy_over_the_known_and_baus_over_the_unknown(pairs):
    known = [(true, answer) for true, answer in pairs if true in KNOWN]
    unknown = [(true, true if answer == NEW else "wrong") for true, answer in pairs if true not in KNOWN]
    truth, answer = zip(*pairs, strict=True)
    for subset, value in ((known, baks(truth, answer, KNOWN)), (unknown, baus(truth, answer, KNOWN))):
        wanted = balanced_accuracy_score(*zip(*subset, strict=True)) if subset else math.nan
        assert value == pytest.approx(wanted, nan_ok=True)


@settings(deadline=None)
@given(answers)
def test_the_interval_of_geomean_lies_within_0_and_1_and_is_nan_where_geomean_is(pairs):
    truth, answer = zip(*pairs, strict=True)
    low, high = geomean_interval(truth, answer, KNOWN, resamples=50)
    if math.isnan(geomean(truth, answer, KNOWN)):
        assert math.isnan(low)
        assert math.isnan(high)
    else:
        assert 0 <= low <= high <= 1


def test_the_interval_narrows_with_more_individuals_and_covers_the_value():
    rng = np.random.default_rng(0)
    widths = []
    for individuals in (10, 200):
        truth = [f"{side}{i}" for i in range(individuals) for side in "ku" for _ in range(3)]
        gallery = {name for name in truth if name[0] == "k"}
        answer = [(name if name in gallery else NEW) if rng.random() < 0.7 else "wrong" for name in truth]
        low, high = geomean_interval(truth, answer, gallery)
        assert low <= geomean(truth, answer, gallery) <= high
        widths.append(high - low)
    assert widths[1] < widths[0] / 3


def test_rank_k_counts_different_identities_and_known_queries_only():
    ranking = [["b", "b", "a"], ["b", "a"], ["c"]]
    assert rank_k(["a", "b", "x"], ranking, 1, KNOWN) == 0.5
    assert rank_k(["a", "b", "x"], ranking, 2, KNOWN) == 1.0
    assert math.isnan(rank_k(["x"], [["a"]], 1, KNOWN))


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=2, max_size=50))
def test_auroc_is_scikit_learns(pairs):
    positive, score = zip(*pairs, strict=True)
    if len(set(positive)) == 2:
        assert auroc(positive, score) == pytest.approx(roc_auc_score(positive, score))
    else:
        assert math.isnan(auroc(positive, score))


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=50))
def test_brier_is_scikit_learns_and_the_calibration_error_is_that_of_the_bins_one_by_one(pairs):
    probability, outcome = (np.array(values) for values in zip(*pairs, strict=True))
    assert brier(probability, outcome) == pytest.approx(brier_score_loss(outcome, probability, pos_label=True))
    gaps = 0.0
    for low in range(10):
        inside = (probability * 10 > low) & (probability * 10 <= low + 1) | ((low == 0) & (probability == 0))
        if inside.any():
            gaps += inside.mean() * abs(probability[inside].mean() - outcome[inside].mean())
    assert calibration_error(probability, outcome) == pytest.approx(gaps)


def test_probabilities_that_come_true_have_a_small_calibration_error_and_boasts_a_large_one():
    rng = np.random.default_rng(0)
    probability = rng.random(20_000)
    outcome = rng.random(20_000) < probability
    assert calibration_error(probability, outcome) < 0.02  # 0.007 measured
    assert calibration_error(np.where(probability > 0.5, 1.0, 0.0), outcome) > 0.2  # 0.25 by theory
