"""Open-set trials fuse as the runtime does, and meet every query with and without its own individual."""

from __future__ import annotations

import math

import numpy as np
import pytest

from reid_edge.calibration import Calibrator, Entry, Evidence
from reid_edge.calibration.evidence import leads
from reid_edge_calibration.score_table import ScoreTable
from reid_edge_calibration.trials import Pairs, TrialPlan

CURVE = Calibrator("linear", (0.0, 1.0), (0.0, 1.0))


def small_table(raw, without=None):
    """Queries of a, b and the unknown x against one photo of a, b and c each; `without` their own individual the same scores."""
    query, candidate = np.divmod(np.arange(9), 3)
    raw = np.array(raw, float)[:, None]
    of_others = np.array([0, 1, 1, 1, 0, 1, 0, 0, 0], bool)[:, None]
    without = np.where(of_others, raw if without is None else np.array(without, float)[:, None], math.nan)
    return ScoreTable(("score",), "plains zebra", ("a", "b", "x"), ("a", "b", "c"), query, candidate, raw, without)


def run(table):
    return TrialPlan(Pairs.of([table])).run(np.nan_to_num(np.stack([table.raw[:, 0], table.raw_without[:, 0]]).astype(float)))


def test_a_query_counts_as_known_and_once_more_with_its_individual_removed():
    trials = run(small_table([0.9, 0.2, 0.1, 0.3, 0.2, 0.1, 0.4, 0.5, 0.6]))
    assert trials.known.tolist() == [True, True, False, False, False]
    assert trials.removed.tolist() == [False, False, False, True, True]
    assert trials.right.tolist() == [True, False, False, False, False]
    assert trials.score == pytest.approx([0.9, 0.3, 0.6, 0.2, 0.3], abs=1e-6)


def test_a_tie_with_another_individual_is_not_right():
    assert not run(small_table([0.5, 0.5, 0.1, 0, 1, 0, 0, 0, 0])).right[0]


def test_a_query_without_its_individual_has_the_scores_that_the_runtime_would_have_computed_then():
    others_move_up = [0, 0.7, 0.6, 0.5, 0, 0.4, 0, 0, 0]
    trials = run(small_table([0.9, 0.2, math.nan, 0.3, 0.8, 0.1, 0.4, 0.5, 0.6], others_move_up))
    assert trials.score == pytest.approx([0.9, 0.8, 0.6, 0.7, 0.5], abs=1e-6)


def test_a_query_that_was_not_scored_without_its_individual_is_not_made_unknown():
    table = small_table([0.9, 0.2, 0.1, 0.3, 0.8, 0.1, 0.4, 0.5, 0.6])
    table.raw_without[table.query == 0] = math.nan
    assert run(table).individual.tolist() == [0, 1, 2, 1]


def test_every_individual_weighs_the_same_and_so_does_every_species(synthetic):
    tables = [synthetic(0, "zebra", known=5, queries=2), synthetic(1, "nyala", known=20, queries=4)]
    pairs = Pairs.of(tables)
    trials = TrialPlan(pairs).run(np.zeros((2, len(pairs.query))))
    weight = trials.balance()
    for side in (trials.known, ~trials.known):
        assert weight[side].sum() == pytest.approx(1)
        assert weight[side & (trials.species == 0)].sum() == pytest.approx(0.5)
    assert weight[trials.known & (trials.individual == 0)].sum() == pytest.approx(0.5 / 5)
    assert pairs.weight.mean() == pytest.approx(1)
    assert pairs.weight[: len(tables[0].query)].sum() == pytest.approx(pairs.weight[len(tables[0].query) :].sum())


def test_all_queries_at_once_fuse_as_the_runtime_fuses_each(synthetic):
    table = synthetic(known=4, costly=3)
    table.raw[table.query == 2, 2] = np.nan
    table.raw[5] = np.nan  # not a candidate
    pairs = Pairs.of([table])
    names, weights = table.score_names, np.array([0.2, 0.5, 0.3])
    evidence = Evidence(0.0, 1.0, dict.fromkeys(names, 1.0))
    entry = Entry(dict.fromkeys(names, CURVE), dict(zip(names, weights, strict=True)), evidence, CURVE, CURVE, 0.5, 0.5, 0.5)
    filled = CURVE(np.where(np.isnan(pairs.raw), -np.inf, pairs.raw))
    fused = pairs.fuse(filled, weights)
    for view in (0, 1):
        for query in range(len(table.query_identity)):
            ours = (pairs.query == query) & ~np.isnan(pairs.raw[view]).all(axis=1)
            assert ours.any() or view == 1
            assert np.abs(entry.fuse(pairs.raw[view, ours])[1] - fused[view, ours]).max(initial=0) <= 1e-12
    assert fused[0, 5] == 0


def test_the_lead_of_every_trial_is_the_one_that_the_runtime_computes(synthetic):
    table = synthetic(known=8, costly=3)
    pairs = Pairs.of([table])
    plan = TrialPlan(pairs)
    fused = CURVE(np.where(np.isnan(pairs.raw[..., 0]), -np.inf, pairs.raw[..., 0]))
    found = plan.leads(fused)
    trials = plan.run(fused)
    removed = np.flatnonzero(pairs.present[1].any(axis=1))
    for trial, query in enumerate([*range(len(table.query_identity)), *removed]):
        view = int(trials.removed[trial])
        rows = np.flatnonzero((pairs.query == query) & ~np.isnan(pairs.raw[view]).all(axis=1))
        owners = np.array(table.candidate_identity)[table.candidate[rows]]
        names = sorted(set(owners), key=lambda name: -fused[view, rows[owners == name]].max())
        best = np.stack([np.fmax.reduce(pairs.raw[view, rows[owners == name]]) for name in names])
        assert found[trial] == pytest.approx(leads(best)[0])
