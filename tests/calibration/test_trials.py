"""Open-set trials fuse as the runtime does, and meet every query with and without its own individual."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from reid_edge.calibration import Calibrator, Entry
from reid_edge_calibration.score_table import ScoreTable
from reid_edge_calibration.trials import Pairs, TrialPlan

CURVE = Calibrator("linear", (0.0, 1.0), (0.0, 1.0))


def small_table(raw, species="plains zebra"):
    """Queries of a, b and the unknown x against one photo of a, b and c each."""
    query, candidate = np.divmod(np.arange(9), 3)
    return ScoreTable(("score",), species, ("a", "b", "x"), ("a", "b", "c"), query, candidate, np.array(raw)[:, None])


def run(table):
    return TrialPlan(Pairs.of([table])).run(np.nan_to_num(table.raw[:, 0].astype(float)))


def test_a_query_counts_as_known_and_once_more_with_its_individual_removed():
    trials = run(small_table([0.9, 0.2, 0.1, 0.3, 0.2, 0.1, 0.4, 0.5, 0.6]))
    assert trials.known.tolist() == [True, True, False, False, False]
    assert trials.removed.tolist() == [False, False, False, True, True]
    assert trials.right.tolist() == [True, False, False, False, False]
    assert trials.score == pytest.approx([0.9, 0.3, 0.6, 0.2, 0.3], abs=1e-6)


def test_a_tie_with_another_individual_is_not_right():
    assert not run(small_table([0.5, 0.5, 0.1, 0, 1, 0, 0, 0, 0])).right[0]


def test_a_query_whose_own_individual_took_all_costly_matches_is_not_made_unknown():
    cheap = small_table([0.9, 0.2, 0.1, 0.3, 0.8, 0.1, 0.4, 0.5, 0.6])
    costly = np.array([0.9, math.nan, math.nan, 0.1, 0.8, math.nan, 0.4, 0.5, 0.6], np.float32)
    table = dataclasses.replace(cheap, score_names=("cheap", "costly"), raw=np.stack([cheap.raw[:, 0], costly], axis=1))
    assert run(cheap).individual.tolist() == [0, 1, 2, 0, 1]
    assert run(table).individual.tolist() == [0, 1, 2, 1]


def test_every_individual_weighs_the_same_and_so_does_every_species(synthetic):
    tables = [synthetic(0, "zebra", known=5, queries=2), synthetic(1, "nyala", known=20, queries=4)]
    pairs = Pairs.of(tables)
    trials = TrialPlan(pairs).run(np.zeros(len(pairs.query)))
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
    pairs = Pairs.of([table])
    names, weights = table.score_names, np.array([0.2, 0.5, 0.3])
    entry = Entry(dict.fromkeys(names, CURVE), dict(zip(names, weights, strict=True)), CURVE, 0.5, 0.5, 0.5)
    filled = CURVE(np.where(np.isnan(pairs.raw), -np.inf, pairs.raw))
    fused = pairs.fuse(filled, weights)
    for query in range(len(table.query_identity)):
        ours = pairs.query == query
        assert np.abs(entry.fuse(pairs.raw[ours])[1] - fused[ours]).max() <= 1e-12
