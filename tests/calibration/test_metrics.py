"""The metrics are those of the challenge, checked by hand, by wildlife-datasets, by scikit-learn and by their own laws."""

from __future__ import annotations

import importlib.util
import math
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, brier_score_loss, roc_auc_score

from reid_edge.errors import UsageError
from reid_edge_calibration.metrics import (
    NEW,
    auroc,
    baks,
    baks_interval,
    baus,
    baus_interval,
    brier,
    calibration_error,
    coverage_at_error,
    geomean,
    geomean_interval,
    mean_average_precision,
    rank_k,
    rank_k_interval,
    reliability,
    risk_coverage,
)
from reid_edge_export.catalogue import WeightSource
from reid_edge_export.weight_files import obtain

KNOWN = ("a", "b", "c")
# The package itself cannot be installed beside the runtime: its opencv-python has the place of ours. One module of it is fetched and run.
WILDLIFE_DATASETS = WeightSource(
    "pypi:wildlife-datasets==1.0.9/wildlife_datasets/metrics/metrics.py",
    sha256="034ce92a1df7bbf7143a31c33bc7fa06a9aa454e7a2ca3e2ff2cf03c625e408b",
)
answers = st.lists(st.tuples(st.sampled_from(["a", "b", "c", "x", "y"]), st.sampled_from([*KNOWN, NEW])), min_size=1, max_size=40)
confidences = st.lists(st.tuples(st.integers(0, 5).map(lambda step: step / 5), st.booleans()), min_size=1, max_size=40)
ranked_photos = st.lists(st.sampled_from(["a", "b", "c", "d"]), min_size=5, max_size=5)


@pytest.fixture(scope="module")
def reference(skip_as_missing) -> ModuleType:
    """The metrics of wildlife-datasets; skips where they cannot be had."""
    pytest.importorskip("pandas")
    try:
        path = obtain(WILDLIFE_DATASETS)
    except UsageError as error:
        skip_as_missing(f"wildlife-datasets cannot be fetched here: {error.message}")
    spec = importlib.util.spec_from_file_location("wildlife_datasets_metrics", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_case_worked_by_hand():
    truth = ["a", "a", "a", "b", "x", "x", "y"]
    answer = ["a", "a", "b", NEW, NEW, "a", NEW]
    assert baks(truth, answer, KNOWN) == pytest.approx((2 / 3 + 0) / 2)
    assert baus(truth, answer, KNOWN) == pytest.approx((1 / 2 + 1) / 2)
    assert geomean(truth, answer, KNOWN) == pytest.approx(math.sqrt(1 / 3 * 3 / 4))


@settings(deadline=None)
@given(answers)
def test_baks_and_baus_are_those_of_wildlife_datasets(reference, pairs):
    truth, answer = map(list, zip(*pairs, strict=True))
    unknown = [name for name in ("x", "y") if name in truth]
    assert baks(truth, answer, KNOWN) == pytest.approx(float(reference.BAKS(truth, answer, unknown)), nan_ok=True)
    assert baus(truth, answer, KNOWN) == pytest.approx(float(reference.BAUS(truth, answer, unknown, NEW)), nan_ok=True)


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["a", "b", "c", "d", "e"]), ranked_photos), min_size=1, max_size=12))
def test_mean_average_precision_is_that_of_wildlife_datasets(reference, queries):
    truth, ranking = map(list, zip(*queries, strict=True))
    mine = mean_average_precision(truth, ranking, {"a", "b", "c", "d", "e"})
    assert mine == pytest.approx(float(reference.mean_average_precision(truth, ranking)))


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from([*KNOWN, NEW]), st.integers(0, 5)), min_size=2, max_size=40))
def test_auroc_of_known_versus_new_is_that_of_wildlife_datasets(reference, queries):
    truth, score = map(list, zip(*queries, strict=True))
    known = [true != NEW for true in truth]
    if len(set(known)) == 2:
        assert auroc(known, score) == pytest.approx(float(reference.auc_roc_new_class(truth, score, NEW)))


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
def test_an_interval_lies_within_0_and_1_and_is_nan_where_its_figure_is(pairs):
    truth, answer = zip(*pairs, strict=True)
    ranking = [[each] for each in answer]
    figures = (
        (geomean(truth, answer, KNOWN), geomean_interval(truth, answer, KNOWN, resamples=50)),
        (baks(truth, answer, KNOWN), baks_interval(truth, answer, KNOWN, resamples=50)),
        (baus(truth, answer, KNOWN), baus_interval(truth, answer, KNOWN, resamples=50)),
        (rank_k(truth, ranking, 1, KNOWN), rank_k_interval(truth, ranking, 1, KNOWN, resamples=50)),
    )
    for value, (low, high) in figures:
        if math.isnan(value):
            assert math.isnan(low)
            assert math.isnan(high)
        else:
            assert 0 <= low <= high <= 1


def test_an_interval_of_ranks_draws_individuals_not_photos():
    """30 photos of each of 4 individuals, of which two are never found: the photos are 120, what is known is about 4."""
    truth = [name for name in "abcd" for _ in range(30)]
    ranking = [[name] if name in "ab" else ["b" if name == "a" else "a"] for name in truth]
    low, high = rank_k_interval(truth, ranking, 1, {"a", "b", "c", "d"})
    assert rank_k(truth, ranking, 1, {"a", "b", "c", "d"}) == 0.5
    assert (low, high) == (0.0, 1.0)  # of 120 independent photos it would be 0.41 to 0.59


def test_intervals_cover_the_true_value_about_as_often_as_they_say():
    """40 individuals of 3 photos, each right with a chance of its own (mean 0.7): the interval is to hold 0.7 in 19 of 20 sets."""
    rng = np.random.default_rng(0)
    known = {f"k{place}" for place in range(40)}
    truth = [name for name in sorted(known) for _ in range(3)]
    covered = {"BAKS": 0, "R-1": 0}
    for _ in range(200):
        chance = dict(zip(sorted(known), rng.beta(7, 3, 40), strict=True))
        answer = [name if rng.random() < chance[name] else NEW for name in truth]
        for name, (low, high) in (
            ("BAKS", baks_interval(truth, answer, known, resamples=300)),
            ("R-1", rank_k_interval(truth, [[each] for each in answer], 1, known, resamples=300)),
        ):
            covered[name] += low <= 0.7 <= high
    for name, count in covered.items():
        assert 0.88 < count / 200 < 0.99, name  # 0.92 measured for both: a percentile bootstrap is a little too narrow


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


def test_average_precision_of_a_ranking_of_identities_is_the_mean_reciprocal_rank_of_known_queries():
    ranking = [["a", "b", "c"], ["c", "a", "b"], ["c", "b"], ["a"]]
    assert mean_average_precision(["a", "b", "a", "x"], ranking, KNOWN) == pytest.approx((1 + 1 / 3 + 0) / 3)
    assert mean_average_precision(["a"], [["a", "b", "a"]], KNOWN) == pytest.approx((1 + 2 / 3) / 2)
    assert math.isnan(mean_average_precision(["x"], [["a"]], KNOWN))


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


@settings(deadline=None)
@given(confidences, st.floats(0, 1))
def test_coverage_at_an_error_is_the_best_of_all_confidences_to_answer_from(pairs, error):
    confidence, right = (np.array(values) for values in zip(*pairs, strict=True))
    best = 0.0
    for least in np.unique(confidence):
        answered = confidence >= least
        if np.mean(~right[answered]) <= error:
            best = max(best, answered.mean())
    assert coverage_at_error(confidence, right, error) == pytest.approx(best)


@settings(deadline=None)
@given(confidences)
def test_the_risk_of_answering_everything_is_the_share_of_wrong_answers(pairs):
    confidence, right = zip(*pairs, strict=True)
    curve = risk_coverage(confidence, right)
    assert curve.coverage[-1] == 1.0
    assert curve.risk[-1] == pytest.approx(1 - np.mean(right))
    assert (np.diff(curve.coverage) > 0).all()
    assert (np.diff(curve.confidence) < 0).all()


def test_a_case_of_risk_and_coverage_worked_by_hand():
    confidence, right = [0.9, 0.8, 0.8, 0.4], [True, True, False, True]
    assert coverage_at_error(confidence, right, 0.0) == 0.25  # the two of 0.8 come together, and one of them is wrong
    assert coverage_at_error(confidence, right, 0.26) == 1.0  # all four have one error in four, the best three one in three
    assert coverage_at_error(confidence, [False] * 4, 0.5) == 0.0
    assert math.isnan(coverage_at_error([], [], 0.5))


def test_a_reliability_diagram_holds_every_prediction_once_and_the_mean_of_each_bin():
    curve = reliability([0.0, 0.1, 0.11, 1.0, 0.95], [False, True, False, True, False])
    assert curve.count.tolist() == [2, 1, 2]
    assert curve.predicted == pytest.approx([0.05, 0.11, 0.975])
    assert curve.observed.tolist() == [0.5, 0.0, 0.5]


def test_what_has_twice_the_weight_counts_as_if_it_were_there_twice():
    rng = np.random.default_rng(3)
    probability, times = rng.random(200), rng.integers(0, 4, 200)
    outcome = rng.random(200) < probability**2
    repeated = np.repeat(probability, times), np.repeat(outcome, times)
    assert calibration_error(probability, outcome, weight=times) == pytest.approx(calibration_error(*repeated))
    assert brier(probability, outcome, times) == pytest.approx(brier(*repeated))
    curve = reliability(probability, outcome, weight=np.full(200, 0.1))
    assert curve.effective == pytest.approx(curve.count)
    assert (reliability(probability, outcome, weight=times).effective < curve.count).all()


def test_probabilities_that_come_true_have_a_small_calibration_error_and_boasts_a_large_one():
    rng = np.random.default_rng(0)
    probability = rng.random(20_000)
    outcome = rng.random(20_000) < probability
    assert calibration_error(probability, outcome) < 0.02  # 0.007 measured
    assert calibration_error(np.where(probability > 0.5, 1.0, 0.0), outcome) > 0.2  # 0.25 by theory
