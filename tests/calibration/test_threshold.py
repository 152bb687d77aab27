"""The threshold is where GeoMean is best, and steadier than the best step of a few individuals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reid_edge_calibration.metrics import NEW, geomean
from reid_edge_calibration.threshold import best_threshold, choose_threshold, geomean_curve
from reid_edge_calibration.trials import Trials


def make_trials(score, right, known, individual):
    known = np.array(known)
    zeros = np.zeros(len(known), int)
    return Trials(
        np.array(score, float), np.array(right) & known, known, np.array(individual), zeros, zeros > 0, np.zeros((len(known), 3))
    )


def population(seed, individuals, photos=3):
    """Known animals score 0.65 on average and are right when they score well; strangers score 0.35."""
    rng = np.random.default_rng(seed)
    known = np.repeat(np.arange(2 * individuals) < individuals, photos)
    own = rng.normal(0, 0.05, 2 * individuals).repeat(photos)
    score = np.clip(np.where(known, 0.65, 0.35) + own + rng.normal(0, 0.12, len(known)), 0, 1)
    return make_trials(score, rng.random(len(known)) < 0.95, known, np.arange(2 * individuals).repeat(photos))


rows = st.tuples(st.sampled_from([0, 0.1, 0.3, 0.5, 0.9, 1]), st.booleans(), st.integers(0, 7))


@settings(deadline=None)
@given(st.lists(rows, min_size=1, max_size=30), st.floats(0, 1))
def test_the_curve_is_geomean_of_the_answers_at_any_threshold(drawn, threshold):
    score, right, individual = zip(*drawn, strict=True)
    known = [number < 4 for number in individual]
    trials = make_trials(score, right, known, individual)
    edges, value = geomean_curve(trials)
    names = [str(number) for number in individual]
    answers = [
        NEW if s < threshold else name if k and r else "another" for s, r, k, name in zip(score, right, known, names, strict=True)
    ]
    wanted = geomean(names, answers, {"0", "1", "2", "3"})
    found = value[np.searchsorted(edges[1:-1], threshold)]
    assert found == pytest.approx(0 if math.isnan(wanted) else wanted)


def test_the_best_threshold_is_the_middle_of_the_widest_best_step():
    trials = make_trials([0.2, 0.3, 0.7, 0.8], [False, False, True, True], [False, False, True, True], [0, 1, 2, 3])
    assert best_threshold(trials) == (pytest.approx(0.5), 1.0)


def test_the_bootstrap_mean_loses_less_on_new_individuals_than_the_best_step():
    edges, value = geomean_curve(population(99, 3000))

    def regret(threshold):
        return value.max() - value[np.searchsorted(edges[1:-1], threshold)]

    draws = [population(seed, 7) for seed in range(12)]
    bootstrap = np.mean([regret(choose_threshold(trials)) for trials in draws])
    step = np.mean([regret(best_threshold(trials)[0]) for trials in draws])
    assert bootstrap < step
    assert bootstrap < 0.03


def test_the_same_seed_gives_the_same_decision():
    assert choose_threshold(population(1, 8), seed=3) == choose_threshold(population(1, 8), seed=3)
