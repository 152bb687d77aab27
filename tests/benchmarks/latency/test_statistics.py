"""Ratios are told where they are larger than the noise, and only there."""

from __future__ import annotations

import numpy as np
import pytest

from reid_edge_benchmarks.latency.statistics import LEAST_PAIRS, Spread, ratio_of_medians


def test_a_clear_difference_is_told_with_its_interval() -> None:
    noise = np.random.default_rng(1).normal(1, 0.1, 20)
    ratio = ratio_of_medians((3 * noise).tolist(), np.random.default_rng(2).normal(1, 0.1, 20).tolist())
    assert ratio.significant
    assert ratio.low is not None
    assert ratio.high is not None
    assert 2.5 < ratio.low <= ratio.value <= ratio.high < 3.5
    assert ratio.as_json()["value"] == ratio.value
    assert ratio.text().startswith(f"{ratio.value:.2f} (")


def test_a_difference_within_the_noise_is_not_told() -> None:
    draws = np.random.default_rng(0).lognormal(0, 0.5, (2, 12))
    ratio = ratio_of_medians(*draws.tolist())
    assert not ratio.significant
    assert ratio.text() == "within the noise"
    assert ratio.as_json()["value"] is None


def test_noise_that_falls_on_both_sides_alike_does_not_hide_a_small_difference() -> None:
    # Each photo is slow for both or for neither: resampled in pairs, a tenth more is seen.
    ours = np.random.default_rng(0).lognormal(0, 0.5, 40)
    assert ratio_of_medians((1.1 * ours).tolist(), ours.tolist()).significant
    shuffled = np.random.default_rng(1).permutation(ours)
    assert not ratio_of_medians((1.1 * shuffled).tolist(), ours.tolist()).significant


def test_fewer_pairs_than_an_interval_takes_give_no_ratio() -> None:
    ratio = ratio_of_medians([3.0] * (LEAST_PAIRS - 1), [1.0] * (LEAST_PAIRS - 1))
    assert not ratio.significant
    assert ratio.low is None
    assert ratio.as_json()["value"] is None
    assert ratio.text() == "too few pairs: 4"


def test_the_interval_holds_the_true_ratio_about_as_often_as_it_says() -> None:
    random, held = np.random.default_rng(0), 0
    for _ in range(60):
        ours, theirs = random.lognormal(0, 0.2, (2, 25))
        ratio = ratio_of_medians((2 * theirs).tolist(), ours.tolist())
        assert ratio.low is not None
        assert ratio.high is not None
        held += ratio.low <= 2 <= ratio.high
    assert held >= 50  # measured: 57 of 60


def test_a_spread_holds_the_percentiles_of_its_values() -> None:
    spread = Spread.of(list(range(101)))
    assert (spread.count, spread.p25, spread.p50, spread.p75, spread.p95, spread.p99) == (101, 25, 50, 75, 95, 99)
    assert Spread.of([7.0]).p99 == pytest.approx(7)
