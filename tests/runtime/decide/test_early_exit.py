"""An early exit never changes the answer: whatever the candidates score that were not matched, it is the same.

It holds for each thing that a score may count as in the fused score that was not computed: the lowest of the query, which is what it does
count as; the lowest of any query; or it is left out.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from reid_edge.compare.comparison import Comparison
from reid_edge.decide.calibration import Entry, Evidence, Pooling, WeightedMean
from reid_edge.decide.calibration.calibrator import Calibrator
from reid_edge.decide.calibration.fusion import Stacking
from reid_edge.decide.doubles import as_one, find_doubles, judge_doubles
from reid_edge.decide.early_exit import EarlyExitCheck
from reid_edge.decide.ranking import Ranker
from reid_edge.decide.verdict import judge
from reid_edge.recipe import Match, Recipe
from reid_edge.recipe.stages import Retrieve

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


def recipe_of(last_is_absolute: bool) -> Recipe:
    """Two matchers; absolute evidence is what the last one counts, or what the first one does."""
    nearest = Match("nearest", "points", "mutual-nearest", 0.5)
    if not last_is_absolute:
        nearest = replace(nearest, count="inliers", inlier_pixels=25.0)
    glue = Match("glue", "points", "lightglue", 0.5, network="glue", best=5, order="nearest")
    return Recipe(None, (), Retrieve("cosine", 100), (), (nearest, glue))


def comparison_of(raw: np.ndarray) -> Comparison:
    return Comparison(np.arange(len(raw)), NAMES, raw)


shares = st.floats(0, 1, allow_subnormal=False)


@st.composite
def calibrators(draw, most: float = MOST) -> Calibrator:
    knots = draw(st.integers(2, 5))
    values = sorted(draw(st.lists(shares, min_size=knots, max_size=knots)))
    return Calibrator(draw(st.sampled_from(["linear", "pchip"])), tuple(np.linspace(0, most, knots).tolist()), tuple(values))


class LeftOut(Entry):
    """The fused score of a photo is the mean of the scores that it has."""

    def fuse(self, raw):
        calibrated = np.stack([curve(column) for curve, column in zip(self.calibrators.values(), raw.T, strict=True)], axis=1)
        weights = np.where(np.isnan(raw), 0, list(self.fusion.weights.values()))
        return calibrated, (np.nan_to_num(calibrated) * weights).sum(axis=1) / weights.sum(axis=1)


class LowestOfAnyQuery(Entry):
    """The lowest value that the calibrator can give stands in for a score that was not computed."""

    def fuse(self, raw):
        calibrated, _ = super().fuse(raw)
        lowest = [curve(-np.inf) for curve in self.calibrators.values()]
        return calibrated, self.fusion(np.where(np.isnan(calibrated), lowest, calibrated), ~np.isnan(raw).all(axis=0))


MEANINGS = {"lowest of the query": Entry, "lowest of any query": LowestOfAnyQuery, "left out": LeftOut}


@st.composite
def entries(draw, meaning: str) -> Entry:
    weights = dict(zip(NAMES, draw(st.tuples(*[st.floats(0.1, 3)] * 3)), strict=True))
    fusions = [WeightedMean(weights), Stacking(0.0, weights, dict.fromkeys(NAMES, 0.0))]
    low, threshold, high = sorted(draw(st.tuples(shares, shares, shares)))
    per_score = st.tuples(*[st.floats(0, 3)] * 3).map(lambda each: dict(zip(NAMES, each, strict=True)))
    evidence = Evidence(
        draw(st.floats(-3, 3)),
        draw(st.floats(0, 3)),
        draw(per_score),
        draw(st.floats(-1, 0)),
        {},
        dict.fromkeys(NAMES, 2.0),
        draw(per_score),
        draw(st.floats(-1, 1)),
        draw(st.just({}) | per_score),
    )
    return MEANINGS[meaning](
        {"cosine": draw(calibrators(1.0)), "nearest": draw(calibrators()), "glue": draw(calibrators())},
        draw(st.sampled_from(fusions)),
        Pooling(draw(st.sampled_from([0.0, 1.0, 10.0]))),
        evidence,
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


class Answer(NamedTuple):
    """What an early exit must not change."""

    verdict: str
    identity: str
    same_as: frozenset[str]
    probabilities: tuple[float, float]


def answer(ranker: Ranker, comparison: Comparison) -> Answer:
    """As `reid_edge.identify.identifier.Identifier` gives it."""
    ranking = ranker.rank(comparison)
    judgement = judge(ranking, ranker.entry)
    doubles = find_doubles(ranking, ranker.recipe)
    if doubles:
        together = ranker.rank(as_one(comparison, doubles, ranker.recipe))
        if together.scores.identities[0] == doubles[0]:
            ranking, judgement = together, judge_doubles(judgement, together, doubles)
        else:
            doubles = ()
    identity = ranking.scores.identities[0]
    return Answer(judgement.verdict, identity, frozenset(doubles), (ranking.probabilities[0], ranking.unknown))


@pytest.mark.parametrize("meaning", MEANINGS)
@settings(max_examples=50, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
@given(data=st.data(), tolerance=st.sampled_from([0.01, 0.3, 1.0]), absolute=st.booleans(), seed=st.integers(0, 10**6))
def test_an_early_exit_never_changes_the_answer_nor_a_probability_beyond_the_tolerance(meaning, data, tolerance, absolute, seed):
    comparison, owners, ceilings = data.draw(unfinished())
    ranker = Ranker(owners, data.draw(entries(meaning)), recipe=recipe_of(last_is_absolute=absolute))
    comparison = replace(comparison, owners=tuple(map(owners.identity_of, range(len(comparison.sighting_ids)))))
    assume(EarlyExitCheck(ranker, tolerance)(comparison, 2, ceilings))
    now = answer(ranker, comparison)
    random = np.random.default_rng(seed)
    for completion in range(8):
        raw = comparison.raw.copy()
        for row, ceiling in ceilings.items():  # none, all, or anything between
            raw[row, 2] = (0.0, ceiling, ceiling * random.random(), random.choice([0.0, ceiling]))[
                min(completion, 2 + completion % 2)
            ]
        then = answer(ranker, replace(comparison, raw=raw))
        assert then[:3] == now[:3]
        assert np.abs(np.subtract(then.probabilities, now.probabilities)).max() <= tolerance + 1e-9


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
    0.86,
)
RAW = np.array([[0.5, 50, 50], [0.5, 45, 5], [0.5, 40, np.nan], [0.5, 30, np.nan]])


@pytest.mark.parametrize(
    ("ceilings", "owners", "is_settled"),
    [
        ({2: 5.0, 3: 5.0}, "ABCD", True),  # far behind, whatever they score
        ({2: 60.0, 3: 5.0}, "ABCD", False),  # the third may overtake the first
        ({2: 48.0, 3: 5.0}, "ABCD", False),  # it may not, but it may take the first one's lead
        ({2: 60.0, 3: 5.0}, "ABAD", True),  # it is the first one's own: known is what it stays
    ],
)
def test_it_stops_where_the_answer_is_certain_and_only_there(ceilings, owners, is_settled):
    settled = EarlyExitCheck(Ranker(Owners(list(owners)), ENTRY), 0.2)
    assert settled(comparison_of(RAW), 2, ceilings) is is_settled


def test_a_probability_that_may_still_move_is_not_settled():
    ceilings = {2: 20.0, 3: 5.0}
    for tolerance, is_settled in ((0.2, True), (0.001, False)):
        assert EarlyExitCheck(Ranker(Owners(list("ABCD")), ENTRY), tolerance)(comparison_of(RAW), 2, ceilings) is is_settled
