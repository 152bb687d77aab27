"""Charts are well-formed SVG in which data lies where its axes say."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest

from reid_edge_calibration.report.chart import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Chart, axis


def drawn(chart, title="a title", what="a description"):
    return ElementTree.fromstring(chart.svg(title, what))


def chart(high=1.0):
    return Chart(axis(0, high, "across"), axis(0, 1, "up"))


def test_the_corners_of_the_axes_are_the_corners_of_the_frame():
    picture = chart(200)
    picture.points([0, 200, 100], [0, 1, 0.5])
    places = [(float(dot.get("cx")), float(dot.get("cy"))) for dot in drawn(picture).iter("circle")]
    middle = ((LEFT + WIDTH - RIGHT) / 2, (TOP + HEIGHT - BOTTOM) / 2)
    assert places == [(LEFT, HEIGHT - BOTTOM), (WIDTH - RIGHT, TOP), pytest.approx(middle)]


@pytest.mark.parametrize("low", [-3e-4, 0, 17, 1e7])
@pytest.mark.parametrize("extent", [1e-3, 0.7, 9, 312])
def test_ticks_are_three_to_nine_and_within_the_axis(low, extent):
    ticks = np.array(axis(low, low + extent, "").ticks)
    assert 3 <= len(ticks) <= 9
    assert ticks[0] >= low - 1e-9 * abs(low)
    assert ticks[-1] <= low + extent + 1e-9 * abs(low + extent)


def test_an_axis_without_extent_is_widened():
    flat = axis(3, 3, "one score only")
    assert (flat.low, flat.high) == (2.5, 3.5)


def test_a_step_function_is_drawn_without_the_points_that_change_nothing():
    picture = chart()
    picture.steps(np.linspace(0, 1, 100_001), np.full(100_000, 0.5), "curve")
    picture.steps([0, 0.5, 1], [0.2, 0.8], "stairs")
    svg = picture.svg("", "")
    (stairs,) = [path for path in ElementTree.fromstring(svg).iter("path") if path.get("class") == "stairs"]
    assert len(svg) < 60_000
    assert stairs.get("d").count("L") == 3


def test_bars_have_the_height_of_their_value_and_empty_ones_are_left_out():
    picture = chart()
    picture.bars([0, 0.5, 0.75, 1], [1, 0, 0.25], "known")
    full, quarter = drawn(picture).iter("rect")
    assert float(full.get("height")) == HEIGHT - TOP - BOTTOM
    assert float(quarter.get("height")) == pytest.approx((HEIGHT - TOP - BOTTOM) / 4, abs=0.06)


def test_what_lies_outside_the_axes_is_held_at_their_edge():
    picture = chart()
    picture.points([-5], [7])
    (dot,) = drawn(picture).iter("circle")
    assert (float(dot.get("cx")), float(dot.get("cy"))) == (LEFT, TOP)


def test_titles_are_told_to_those_who_do_not_see_and_cannot_break_out():
    svg = drawn(Chart(axis(0, 1, '<b>&"'), axis(0, 1, "\x00\ud800")), '<b>&"', "</desc><script>")
    assert svg.get("role") == "img"
    assert svg.find("title").text == '<b>&"'
    assert svg.find("desc").text == "</desc><script>"
    assert {element.tag for element in svg.iter()} <= {"svg", "title", "desc", "path", "text"}
