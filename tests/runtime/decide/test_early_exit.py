"""An early exit never changes the answer: whatever the candidates score that were not matched, it is the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from reid_edge.compare.comparison import Comparison
from reid_edge.decide.calibration import Entry, Evidence, Pooling, WeightedMean
from reid_edge.decide.calibration.calibrator import Calibrator
from reid_edge.decide.calibration.fusion import Stacking
from reid_edge.decide.early_exit import EarlyExitCheck
from reid_edge.decide.ranking import Ranker
from reid_edge.decide.verdict import verdict_of

NAMES = ("cosine", "nearest", "glue")
MOST = 60  # matches of one pair


class Owners:
    """Each row of a shortlist is the sighting of its own number."""

    def __init__(self, owners: list[str]) -> None:
        self._owners = owners

    def identity_of(self, sighting_id: int) -> str:
        return self._owners[sighting_id]

    def photo_of(self, sighting_id: int) -> str:
        return f"{sighting_id}.jpg"


def comparison_of(raw: np.ndarray) -> Comparison:
    return Comparison(np.arange(len(raw)), NAMES, raw)


shares = st.floats(0, 1, allow_subnormal=False)


@st.composite
def calibrators(draw, most: float = MOST) -> Calibrator:
    knots = draw(st.integers(2, 5))
    values = sorted(draw(st.lists(shares, min_size=knots, max_size=knots)))
    return Calibrator(draw(st.sampled_from(["linear", "pchip"])), tuple(np.linspace(0, most, knots).tolist()), tuple(values))


@st.composite
def entries(draw) -> Entry:
    weights = dict(zip(NAMES, draw(st.tuples(*[st.floats(0.1, 3)] * 3)), strict=True))
    fusion = draw(st.sampled_from([WeightedMean(weights), Stacking(0.0, weights, dict.fromkeys(NAMES, 0.0))]))
    leads = dict(zip(NAMES, draw(st.tuples(*[st.floats(0, 3)] * 3)), strict=True))
    low, threshold, high = sorted(draw(st.tuples(shares, shares, shares)))
    return Entry(
        {"cosine": draw(calibrators(1.0)), "nearest": draw(calibrators()), "glue": draw(calibrators())},
        fusion,
        Pooling(draw(st.sampled_from([0.0, 1.0, 10.0]))),
        Evidence(draw(st.floats(-3, 3)), draw(st.floats(0, 3)), leads, draw(st.floats(-1, 1)), {}, dict.fromkeys(leads, 2.0)),
        draw(calibrators(1.0)),
        draw(calibrators(1.0)),
        threshold,
        low,
        high,
    )


@st.composite
def unfinished(draw) -> tuple[Comparison, Owners, dict[int, float]]:
    """A comparison whose last score is there for the first rows, and the most that the next rows may reach; the last ones get none."""
    rows = draw(st.integers(2, 7))
    random = np.random.default_rng(draw(st.integers(0, 10**6)))
    raw = np.stack([random.random(rows), random.integers(0, MOST, rows), random.integers(0, MOST, rows)], axis=1).astype(float)
    matched = draw(st.integers(1, rows - 1))
    to_match = draw(st.integers(matched + 1, rows))
    raw[matched:, 2] = np.nan
    spread = draw(st.sampled_from([2, 10, MOST]))  # of the ceilings: narrow ones settle the answer more often
    ceilings = {row: float(random.integers(0, spread + 1)) for row in range(matched, to_match)}
    return comparison_of(raw), Owners([str(owner) for owner in random.choice(list("ABCD"), rows)]), ceilings


@settings(max_examples=150)
@given(case=unfinished(), entry=entries(), tolerance=st.sampled_from([0.01, 0.3, 1.0]), seed=st.integers(0, 10**6))
def test_an_early_exit_never_changes_verdict_or_individual_nor_a_probability_beyond_the_tolerance(case, entry, tolerance, seed):
    comparison, owners, ceilings = case
    assume(EarlyExitCheck(Ranker(owners, entry), tolerance)(comparison, 2, ceilings))
    now = Ranker(owners, entry).rank(comparison)
    random = np.random.default_rng(seed)
    for completion in range(12):
        raw = comparison.raw.copy()
        for row, ceiling in ceilings.items():  # none, all, or anything between
            raw[row, 2] = (0.0, ceiling, ceiling * random.random(), random.choice([0.0, ceiling]))[min(completion, 3)]
        then = Ranker(owners, entry).rank(replace(comparison, raw=raw))
        assert then.scores.identities[0] == now.scores.identities[0]
        assert verdict_of(then, entry) == verdict_of(now, entry)
        assert abs(then.probabilities[0] - now.probabilities[0]) <= tolerance + 1e-9
        assert abs(then.unknown - now.unknown) <= tolerance + 1e-9


LINE = Calibrator("linear", (0.0, 1.0), (0.0, 1.0))
COUNTS = Calibrator("linear", (0.0, 60.0), (0.0, 1.0))
ENTRY = Entry(
    {"cosine": LINE, "nearest": COUNTS, "glue": COUNTS},
    WeightedMean({"cosine": 0.0, "nearest": 0.0, "glue": 1.0}),
    Pooling(),
    Evidence(0.0, 1.0, {"cosine": 0.0, "nearest": 0.0, "glue": 1.0}, 0.0, {}, {"cosine": 1.7, "nearest": 2.0, "glue": 2.0}),
    LINE,
    LINE,
    0.7,
    0.6,
    0.8,
)


@pytest.mark.parametrize(
    ("ceilings", "owners", "is_settled"),
    [
        ({1: 5.0, 2: 5.0}, "ABC", True),  # far behind, whatever they score
        ({1: 60.0, 2: 5.0}, "ABC", False),  # the second may overtake the first
        ({1: 48.0, 2: 5.0}, "ABC", False),  # it may not, but it may take the first one's lead
        ({1: 60.0, 2: 5.0}, "AAC", True),  # it is the first one's own: known is what it stays
    ],
)
def test_it_stops_where_the_answer_is_certain_and_only_there(ceilings, owners, is_settled):
    raw = np.array([[0.5, 50, 50], [0.5, 40, np.nan], [0.5, 30, np.nan]])
    settled = EarlyExitCheck(Ranker(Owners(list(owners)), ENTRY), 0.2)
    assert settled(comparison_of(raw), 2, ceilings) is is_settled


def test_a_probability_that_may_still_move_is_not_settled():
    raw = np.array([[0.5, 50, 50], [0.5, 40, np.nan], [0.5, 30, np.nan]])
    ceilings = {1: 5.0, 2: 5.0}
    for tolerance, is_settled in ((0.2, True), (0.001, False)):
        assert EarlyExitCheck(Ranker(Owners(list("ABC")), ENTRY), tolerance)(comparison_of(raw), 2, ceilings) is is_settled
