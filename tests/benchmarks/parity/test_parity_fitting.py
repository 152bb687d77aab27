"""Both sides fit the same scores: the same weights, thresholds and answers come of it; and the verdict on both sides' answers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from reid_edge.decide.consensus import score_by_recipe
from reid_edge.describe.quality import QUALITY
from reid_edge.recipe import Recipe
from reid_edge.recipe.stages import Decide, Embed, Extract, Fuse, Group, Match, Rerank, Retrieve
from reid_edge_calibration.fit import fit_with_facts
from reid_edge_calibration.metrics import NEW
from reid_edge_calibration.reranking import reranked
from reid_edge_calibration.score_table import ScoreTable

pytest.importorskip("kornia")

from reid_edge_benchmarks.parity.fitting import fit_reference
from reid_edge_benchmarks.parity.fused_reranking import FusedReranking
from reid_edge_benchmarks.parity.sides import Sides

SYSTEM = Recipe(
    segment=None,
    embed=(Embed("near", "network"),),
    retrieve=Retrieve("near", 100),
    extract=(Extract("points", False, 0.0, "network"),),
    match=(
        Match("good", "points", "mutual-nearest", 0.5),
        Match("best", "points", "mutual-nearest", 0.5, best=6, order="good"),
    ),
    fuse=(Fuse("mean", (Group(("near", "good", "best"), 1.0),)),),
    decide=Decide(None),
)


def score_table(species: str, people: int, seed: int) -> ScoreTable:
    """Three gallery photos and two queries of each individual, one in four of them a stranger; each score tells a little more."""
    rng = np.random.default_rng(seed)
    there = [f"{species} {each}" for each in range(people) for _ in range(3) if each % 4]
    asked = [f"{species} {each}" for each in range(people) for _ in range(2)]
    query, candidate = (grid.ravel() for grid in np.mgrid[: len(asked), : len(there)])
    same = np.array(asked)[query] == np.array(there)[candidate]
    raw = rng.normal(size=(len(query), 3)) + same[:, None] * np.array([0.7, 1.5, 2.5])
    raw = np.column_stack((0.5 + 0.1 * raw[:, :1], np.maximum(0, np.round(20 + 8 * raw[:, 1:]))))
    for each in range(len(asked)):
        mine = np.flatnonzero(query == each)
        raw[mine[np.argsort(-raw[mine, 1], kind="stable")[6:]], 2] = np.nan
    without = np.where((same | ~np.isin(np.array(asked), there)[query])[:, None], np.nan, raw)
    quality = np.zeros((len(asked), len(QUALITY)))
    return ScoreTable(tuple(SYSTEM.score_names), species, tuple(asked), tuple(there), query, candidate, raw, without, quality)


@pytest.mark.parametrize("fit", ["none", "powell", "network", "geomean"])
def test_from_the_same_scores_come_the_same_weights_thresholds_and_answers(fit: str) -> None:
    groups = tuple(Group((name,), 1.0) for name in SYSTEM.score_names)
    # The fusion looks at the nearest ten, which are not the first ten of a table.
    fuse = Fuse("mean", groups, candidates=10)
    if fit in ("powell", "network"):
        fuse = Fuse("mean", groups, fit=fit, candidates=10 if fit == "powell" else 0)  # type: ignore[arg-type]
    if fit == "geomean":
        fuse = Fuse("mean", (Group(("near",), 0.5), Group(("good", "best"), 0.5)), "geomean", 10, (0.2, 0.5, 0.8))
    recipe = replace(SYSTEM, fuse=(fuse,))
    tables = [score_table("zebra", 12, 1), score_table("tiger", 8, 2)]
    model = fit_with_facts(tables, 0, None, recipe).model
    reference = fit_reference(tables, recipe, 0)
    for table in tables:
        entry, mine = model.species[table.species], reference[table.species]
        if fit == "powell":
            assert mine.weights == pytest.approx(dict(entry.fusion.weights), abs=5e-3)  # measured 6e-4: thinned curves
        assert mine.fitted == dict(entry.fitted)
        assert mine.threshold == pytest.approx(entry.threshold, abs=0.02 if fit == "network" else 2e-3)  # its curves are thinned
        same = []
        for query in range(len(table.query_identity)):
            rows = np.flatnonzero(table.query == query)
            owners, raw = [table.candidate_identity[each] for each in table.candidate[rows]], table.raw[rows].astype(np.float64)
            answer = mine.answer(raw, owners, recipe, table.species)
            its = score_by_recipe(raw, owners, recipe, entry, table.species)
            # The network is trained on each side's own curves: measured 0.007.
            assert answer.confidence == pytest.approx(its.evidence[0], abs=0.02 if fit == "network" else 2e-3)
            same.append(answer.identity == its.identities[0])
        assert np.mean(same) == 1.0


RERANKED = replace(
    SYSTEM,
    rerank=(Rerank("shared", 4, 2, fusion="mean"), Rerank("never", 4, 2, fusion="mean", species=("lynx",))),
    fuse=(
        Fuse("all", (Group(("near", "good", "best"), 0.7), Group(("shared",), 0.3, calibrated=False))),
        Fuse("mean", (Group(("near", "good", "best"), 1.0),), candidates=12),
    ),
)


def with_gallery_pairs(table: ScoreTable, seed: int) -> ScoreTable:
    """Two more scores, which nothing has computed yet, and the gallery's photos compared with each other."""
    rng, photos = np.random.default_rng(seed), np.arange(len(table.candidate_identity))
    one, other = (grid.ravel() for grid in np.meshgrid(photos, photos, indexing="ij"))
    kept = (one != other) & (rng.random(len(one)) < 0.7)  # not everybody is on everybody's shortlist
    one, other = one[kept], other[kept]
    owners = np.array(table.candidate_identity)
    same = owners[one] == owners[other]
    raw = rng.normal(size=(len(one), 3)) + same[:, None] * np.array([0.7, 1.5, 2.5])
    raw = np.column_stack((0.5 + 0.1 * raw[:, :1], np.maximum(0, np.round(20 + 8 * raw[:, 1:]))))
    nothing = np.full((len(table.query), 2), np.nan)
    return replace(
        table,
        score_names=tuple(RERANKED.score_names),
        raw=np.column_stack((table.raw, nothing)),
        raw_without=np.column_stack((table.raw_without, nothing)),
        gallery_query=one.astype(np.int32),
        gallery_candidate=other.astype(np.int32),
        gallery_raw=raw.astype(np.float32),
    )


def test_re_ranking_by_a_fusion_is_the_runtimes() -> None:
    table = with_gallery_pairs(score_table("zebra", 12, 1), 3)
    entry = fit_with_facts([table], 0, None, RERANKED).model.species["zebra"]
    mine = FusedReranking(RERANKED, entry.calibrators, "zebra").fill_table(table)  # type: ignore[arg-type]
    its = reranked(table, RERANKED, entry)
    for view in ("raw", "raw_without"):
        np.testing.assert_allclose(getattr(mine, view), getattr(its, view), atol=1e-6)
    assert np.nanstd(mine.raw[:, 3]) > 0.1
    assert np.isnan(mine.raw[:, 3]).any()  # the fusion looks at twelve
    assert np.isnan(mine.raw[:, 4]).all()


def test_a_system_that_re_ranks_by_a_fusion_is_fitted_to_the_same_answers() -> None:
    table = with_gallery_pairs(score_table("zebra", 12, 1), 3)
    entry = fit_with_facts([table], 0, None, RERANKED).model.species["zebra"]
    mine = fit_reference([table], RERANKED, 0)["zebra"]
    assert mine.threshold == pytest.approx(entry.threshold, abs=0.02)
    its_table = reranked(table, RERANKED, entry)
    my_table = FusedReranking(RERANKED, mine.curves, "zebra").fill_table(table)
    same = []
    for query in range(len(table.query_identity)):
        rows = np.flatnonzero(table.query == query)
        owners = [table.candidate_identity[each] for each in table.candidate[rows]]
        answer = mine.answer(my_table.raw[rows].astype(np.float64), owners, RERANKED, "zebra")
        its = score_by_recipe(its_table.raw[rows].astype(np.float64), owners, RERANKED, entry, "zebra")
        same.append(answer.identity == its.identities[0])
    assert np.mean(same) == 1.0


def sides(reference: list[str], runtime: list[str], times: int = 4) -> Sides:
    """Ten queries, four times over: as many as a verdict needs."""
    truth = ("A", "A", "B", "B", "C", "C", "Z", "Z", "Y", "Y") * times
    reference, runtime = reference * times, runtime * times
    photos = tuple(f"{place}.jpg" for place in range(len(truth)))
    return Sides(photos, truth, frozenset("ABC"), tuple(reference), tuple(runtime), tuple(reference), tuple(runtime))


def test_the_same_answers_meet_both_targets() -> None:
    answers = ["A", "A", "B", "B", "C", NEW, NEW, NEW, NEW, "A"]
    same = sides(answers, answers)
    assert [met for _, _, met in same.targets()] == [True, True]
    assert same.in_common == 1
    assert same.figures()["runtime"]["GeoMean"] == pytest.approx(np.sqrt(5 / 6 * 3 / 4))
    assert same.geomean_difference() == (0, 0, 0)
    assert same.apart() == []
    assert [found for _, found, _ in same.targets()] == [
        "100.0% of 40, margin +0.5%",
        "+0.0000 (+0.000 to +0.000), margin +0.0020",
    ]
    assert same.as_json()["photos"] == list(same.photos)


def test_of_few_queries_there_is_no_verdict() -> None:
    answers = ["A", "A", "B", "B", "C", NEW, NEW, NEW, NEW, "A"]
    few = sides(answers, answers, times=1)
    assert [met for _, _, met in few.targets()] == [None, None]
    assert all("too few queries for a verdict, 40 or more are enough" in found for _, found, _ in few.targets())


def test_other_answers_miss_them_and_are_named() -> None:
    answers = ["A", "A", "B", "B", "C", NEW, NEW, NEW, NEW, "A"]
    other = sides(answers, [*answers[:9], NEW])
    assert [met for _, _, met in other.targets()] == [False, False]
    value, low, high = other.geomean_difference()
    assert value == pytest.approx(np.sqrt(5 / 6) - np.sqrt(5 / 6 * 3 / 4))
    assert low <= value <= high
    assert other.apart()[0] == {"photo": "9.jpg", "truth": NEW, "reference": "A", "runtime": NEW}
    assert len(other.apart()) == 4


def test_without_a_new_individual_the_difference_of_geomean_is_not_measured() -> None:
    known = Sides(("a", "b"), ("A", "B"), frozenset("AB"), ("A", "B"), ("A", NEW), ("A", "B"), ("A", "B"))
    assert [met for _, _, met in known.targets()] == [None, None]
    assert known.targets()[1][1] == "no known, or no unknown individual"
    assert known.as_json()["GeoMean difference"] == {"value": None, "low": None, "high": None}


def test_several_sets_are_one_in_which_names_do_not_meet() -> None:
    one = Sides(("a",), ("A",), frozenset("A"), ("A",), ("A",), ("A",), ("A",))
    other = Sides(("b",), ("A",), frozenset("B"), (NEW,), ("B",), ("B",), ("B",))
    together = Sides.together([one, other])
    assert together.truth == ("0/A", "1/A")
    assert together.known == {"0/A", "1/B"}
    assert together.figures()["reference"]["BAKS"] == together.figures()["reference"]["BAUS"] == 1
    assert together.in_common == 0.5
