"""A calibrator is SciPy's PCHIP inside its knots, holds its ends outside, and never loses the ranking."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reid_edge.decide.calibration.calibrator import STRICT, Calibrator
from reid_edge.errors import PackError

gaps = st.floats(1e-3, 1e3)
levels = st.floats(0, 1)


@st.composite
def calibrators(draw, kind="pchip"):
    rises = draw(st.lists(st.tuples(gaps, levels), min_size=2, max_size=12))
    x = np.cumsum([gap for gap, _ in rises]) + draw(st.floats(-1e3, 1e3))
    return Calibrator(kind, tuple(x.tolist()), tuple(sorted(level for _, level in rises)))


@pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning:scipy")
@settings(deadline=None)
@given(calibrators())
def test_between_its_knots_it_is_scipys_pchip(calibrator):
    interpolate = pytest.importorskip("scipy.interpolate")
    x = np.linspace(calibrator.x[0], calibrator.x[-1], 200)
    wanted = interpolate.PchipInterpolator(calibrator.x, calibrator.y)(x)
    assert np.abs(calibrator.interpolate(x) - wanted).max() <= 1e-12


@settings(deadline=None)
@given(calibrators("linear"))
def test_the_linear_kind_joins_its_knots_by_lines(calibrator):
    x = np.linspace(calibrator.x[0] - 1, calibrator.x[-1] + 1, 200)
    assert np.abs(calibrator.interpolate(x) - np.interp(x, calibrator.x, calibrator.y)).max() <= 1e-12


@settings(deadline=None)
@given(calibrators(), st.lists(st.floats(allow_nan=False), min_size=1))
def test_it_stays_within_0_and_1_and_near_its_curve_for_any_score(calibrator, scores):
    probability = calibrator(scores)
    assert ((probability >= 0) & (probability <= 1)).all()
    assert np.abs(probability - calibrator.interpolate(scores)).max() <= STRICT


@settings(deadline=None)
@given(calibrators(), st.floats(-1, 2), st.floats(1e-6, 3))
def test_a_higher_score_is_always_more_probable_even_on_flat_stretches(calibrator, place, step):
    width = calibrator.x[-1] - calibrator.x[0]
    low, high = calibrator([calibrator.x[0] + place * width, calibrator.x[0] + (place + step) * width])
    assert low < high


def test_it_holds_its_end_values_outside_the_knots_and_passes_nan_on():
    calibrator = Calibrator("pchip", (0.0, 1.0, 2.0), (0.2, 0.5, 0.7))
    assert calibrator.interpolate([-math.inf, -5, 0, 1, 2, 9, math.inf]).tolist() == [0.2, 0.2, 0.2, 0.5, 0.7, 0.7, 0.7]
    assert np.isnan(calibrator(np.array([[np.nan]]))).all()


@pytest.mark.parametrize(
    ("kind", "x", "y"),
    [
        ("cubic", (0, 1), (0, 1)),
        ("pchip", (0,), (0,)),
        ("pchip", (0, 1, 2), (0, 1)),
        ("pchip", (0, 0), (0, 1)),
        ("pchip", (1, 0), (0, 1)),
        ("pchip", (0, math.nan), (0, 1)),
        ("pchip", (0, math.inf), (0, 1)),
        ("pchip", (0, 5e-324), (0, 1)),
        ("pchip", (0, 1, 2), (0, 0.5, 0.4)),
        ("pchip", (0, 1), (-0.1, 1)),
        ("pchip", (0, 1), (0, 1.1)),
        ("pchip", (0, 1), (0, math.nan)),
    ],
)
def test_knots_that_make_no_increasing_curve_are_refused(kind, x, y):
    with pytest.raises(PackError):
        Calibrator(kind, x, y)
