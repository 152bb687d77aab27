"""Observations become rows: counts, intervals, what is allowed, and whether a law is kept."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reid_edge_benchmarks.trust.counting import Measure, Observation, Tally, kept, rows, wilson_interval


def tally(*hits: bool, expected: float | None = None) -> Tally:
    made = Tally()
    for number, hit in enumerate(hits):
        made.add(Observation("m", hit, expected), number, f"animal {number % 2}")
    return made


def test_the_interval_is_the_published_one_and_has_a_width_where_nothing_was_hit() -> None:
    # Wilson's interval of 10 of 22 and of 0 of 22, worked by hand.
    assert wilson_interval(10 / 22, 22) == pytest.approx((0.2692, 0.6534), abs=1e-4)
    assert wilson_interval(0.0, 22) == pytest.approx((0.0, 0.1487), abs=1e-4)
    assert wilson_interval(1.0, 22)[1] == 1.0


@given(st.integers(1, 500), st.floats(0, 1))
def test_the_interval_holds_the_share(trials: int, share: float) -> None:
    low, high = wilson_interval(share, trials)
    assert 0 <= low <= share + 1e-12
    assert share - 1e-12 <= high <= 1 + 1e-12


def test_a_law_is_kept_broken_or_unclear() -> None:
    assert kept(0.0, 0.0, 0.0) == "yes"
    assert kept(0.05, 0.01, 0.05) == "yes"
    assert kept(0.09, 0.04, 0.05) == "unclear"
    assert kept(0.30, 0.20, 0.05) == "no"
    share = 1 / 60
    assert kept(share, wilson_interval(share, 60)[0], 0.0) == "no"  # where nothing is allowed, one is one too many


def test_a_row_counts_trials_queries_and_individuals() -> None:
    made = Tally()
    for hit, query, individual in ((True, 0, "a"), (False, 0, "a"), (False, 1, "a"), (False, 2, "b")):
        made.add(Observation("m", hit), query, individual)
    row = rows((Measure("m", "what happened"),), {"m": made}, 0.05)["m"]
    assert (row["count"], row["trials"], row["queries"], row["individuals"]) == (1, 4, 3, 2)
    assert row["share"] == 0.25
    assert (row["low"], row["high"]) == wilson_interval(0.25, 3)  # several trials of one photo are no independent ones
    assert row["allowed"] is row["kept"] is None


def test_what_is_allowed_is_a_share_the_promised_rate_or_the_share_of_another_measure() -> None:
    measures = (
        Measure("before", "before"),
        Measure("after", "after", beside="before"),
        Measure("never", "never", allowed=0.0),
        Measure("promised", "promised", promised=True),
        Measure("not observed", "not observed", allowed=0.0),
    )
    tallies = {"before": tally(True, False, False, False), "after": tally(True, True, False, False)}
    tallies |= {"never": tally(False), "promised": tally(False)}
    made = rows(measures, tallies, 0.07)
    assert list(made) == ["before", "after", "never", "promised"]
    assert [row["allowed"] for row in made.values()] == [None, 0.25, 0.0, 0.07]
    assert [row["kept"] for row in made.values()] == [None, "unclear", "yes", "yes"]


def test_a_rise_that_the_answers_themselves_expect_is_allowed() -> None:
    measures = (Measure("few", "few"), Measure("many", "many", beside="few"))
    tallies = {"few": tally(False, False, expected=0.01), "many": tally(False, True, expected=0.06)}
    assert rows(measures, tallies, 0.05)["many"]["allowed"] == pytest.approx(0.05)
    tallies["many"] = tally(False, True, expected=0.0)
    assert rows(measures, tallies, 0.05)["many"]["allowed"] == 0.0
