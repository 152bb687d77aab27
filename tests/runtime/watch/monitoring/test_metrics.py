from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from reid_edge.watch.monitoring.metrics import Exposition, Histogram


def test_a_page_reads_as_prometheus_wants_it() -> None:
    page = Exposition()
    page.gauge("lag_seconds", "How long.", ({}, 2.5))
    page.counter("answers_total", "Answers.", ({"verdict": "known"}, 3), ({"verdict": "ask"}, 0))
    page.gauge("folder_present", "There.", ({"folder": 'a"b\\c\nd'}, True))
    page.gauge("nothing", "No sample, no metric.")
    assert page.text() == (
        "# HELP reid_edge_watch_lag_seconds How long.\n"
        "# TYPE reid_edge_watch_lag_seconds gauge\n"
        "reid_edge_watch_lag_seconds 2.5\n"
        "# HELP reid_edge_watch_answers_total Answers.\n"
        "# TYPE reid_edge_watch_answers_total counter\n"
        'reid_edge_watch_answers_total{verdict="known"} 3\n'
        'reid_edge_watch_answers_total{verdict="ask"} 0\n'
        "# HELP reid_edge_watch_folder_present There.\n"
        "# TYPE reid_edge_watch_folder_present gauge\n"
        'reid_edge_watch_folder_present{folder="a\\"b\\\\c\\nd"} 1\n'
    )


@given(st.lists(st.floats(0, 100, allow_nan=False)))
def test_a_histogram_counts_each_duration_below_its_bounds(durations: list[float]) -> None:
    histogram = Histogram((0.5, 1.0, 10.0))
    for seconds in durations:
        histogram.observe(seconds)
    below, total, count = histogram.read()
    expected = [sum(seconds <= bound for seconds in durations) for bound in (0.5, 1.0, 10.0, math.inf)]
    assert below == list(zip(["0.5", "1", "10", "+Inf"], expected, strict=True))
    assert count == len(durations)
    assert math.isclose(total, math.fsum(durations), abs_tol=1e-9)
