"""A costly matcher is left out where the answer by the other scores is given without asking, and only there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from reid_edge.compare.comparison import Comparison
from reid_edge.decide.calibration import Calibrator, Entry, Evidence, Pooling, WeightedMean
from reid_edge.decide.doubles import find_doubles
from reid_edge.decide.doubt import DoubtCheck, is_left_out, without_score
from reid_edge.decide.ranking import Ranker
from reid_edge.recipe import Match, Recipe
from reid_edge.recipe.stages import Retrieve

NAMES = ("cosine", "inliers", "costly")
CHEAP = Match("inliers", "points", "mutual-nearest", 0.5, count="inliers", inlier_pixels=25.0)
COSTLY = Match("costly", "points", "lightglue", 0.5, network="glue", best=2, order="inliers", in_doubt=True)
RECIPE = Recipe(None, (), Retrieve("cosine", 100), (), (CHEAP, COSTLY))
LINE = Calibrator("linear", (0.0, 1.0), (0.0, 1.0))
COUNTS = Calibrator("linear", (0.0, 100.0), (0.0, 1.0))
BEFORE = Entry(
    {"cosine": LINE, "inliers": COUNTS},
    WeightedMean({"cosine": 0.0, "inliers": 1.0}),
    Pooling(),
    Evidence(0.0, 1.0, {"cosine": 0.0, "inliers": 0.0}, 0.0, {}, {"cosine": 1.7, "inliers": 2.0}),
    LINE,
    LINE,
    0.5,
    0.3,
    0.7,
)


class Names:
    """Each row of a shortlist is the sighting of its own number."""

    def identity_of(self, sighting_id: int) -> str:
        return "ABC"[sighting_id]

    def photo_of(self, sighting_id: int) -> str:
        return f"{sighting_id}.jpg"


def comparison(*inliers: float) -> Comparison:
    raw = np.column_stack((np.full(len(inliers), 0.5), inliers, np.full(len(inliers), np.nan)))
    return Comparison(np.arange(len(inliers)), NAMES, raw, owners=tuple("ABC"[: len(inliers)]))


@pytest.mark.parametrize(
    ("inliers", "is_clear"),
    [
        ((90, 5, 3), True),  # known
        ((4, 5, 3), True),  # new
        ((60, 5, 3), False),  # known, but not for sure
        ((40, 5, 3), False),  # new, but not for sure
    ],
)
def test_an_answer_is_clear_where_nobody_would_be_asked(inliers, is_clear):
    clear = DoubtCheck(Ranker(Names(), BEFORE, recipe=RECIPE))
    assert clear(comparison(*inliers), 2, {}) is is_clear


def test_two_names_that_may_be_one_animal_leave_a_doubt():
    twice = comparison(95, 94, 3)
    ranker = Ranker(Names(), BEFORE, recipe=RECIPE)
    assert find_doubles(ranker.rank(without_score(twice, "costly")), RECIPE)
    assert not DoubtCheck(ranker)(twice, 2, {})


def test_a_score_is_left_out_with_its_name_and_its_column_and_only_where_it_was_computed_for_nobody():
    whole = comparison(90, 5)
    assert is_left_out(whole, "costly")
    assert not is_left_out(replace(whole, raw=np.where(np.arange(2)[:, None] == 0, 7.0, whole.raw)), "costly")
    less = without_score(whole, "costly")
    assert less.score_names == ("cosine", "inliers")
    np.testing.assert_array_equal(less.raw, whole.raw[:, :2])
    assert without_score(whole, "cosine").score_names == ("inliers", "costly")
