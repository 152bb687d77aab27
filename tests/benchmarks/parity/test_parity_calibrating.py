"""The reference's calibrators, made by scikit-learn and SciPy, against those that the runtime evaluates."""

from __future__ import annotations

import numpy as np
import pytest

from reid_edge_calibration.calibrators import fit_isotonic

pytest.importorskip("kornia")

from reid_edge_benchmarks.parity.calibrating import IsotonicCurve


def pairs(kind: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    same = rng.random(600) < 0.3
    cosine = np.clip(rng.normal(0.5 + 0.2 * same, 0.15), -1, 1)
    score = cosine if kind == "cosine" else np.round(60 * np.clip(cosine, 0, 1))
    score[rng.random(600) < 0.2] = np.nan
    return score, same


@pytest.mark.parametrize("kind", ["cosine", "count"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_runtime_evaluates_the_curve_of_scikit_learn_and_scipy(kind: str, seed: int) -> None:
    score, same = pairs(kind, seed)
    grid = np.unique(np.concatenate([np.linspace(-2, 80, 3000), score[~np.isnan(score)]]))
    reference = IsotonicCurve(score, same)
    exact = fit_isotonic(score, same, tolerance=0)
    inside = np.clip(grid, np.nanmin(score), np.nanmax(score))
    assert np.abs(reference.probability(inside) - exact.interpolate(grid)).max() < 1e-9  # measured 2e-15
    assert np.abs(reference(grid) - exact(grid)).max() < 1e-9  # with what tells equal ones apart
    thinned = fit_isotonic(score, same)
    assert len(thinned.x) <= len(exact.x)
    assert np.abs(reference(grid) - thinned(grid)).max() < 2.5e-3  # stated: 2e-3 between the knots' eighths


def test_weights_move_both_curves_alike() -> None:
    score, same = pairs("count", 3)
    weight = np.random.default_rng(3).uniform(0.1, 5, len(score))
    grid = np.linspace(0, 60, 500)
    weighted = IsotonicCurve(score, same, weight)
    assert np.abs(weighted(grid) - fit_isotonic(score, same, weight, 0)(grid)).max() < 1e-9
    assert np.abs(weighted(grid) - IsotonicCurve(score, same)(grid)).max() > 0.01  # measured 0.1


def test_a_score_that_was_not_computed_has_the_least_probability() -> None:
    score, same = pairs("count", 4)
    curve = IsotonicCurve(score, same)
    assert curve(-np.inf) <= curve(np.nanmin(score))
    assert curve(-np.inf) == pytest.approx(float(fit_isotonic(score, same, tolerance=0)(-np.inf)), abs=1e-9)
    assert np.isnan(curve(np.nan))
