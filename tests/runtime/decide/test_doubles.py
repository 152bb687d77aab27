"""Two names that carry the same absolute evidence are judged as one animal, and a person is told."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from reid_edge.compare.comparison import Comparison
from reid_edge.compare.matching import Matches
from reid_edge.decide.calibration import Entry, Evidence, Pooling, WeightedMean
from reid_edge.decide.calibration.calibrator import Calibrator
from reid_edge.decide.doubles import as_one, find_doubles, judge_doubles
from reid_edge.decide.ranking import Ranker, Ranking
from reid_edge.decide.verdict import Judgement, judge
from reid_edge.recipe import Recipe
from reid_edge.recipe.stages import Match, Retrieve

LINE = Calibrator("linear", (0.0, 1.0), (0.0, 1.0))
COUNTS = Calibrator("linear", (0.0, 100.0), (0.0, 1.0))
NAMES = ("distinctive", "verified")
RECIPE = Recipe(
    None,
    (),
    Retrieve("e", 10, "individuals"),
    (),
    (
        Match("distinctive", "k", "mutual-nearest", 0.5, count="distinctive"),
        Match("verified", "k", "mutual-nearest", 0.5, count="inliers", geometry="similarity", inlier_pixels=25.0),
    ),
)
# What makes an animal known is how distinctive its matches are: relative evidence alone.
RELATIVE = Evidence(-1.0, 0.0, {"distinctive": 3.0, "verified": 0.0}, 0.0, {}, {"distinctive": 1.7, "verified": 2.0})
ENTRY = Entry(
    {"distinctive": COUNTS, "verified": COUNTS}, WeightedMean({"distinctive": 1.0, "verified": 1.0}), Pooling(), RELATIVE, LINE, LINE,
    0.5, 0.4, 0.6,
)  # fmt: skip


class Photos:
    """Sighting n is the photo n.jpg."""

    def photo_of(self, sighting_id: int) -> str:
        return f"{sighting_id}.jpg"

    def identity_of(self, sighting_id: int) -> str:
        raise AssertionError("the comparison says who its candidates are")


def matches(cosines: list[float]) -> Matches:
    rows = np.arange(len(cosines), dtype=np.int64)
    return Matches(rows, rows, np.array(cosines, np.float32))


def compared(owners: tuple[str, ...], cosines: list[float], verified: list[float]) -> Comparison:
    """Each candidate has 40 matches of one cosine."""
    found = dict(enumerate(matches([each] * 40) for each in cosines))
    apart = Comparison(
        np.arange(len(owners)), NAMES, np.column_stack([np.zeros(len(owners)), verified]), {"distinctive": found}, owners
    )
    return as_one(apart, ("nobody",), RECIPE)


def ranked(comparison: Comparison) -> Ranking:
    return Ranker(Photos(), ENTRY).rank(comparison)


TWICE = compared(("Asha", "Asha 2", "Beads"), [0.95, 0.94, 0.5], [95.0, 94.0, 3.0])


def test_apart_each_name_is_the_others_rival_and_a_known_animal_becomes_new():
    assert judge(ranked(TWICE), ENTRY).verdict == "new"


def test_two_names_with_the_same_absolute_evidence_are_found():
    assert find_doubles(ranked(TWICE), RECIPE) == ("Asha", "Asha 2")


def test_judged_as_one_they_leave_the_others_behind_and_a_person_is_asked():
    doubles = ("Asha", "Asha 2")
    together = ranked(as_one(TWICE, doubles, RECIPE))
    answer = judge_doubles(judge(ranked(TWICE), ENTRY), together, doubles)
    assert together.scores.evidence[0] > 0.8
    assert (answer.verdict, answer.identity) == ("ask", "Asha")
    assert "may hold this animal twice, as Asha and Asha 2" in answer.reason


def test_a_name_that_is_known_all_the_same_stays_known_and_the_other_one_is_named():
    known = Judgement("known", "Asha", 0.8, "It matches Asha.")
    answer = judge_doubles(known, ranked(as_one(TWICE, ("Asha", "Asha 2"), RECIPE)), ("Asha", "Asha 2"))
    assert (answer.verdict, answer.identity) == ("known", "Asha")
    assert answer.reason.startswith("It matches Asha. Your catalogue may hold")


@pytest.mark.parametrize("verified", [[95.0, 10.0, 3.0], [50.0, 49.0, 48.0]])
def test_one_sure_name_or_several_unsure_ones_are_no_doubles(verified):
    comparison = compared(("Asha", "Beads", "Chipo"), [0.95, 0.5, 0.5], verified)
    assert find_doubles(ranked(comparison), RECIPE) == ()


def test_a_recipe_without_an_absolute_score_finds_none():
    assert find_doubles(ranked(TWICE), replace(RECIPE, match=RECIPE.match[:1])) == ()
