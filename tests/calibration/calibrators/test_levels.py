"""Pairs become levels of their scores without loss, or with a small one where nearly all scores differ."""

from __future__ import annotations

import numpy as np
import pytest

from reid_edge.errors import UsageError
from reid_edge_calibration.calibrators.levels import take_levels


def test_every_count_is_a_level_with_the_weight_of_its_pairs():
    levels = take_levels(np.array([3, 1, 3, np.nan, 1]), np.array([True, False, False, True, False]), np.array([2.0, 1, 5, 9, 3]))
    assert levels.score.tolist() == [1, 3]
    assert levels.positive.tolist() == [0, 2]
    assert levels.negative.tolist() == [4, 5]


def test_many_different_scores_are_taken_together_where_neither_kind_of_pair_is_moved_far():
    rng = np.random.default_rng(0)
    same = rng.random(20_000) < 0.02
    score = rng.normal(size=20_000) + 3 * same
    levels = take_levels(score, same, None, most=500)
    assert len(levels.score) <= 500
    assert (np.diff(levels.score) > 0).all()
    assert levels.positive.sum() == same.sum()
    assert levels.negative.sum() == (~same).sum()
    assert levels.negative.max() <= 0.0045 * (~same).sum()
    total = levels.positive + levels.negative
    assert total @ levels.score / 20_000 == pytest.approx(score.mean(), abs=1e-9)


def test_pairs_of_no_weight_are_not_there():
    assert take_levels(np.array([1.0, 2.0]), np.array([True, False]), np.array([0.0, 1.0])).score.tolist() == [2]


@pytest.mark.parametrize(("score", "reason"), [(np.full(3, np.nan), "no score"), (np.array([1, np.inf, 2]), "infinite")])
def test_scores_that_cannot_be_used_are_an_error_that_says_so(score, reason):
    with pytest.raises(UsageError, match=reason):
        take_levels(score, np.array([True, False, True]))
