"""The reliability diagram compares what is said with what happens, and says how sure it is of that."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest
from scipy.stats import binomtest

from reid_edge_calibration.report.reliability import reliability_figure, wilson_interval


@pytest.mark.parametrize(("right", "count"), [(0, 1), (1, 1), (0, 20), (7, 20), (998, 1000)])
def test_the_interval_is_wilsons(right, count):
    expected = binomtest(right, count).proportion_ci(method="wilson")
    (low,), (high,) = wilson_interval([right / count], [count])
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-6)


def figure(probability, outcome, weight=None):
    return reliability_figure(
        "xfeat", ("pairs", "the same individual"), np.array(probability), np.array(outcome), "judged so.", weight
    )


def test_a_bin_is_a_dot_in_the_diagram_and_a_row_of_the_table():
    page = figure([0.15] * 10 + [0.85] * 4 + [np.nan], [True] + [False] * 9 + [True] * 3 + [False, True])
    svg = ElementTree.fromstring(re.search("<svg.*</svg>", page)[0])
    assert len(list(svg.iter("circle"))) == 2
    rows = re.findall(r"<tr>(<th scope=\"row\">.*?)</tr>", page)
    assert [re.split(r"(?:<[^>]*>)+", row.replace("\u00a0", " "))[1:-1] for row in rows] == [
        ["15.0 %", "10.0 %", "1.8 % to 40.4 %", "10"],
        ["85.0 %", "75.0 %", "30.1 % to 95.4 %", "4"],
    ]
    # ECE: (10 x 0.05 + 4 x 0.10) / 14; Brier: (9 x 0.15^2 + 0.85^2 + 3 x 0.15^2 + 0.85^2) / 14.
    assert "ECE 0.064, Brier score 0.1225; 14 pairs" in page


def test_what_comes_seldom_counts_little():
    """Strangers that were made of known animals are half of the trials, and here one photo in ten."""
    probability, outcome = [0.85] * 20, [True] * 10 + [False] * 10
    assert "ECE 0.350" in figure(probability, outcome)
    assert "ECE 0.050" in figure(probability, outcome, np.repeat([0.9, 0.1], 10))


def test_a_probability_without_pairs_is_reported_as_such():
    assert "There are no pairs" in figure([np.nan], [True])
    assert "<svg" not in figure([], [])
