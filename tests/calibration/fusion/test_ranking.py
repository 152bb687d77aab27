"""Weights that rank: what tells a query's individual from the rest of its candidates, whatever the level of the scores."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from reid_edge_calibration.fusion.ranking import fit_ranking
from reid_edge_calibration.score_table import ScoreTable
from reid_edge_calibration.trials import Pairs, TrialPlan

NAMES = ("a", "b")


def table(telling: float, seed: int = 0, species: str = "okapi", individuals: int = 12) -> ScoreTable:
    """Score a is telling, b is noise that is the same for all candidates of a query but for a little."""
    rng = np.random.default_rng(seed)
    names = tuple(f"{species} {number}" for number in range(individuals))
    query, candidate = (grid.ravel() for grid in np.mgrid[:individuals, :individuals])
    same = query == candidate
    of_query = rng.normal(0, 2, individuals)[query]
    raw = np.column_stack((telling * same + rng.normal(0, 1, len(query)), of_query + rng.normal(0, 0.3, len(query))))
    without = np.where(same[:, None], np.nan, raw)
    return ScoreTable(NAMES, species, names, names, query, candidate, raw, without, np.zeros((individuals, 3)))


def fit(tables: list[ScoreTable], chosen=None):
    pairs = Pairs.of(tables)
    filled = 1 / (1 + np.exp(-pairs.with_stand_ins(pairs.raw)))
    everybody = np.ones(pairs.individual.max() + 1, bool)
    return fit_ranking(NAMES, pairs, TrialPlan(pairs), filled, everybody if chosen is None else chosen(everybody), 0)


def test_the_score_that_tells_individuals_apart_has_the_weight():
    weights = fit([table(3.0)]).weights
    assert weights["a"] > 3 * weights["b"] >= 0


def test_a_score_that_misleads_gets_no_weight_below_zero():
    assert fit([table(-3.0)]).weights["a"] == 0


def test_what_raises_all_candidates_of_a_query_alike_changes_no_weight():
    plain = table(2.0)
    shift = np.random.default_rng(1).normal(0, 0.5, len(plain.query_identity))[plain.query][:, None]
    moved = replace(plain, raw=plain.raw + shift, raw_without=plain.raw_without + shift)
    assert list(fit([moved]).weights.values()) == pytest.approx(list(fit([plain]).weights.values()), abs=1e-3)


def test_species_count_the_same_however_many_queries_they_have():
    tables = [table(3.0, 0, "many", 20), table(0.0, 1, "few", 5)]
    pairs = Pairs.of(tables)
    few_only = fit(tables, lambda everybody: np.isin(np.arange(len(everybody)), pairs.individual[pairs.species == 1]))
    many_only = fit(tables, lambda everybody: np.isin(np.arange(len(everybody)), pairs.individual[pairs.species == 0]))
    assert few_only.weights["a"] < fit(tables).weights["a"] < many_only.weights["a"]


def test_with_nobody_to_learn_from_the_scores_are_averaged_in_log_odds():
    found = fit([table(3.0)], np.zeros_like)
    assert (found.bias, dict(found.weights)) == (0.0, {"a": 0.5, "b": 0.5})
