"""The metrics worked by hand, and their intervals draw by draw."""

from __future__ import annotations

import math

import numpy as np
import pytest

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

KNOWN = ("a", "b", "c")
TRUTH = ["a", "a", "b", "c", "c", "c", "x", "x", "y", "z"]
ANSWER = ["a", "b", "b", NEW, "c", "c", NEW, "a", NEW, "c"]
KNOWN_SHARES, UNKNOWN_SHARES = np.array([0.5, 1.0, 2 / 3]), np.array([0.5, 1.0, 0.0])


def drawn(shares: np.ndarray, rng: np.random.Generator, resamples: int) -> np.ndarray:
    """[resamples], the mean share of as many individuals as there are, drawn with replacement."""
    return shares[rng.integers(3, size=(resamples, 3))].mean(axis=1)


def middle(values: np.ndarray, level: float) -> tuple[float, float]:
    return tuple(np.quantile(values, [(1 - level) / 2, (1 + level) / 2]))


def test_known_and_unknown_individuals_are_averaged_apart():
    assert baks(TRUTH, ANSWER, KNOWN) == pytest.approx(KNOWN_SHARES.mean())
    assert baus(TRUTH, ANSWER, KNOWN) == pytest.approx(UNKNOWN_SHARES.mean())
    assert geomean(TRUTH, ANSWER, KNOWN) == pytest.approx(math.sqrt(KNOWN_SHARES.mean() * 0.5))


@pytest.mark.parametrize(("level", "resamples", "seed"), [(0.95, 2000, 0), (0.5, 300, 7)])
def test_an_interval_is_the_middle_of_the_resampled_means_of_its_side(level, resamples, seed):
    given = {"level": level, "resamples": resamples, "seed": seed}
    known, unknown = (middle(drawn(s, np.random.default_rng(seed), resamples), level) for s in (KNOWN_SHARES, UNKNOWN_SHARES))
    assert baks_interval(TRUTH, ANSWER, KNOWN, **given) == pytest.approx(known)
    assert baus_interval(TRUTH, ANSWER, KNOWN, **given) == pytest.approx(unknown)
    rng = np.random.default_rng(seed)
    both = [drawn(shares, rng, resamples) for shares in (KNOWN_SHARES, UNKNOWN_SHARES)]
    assert geomean_interval(TRUTH, ANSWER, KNOWN, **given) == pytest.approx(middle(np.sqrt(both[0] * both[1]), level))


def test_without_more_said_an_interval_is_of_95_percent_by_2000_resamples_from_seed_0():
    said = {"level": 0.95, "resamples": 2000, "seed": 0}
    ranking = [[answer] for answer in ANSWER]
    for interval in (baks_interval, baus_interval, geomean_interval):
        assert interval(TRUTH, ANSWER, KNOWN) == interval(TRUTH, ANSWER, KNOWN, **said)
    assert rank_k_interval(TRUTH, ranking, 1, KNOWN) == rank_k_interval(TRUTH, ranking, 1, KNOWN, **said)


def test_an_interval_of_ranks_weighs_an_individual_by_its_photos():
    ranking = [[answer] for answer in ANSWER]
    assert rank_k(TRUTH, ranking, 1, KNOWN) == pytest.approx(4 / 6)
    rows = np.random.default_rng(3).integers(3, size=(400, 3))
    shares = np.array([1, 1, 2])[rows].sum(axis=1) / np.array([2, 1, 3])[rows].sum(axis=1)
    assert rank_k_interval(TRUTH, ranking, 1, KNOWN, 0.8, 400, 3) == pytest.approx(middle(shares, 0.8))


def test_the_figures_of_nobody_are_not_numbers():
    assert math.isnan(baks(["x"], [NEW], KNOWN))
    assert math.isnan(baus(["a"], [NEW], KNOWN))
    for low, high in (
        baks_interval(["x"], [NEW], KNOWN),
        baus_interval(["a"], ["a"], KNOWN),
        rank_k_interval(["x"], [["a"]], 1, KNOWN),
    ):
        assert math.isnan(low)
        assert math.isnan(high)
    assert math.isnan(calibration_error([], []))
    assert math.isnan(brier([], []))
    assert math.isnan(auroc([True, True], [1, 2]))
    assert math.isnan(auroc([False], [1]))


@pytest.mark.parametrize("figure", [baks, baus, baks_interval, baus_interval])
def test_queries_and_answers_of_different_number_are_refused(figure):
    with pytest.raises(ValueError, match=r"shorter|longer"):
        figure(["a", "x"], ["a"], KNOWN)


@pytest.mark.parametrize("figure", [mean_average_precision, lambda truth, ranking, known: rank_k(truth, ranking, 1, known)])
def test_queries_and_rankings_of_different_number_are_refused(figure):
    with pytest.raises(ValueError, match=r"shorter|longer"):
        figure(["a", "b"], [["a"]], KNOWN)


def test_auroc_counts_pairs_and_ties_half():
    assert auroc([True, True, False, False], [3, 1, 1, 0]) == pytest.approx((2 + 1.5) / 4)
    assert auroc([True, False], [1, 2]) == 0.0
    assert auroc([True, False], [2, 1]) == 1.0
    assert auroc([True, False, False], [5, 5, 5]) == 0.5


def test_the_curve_of_risk_and_coverage_step_by_step():
    curve = risk_coverage([0.4, 0.9, 0.8, 0.8, 0.2], [False, True, False, True, True])
    assert curve.coverage == pytest.approx([0.2, 0.6, 0.8, 1.0])
    assert curve.risk == pytest.approx([0.0, 1 / 3, 0.5, 0.4])
    assert curve.confidence.tolist() == [0.9, 0.8, 0.4, 0.2]
    assert coverage_at_error([0.4, 0.9, 0.8, 0.8, 0.2], [False, True, False, True, True], 0.4) == 1.0
    assert coverage_at_error([0.4, 0.9, 0.8, 0.8, 0.2], [False, True, False, True, True], 1 / 3) == pytest.approx(0.6)
    nothing = risk_coverage([], [])
    assert len(nothing.coverage) == len(nothing.risk) == len(nothing.confidence) == 0


def test_a_weighted_reliability_diagram_bin_by_bin():
    curve = reliability([0.1, 0.2, 0.3, 0.9, 0.95], [True, False, True, True, False], 2, [1.0, 3.0, 0.0, 2.0, 2.0])
    assert curve.predicted == pytest.approx([(0.1 + 0.6) / 4, (1.8 + 1.9) / 4])
    assert curve.observed == pytest.approx([1 / 4, 2 / 4])
    assert curve.count.tolist() == [3, 2]
    assert curve.share == pytest.approx([0.5, 0.5])
    assert curve.effective == pytest.approx([16 / 10, 16 / 8])


def test_a_bin_holds_its_upper_edge_the_first_0_and_one_without_weight_is_left_out():
    curve = reliability([0.0, 0.25, 0.5, 0.75, 1.0], [True] * 5, 4, [1.0, 1.0, 1.0, 0.0, 1.0])
    assert curve.count.tolist() == [2, 1, 1]
    assert curve.predicted == pytest.approx([0.125, 0.5, 1.0])
    assert len(reliability([0.05, 0.15, 0.25], [True] * 3).count) == 3  # ten bins unless said


def test_calibration_error_and_brier_score_worked_by_hand():
    probability, outcome, weight = [0.2, 0.4, 0.9], [False, True, True], [1.0, 1.0, 2.0]
    assert calibration_error(probability, outcome, 2) == pytest.approx(2 / 3 * abs(0.3 - 0.5) + 1 / 3 * 0.1)
    assert calibration_error(probability, outcome, 2, weight) == pytest.approx(0.5 * 0.2 + 0.5 * 0.1)
    assert calibration_error(probability, outcome) == pytest.approx((0.2 + 0.6 + 0.1) / 3)
    assert brier(probability, outcome) == pytest.approx((0.04 + 0.36 + 0.01) / 3)
    assert brier(probability, outcome, weight) == pytest.approx((0.04 + 0.36 + 0.02) / 4)


def test_rank_k_and_mean_average_precision_of_three_queries():
    ranking = [["b", "a", "a", "c"], ["b"], ["a"]]
    assert [rank_k(["a", "b", "c"], ranking, k, KNOWN) for k in (1, 2)] == pytest.approx([1 / 3, 2 / 3])
    assert mean_average_precision(["a", "b", "c"], ranking, KNOWN) == pytest.approx(((1 / 2 + 2 / 3) / 2 + 1 + 0) / 3)
