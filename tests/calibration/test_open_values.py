"""What a recipe leaves to be fitted: limits and weights from a grid, a network as its fusion, calibrators on other labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from reid_edge.decide.calibration import FusionNetwork, read_calibration
from reid_edge.decide.consensus import score_by_recipe
from reid_edge.decide.fitted import open_values, with_fitted
from reid_edge.recipe import Embed, Extract, Match, Recipe, Rerank, Retrieve
from reid_edge.recipe.stages import Agree, Decide, Fuse, Gate, Group
from reid_edge_calibration.entry import NEVER_COMPUTED, FitOptions, fit_score
from reid_edge_calibration.fit import CalibrationFit, fit_with_facts
from reid_edge_calibration.fusion.grids import fit_grids
from reid_edge_calibration.model_file import model_to_json
from reid_edge_calibration.reranking import reranked
from reid_edge_calibration.score_table import ScoreTable
from reid_edge_calibration.trials import Pairs

NAMES = ("embedding", "cheap matcher", "costly matcher")
EACH = Fuse("all", (Group(NAMES, 1.0),))


def system(*fuses: Fuse, steps: tuple[Agree | Gate, ...] = (), **stages: object) -> Recipe:
    recipe = Recipe(
        segment=None,
        embed=(Embed(NAMES[0], "network"),),
        retrieve=Retrieve(NAMES[0], 100),
        extract=(Extract("points", False, 0.0, "network"),),
        match=tuple(Match(name, "points", "mutual-nearest", 0.5) for name in NAMES[1:]),
        fuse=fuses or (EACH,),
        step=steps,
        decide=Decide(None),
    )
    return replace(recipe, **stages)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def tables(synthetic: Callable[..., ScoreTable]) -> list[ScoreTable]:
    return [
        synthetic(seed=3, known=6, unknown=2, photos=2, queries=2),
        synthetic(seed=4, species="tiger", known=6, photos=2, queries=2),
    ]


def test_limits_and_weights_are_of_the_grid_and_read_back_with_the_calibration(tables: list[ScoreTable]) -> None:
    alpha = Fuse("alpha", (Group(NAMES[:1], 0.5), Group(NAMES[1:], 0.5)), fit="geomean", grid=(0.3, 0.4, 0.5, 0.6))
    steps = (
        Gate(NAMES[2], "new", 0.1, calibrated=True, fit="geomean", grid=(0.0, 0.1, 0.2, 0.4)),
        Agree(NAMES[0], (0.45, 0.55), 1.2, "higher", 1.0, fit="geomean", grid=(0.45, 0.6)),
        Gate(NAMES[2], "take", 0.9, calibrated=True, species=("tiger",), fit="geomean", grid=(0.8, 0.9)),
    )
    recipe = system(alpha, steps=steps)
    model = fit_with_facts(tables, 0, None, recipe).model
    grids = {value.key: value.grid for value in open_values(recipe)}
    zebra, tiger = model.species["plains zebra"].fitted, model.species["tiger"].fitted
    assert set(tiger) == set(grids) == {"fuse[0].weight", "step[0].limit", "step[1].weight", "step[2].limit"}
    assert set(zebra) == set(grids) - {"step[2].limit"}  # which decides for no zebra
    assert all(value in grids[key] for key, value in tiger.items())
    assert model.data["species"]["tiger"]["fitted"] == tiger
    assert read_calibration(model_to_json(model)) == model


def test_the_value_with_the_best_geomean_is_taken_and_of_equal_ones_the_stated() -> None:
    steps = (
        Gate(NAMES[0], "new", 0.3, fit="geomean", grid=(0.1, 0.3, 0.5)),
        Gate(NAMES[0], "take", 0.7, fit="geomean", grid=(0.6, 0.7, 0.8)),
    )
    fitted = fit_grids(system(steps=steps), [""], lambda values: -abs(values["step[0].limit"] - 0.5))
    assert fitted == {"step[0].limit": 0.5, "step[1].limit": 0.7}
    recipe = with_fitted(system(steps=steps), fitted)
    assert [step.limit for step in recipe.step if isinstance(step, Gate)] == [0.5, 0.7]


def test_a_network_is_a_fusion_that_the_answer_uses(tables: list[ScoreTable]) -> None:
    recipe = system(Fuse("mlp", (Group(NAMES[1:], 1.0),), fit="network"))
    entry = fit_with_facts(tables, 0, None, recipe).model.generic
    assert isinstance(entry.fusion, FusionNetwork)
    assert set(entry.fusion.hidden[NAMES[0]]) == {0.0}
    raw = np.array([[0.1, 20.0, 10.0], [2.0, 80.0, 90.0], [1.0, 40.0, np.nan]])
    scores = score_by_recipe(raw, ["A", "B", "C"], recipe, entry)
    assert scores.identities[0] == "B"
    filled = [
        [curve(-np.inf if np.isnan(value) else value) for curve, value in zip(entry.calibrators.values(), row, strict=True)]
        for row in raw
    ]
    expected = entry.fusion(np.array(filled), np.ones(3, bool))
    assert dict(zip(scores.identities, scores.fused, strict=True)) == pytest.approx(dict(zip("ABC", expected, strict=True)))


@pytest.fixture(scope="module")
def twice(tables: list[ScoreTable], synthetic: Callable[..., ScoreTable]) -> tuple[Recipe, CalibrationFit]:
    """Two fusions of the same scores, the second by calibrators of other labels, whose matcher tells nothing."""
    recipe = system(
        EACH, Fuse("again", (Group(NAMES, 1.0, calibration="second"),)), steps=(Agree("again", (0.45, 0.55), 1.2, "higher", 1.0),)
    )
    other = synthetic(seed=9, known=6, photos=2, queries=2, separation=(1.0, 1.5, 0.0))
    return recipe, fit_with_facts(tables, 0, FitOptions(further={"second": [other]}), recipe)


def test_one_score_has_several_calibrations(twice: tuple[Recipe, CalibrationFit]) -> None:
    _, fit = twice
    entry = fit.model.species["plains zebra"]
    first, second = entry.calibrators[NAMES[2]], entry.further["second"][NAMES[2]]
    assert first(90.0) > 0.8 > second(90.0)
    assert fit.model.data["generic"]["further_calibrations"] == ["second"]
    assert read_calibration(model_to_json(fit.model)) == fit.model


def test_a_calibration_that_was_not_given_is_stood_in_for_and_said(
    tables: list[ScoreTable], twice: tuple[Recipe, CalibrationFit]
) -> None:
    recipe, with_second = twice
    without = fit_with_facts(tables, 0, None, recipe).model
    assert any("asks for a calibration second, which was not given" in each for each in without.data["warnings"])
    assert not any("calibration second" in each for each in with_second.model.data["warnings"])
    assert "further" not in model_to_json(without)
    raw = np.array([[0.5, 50.0, 95.0], [0.4, 55.0, 20.0]])
    answers = [score_by_recipe(raw, ["A", "B"], recipe, model.generic).evidence[0] for model in (without, with_second.model)]
    assert answers[0] != answers[1]


def test_a_score_of_other_species_is_neither_missed_nor_fitted(tables: list[ScoreTable]) -> None:
    zebra, tiger = tables
    without = (
        np.where(np.arange(3) == 2, np.nan, tiger.raw).astype(np.float32),
        np.where(np.arange(3) == 2, np.nan, tiger.raw_without),
    )
    blind = replace(tiger, raw=without[0], raw_without=without[1].astype(np.float32))
    recipe = system()
    limited = replace(recipe, match=(recipe.match[0], replace(recipe.match[1], species=("plains zebra",))))
    model = fit_with_facts([zebra, blind], 0, None, limited).model
    assert set(model.species) == {"plains zebra", "tiger"}
    assert model.species["tiger"].calibrators[NAMES[2]] == NEVER_COMPUTED
    assert model.species["plains zebra"].calibrators[NAMES[2]] != NEVER_COMPUTED


def test_calibrators_can_be_fitted_on_as_many_pairs_of_one_individual_as_of_two(tables: list[ScoreTable]) -> None:
    pairs = Pairs.of(tables).drawing(10, 0)
    drawn = pairs.of_calibration
    for species in (0, 1):
        of_it = pairs.species[pairs.query] == species
        assert ((drawn & of_it & pairs.same).sum(), (drawn & of_it & ~pairs.same).sum()) == (5, 5)
    fitted = fit_with_facts([tables[0]], 0, None, system(decide=Decide(None, pairs=10))).model.generic
    own = Pairs.of([tables[0]]).drawing(10, 0)
    few = fit_score(own, 1, np.ones(len(own.query), bool), "isotonic")
    assert fitted.calibrators[NAMES[1]] == few
    assert fitted.calibrators != fit_with_facts([tables[0]], 0, None, system()).model.generic.calibrators
    assert (Pairs.of(tables).drawing(10**6, 0).of_calibration == Pairs.of(tables).of_whole).all()


def test_a_score_that_is_found_by_a_fusion_is_filled_in_before_it_is_calibrated(tables: list[ScoreTable]) -> None:
    shared = Rerank("shared", 4, 2, fusion="all")
    both = Fuse("both", (Group(NAMES, 0.9), Group(("shared",), 0.1, calibrated=False)))
    recipe = system(EACH, both, steps=(Gate("both", "take", 0.0),), rerank=(shared,))
    table = with_gallery_pairs(tables[0])
    entry = fit_with_facts([table], 0, None, recipe).model.generic
    filled = reranked(table, recipe, entry).raw[:, 3]
    assert ((filled >= 0) & (filled <= 1)).all()
    assert filled[table.same].mean() > filled[~table.same].mean()
    assert entry.calibrators["shared"] != NEVER_COMPUTED
    assert list(entry.calibrators)[:3] == list(NAMES)
    without = fit_with_facts([replace(table, gallery_query=np.empty(0, np.int32))], 0, None, recipe).model.generic
    assert without.calibrators["shared"] == NEVER_COMPUTED
    assert {name: without.calibrators[name] for name in NAMES} == {name: entry.calibrators[name] for name in NAMES}


def with_gallery_pairs(table: ScoreTable) -> ScoreTable:
    """The table with a score that is not computed yet, and the scores of gallery photos: high for those of one individual."""
    photos = range(len(table.candidate_identity))
    pairs = np.array([(one, other) for one in photos for other in photos if one != other], np.int32)
    same = np.array([table.candidate_identity[one] == table.candidate_identity[other] for one, other in pairs])
    levels = np.where(same[:, None], np.nanquantile(table.raw, 0.95, axis=0), np.nanquantile(table.raw, 0.05, axis=0))
    absent = np.full((len(table.query), 1), np.nan, np.float32)
    return replace(
        table,
        score_names=(*table.score_names, "shared"),
        raw=np.concatenate([table.raw, absent], axis=1),
        raw_without=np.concatenate([table.raw_without, absent], axis=1),
        gallery_query=pairs[:, 0],
        gallery_candidate=pairs[:, 1],
        gallery_raw=levels.astype(np.float32),
    )
