"""The diagrams are well-formed SVG whose marks lie where the figures say."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from reid_edge_benchmarks.accuracy.diagrams import reliability_diagram, risk_coverage_diagram
from reid_edge_calibration.report.chart import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH


def shares(x: float, y: float) -> tuple[float, float]:
    """A place of the drawing as shares of the axes."""
    return (x - LEFT) / (WIDTH - LEFT - RIGHT), (HEIGHT - BOTTOM - y) / (HEIGHT - TOP - BOTTOM)


def test_each_bin_is_a_dot_at_its_predicted_and_observed_share() -> None:
    probability, outcome = [0.05, 0.05, 0.95, 0.95, 0.95, 0.95], [False, False, True, True, True, False]
    drawing = ElementTree.fromstring(reliability_diagram("one & only", probability, outcome))
    dots = [shares(float(dot.get("cx", "")), float(dot.get("cy", ""))) for dot in drawing.iter("circle")]
    assert dots == [pytest.approx((0.05, 0.0), abs=1e-3), pytest.approx((0.95, 0.75), abs=1e-3)]
    assert drawing.findtext("title") == "Reliability of one & only"
    assert "95% predicted and 75% right of 4" in (drawing.findtext("desc") or "")


def test_the_risk_curve_ends_at_all_queries_and_their_share_of_errors() -> None:
    drawing = ElementTree.fromstring(risk_coverage_diagram(np.linspace(1, 0, 10), [True] * 8 + [False] * 2, (0.01, 0.05)))
    (curve,) = drawing.findall("path[@class='curve']")
    end = shares(*map(float, curve.get("d", "").rpartition("L")[2].split()))
    assert end == pytest.approx((1, 1), abs=1e-3)  # the axis ends at the largest risk, 20 %
    assert len(drawing.findall("path[@class='ideal']")) == 2
    assert drawing.findtext("desc") == "20.0% of all answers are wrong."


def test_diagrams_of_answers_that_are_all_right_or_of_none_are_drawn_too() -> None:
    for values in ([1.0, 0.5], []):
        right = [True] * len(values)
        for svg in (risk_coverage_diagram(values, right, (0.01,)), reliability_diagram("a", values, right)):
            assert ElementTree.fromstring(svg).tag == "svg"
