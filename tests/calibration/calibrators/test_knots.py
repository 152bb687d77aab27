"""Curves keep their shape with few knots."""

from __future__ import annotations

import numpy as np

from reid_edge_calibration.calibrators.knots import flat, score_grid, thin


def test_a_straight_line_of_knots_thins_to_its_two_ends():
    grid = np.linspace(0, 1, 50)
    assert thin("linear", grid, grid / 2, 1e-6).x == (0.0, 1.0)


def test_a_thinned_curve_is_within_the_tolerance_between_the_knots_too():
    grid = np.linspace(-6, 6, 200)
    curve = 1 / (1 + np.exp(-grid))
    few = thin("pchip", grid, curve, 1e-3)
    between = np.linspace(-6, 6, 3001)
    assert len(few.x) < 20  # 11 measured
    assert np.abs(few.interpolate(between) - 1 / (1 + np.exp(-between))).max() < 1.1e-3


def test_a_flat_curve_says_the_same_of_any_score():
    assert np.abs(flat(3.0, 0.25)([-9, 3, 99]) - 0.25).max() < 1e-8


def test_the_grid_is_dense_where_scores_are_and_has_no_two_knots_that_touch():
    grid = score_grid(np.concatenate([np.linspace(0, 1, 500), 1 + np.linspace(1e-12, 1e-10, 100), [100.0]]))
    assert grid[0] == 0
    assert grid[-1] == 100
    assert (grid < 1).sum() > 80
    assert np.diff(grid).min() > 9e-5
