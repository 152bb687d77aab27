"""Open-set trials fuse as the runtime does, and meet every query with and without its own individual."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from reid_edge.decide.calibration import Calibrator, Entry, Evidence, Pooling, QualityTerm, WeightedMean
from reid_edge.decide.calibration.identities import score_identities
from reid_edge_calibration.identity import natural_weight
from reid_edge_calibration.score_table import ScoreTable
from reid_edge_calibration.trials import PART, Pairs, TrialPlan

CURVE = Calibrator("linear", (0.0, 1.0), (0.0, 1.0))


def entry_of(names, fusion, pooling=None):
    quality = {"sharpness": QualityTerm(0.3, 0.0, -1.0, 1.0), "size": QualityTerm(-0.2, 0.0, -1.0, 1.0)}
    quality["contrast"] = QualityTerm(0.1, 0.0, -1.0, 1.0)
    per_score = {weight: dict.fromkeys(names, weight) for weight in (0.5, 0.3, 2.0)}
    evidence = Evidence(0.0, 1.0, per_score[0.5], -0.4, quality, per_score[2.0], per_score[0.3], -0.2)
    return Entry(dict.fromkeys(names, CURVE), fusion, pooling or Pooling(), evidence, CURVE, CURVE, 0.5, 0.5, 0.5)


def small_table(raw, without=None):
    """Queries of a, b and the unknown x against one photo of a, b and c each; `without` their own individual the same scores."""
    query, candidate = np.divmod(np.arange(9), 3)
    raw = np.array(raw, float)[:, None]
    of_others = np.array([0, 1, 1, 1, 0, 1, 0, 0, 0], bool)[:, None]
    without = np.where(of_others, raw if without is None else np.array(without, float)[:, None], math.nan)
    return ScoreTable(
        ("score",), "plains zebra", ("a", "b", "x"), ("a", "b", "c"), query, candidate, raw, without, np.zeros((3, 3))
    )


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
    fusion = WeightedMean(dict(zip(names, weights, strict=True)))
    entry = entry_of(names, fusion)
    fused = pairs.fuse(pairs.with_stand_ins(CURVE(pairs.raw)), fusion)
    for view in (0, 1):
        for query in range(len(table.query_identity)):
            ours = (pairs.query == query) & ~np.isnan(pairs.raw[view]).all(axis=1)
            assert ours.any() or view == 1
            assert np.abs(entry.fuse(pairs.raw[view, ours])[1] - fused[view, ours]).max(initial=0) <= 1e-12
    assert fused[0, 5] == 0


@pytest.mark.parametrize("pooling", [Pooling(), Pooling(2.0)])
def test_every_trial_has_the_evidence_that_the_runtime_would_give(synthetic, pooling):
    table = synthetic(known=4, costly=3)
    pairs, plan = Pairs.of([table]), TrialPlan(Pairs.of([table]))
    entry = entry_of(table.score_names, WeightedMean(dict.fromkeys(table.score_names, 1.0)), pooling)
    fused = pairs.fuse(pairs.with_stand_ins(CURVE(pairs.raw)), entry.fusion)
    trials, (standing, _) = (
        plan.run(fused, pooling),
        plan.standing(plan.pool(fused, pooling), np.full(len(table.score_names), 2.0)),
    )
    # In a trial without its individual the gallery counts as large as with it; the runtime sees one less.
    standing = replace(standing, others=standing.others - trials.removed)
    evidence = entry.evidence.weigh(standing, trials.quality)
    removed = [query for query in range(len(table.query_identity)) if not np.isnan(pairs.raw[1, pairs.query == query]).all()]
    for trial, query in enumerate([*range(len(table.query_identity)), *removed]):
        view = int(trials.removed[trial])
        rows = np.flatnonzero((pairs.query == query) & ~np.isnan(pairs.raw[view]).all(axis=1))
        owners = [table.candidate_identity[candidate] for candidate in table.candidate[rows]]
        runtime = score_identities(pairs.raw[view, rows], owners, entry, table.quality[query])
        assert trials.score[trial] == pytest.approx(runtime.fused[0])
        assert evidence[trial] == pytest.approx(runtime.evidence[0])
        assert trials.right[trial] == (view == 0 and runtime.identities[0] == table.query_identity[query])


def twice(table, more, of_photo):
    """The table, and after its queries those of `more`, which ask parts of the gallery for the photos `of_photo`."""
    queries = len(table.query_identity)
    return ScoreTable(
        table.score_names,
        table.species,
        (*table.query_identity, *(table.query_identity[photo] for photo in of_photo)),
        table.candidate_identity,
        np.concatenate([table.query, more.query + queries]),
        np.concatenate([table.candidate, more.candidate]),
        np.concatenate([table.raw, more.raw]),
        np.concatenate([table.raw_without, more.raw_without]),
        np.concatenate([table.quality, table.quality[list(of_photo)]]),
        np.concatenate([np.arange(queries), of_photo]),
    )


def test_trials_in_parts_of_the_gallery_count_for_less_and_their_individual_counts_the_same():
    whole = small_table([0.9, 0.2, 0.1, 0.3, 0.2, 0.1, 0.4, 0.5, 0.6])
    parts = twice(whole, whole, (0, 1, 2))
    trials = run(parts)
    assert trials.part.tolist() == [1, 1, 1, PART, PART, PART, 1, 1, PART, PART]
    weight = trials.balance()
    for individual in (0, 1):
        ours = trials.known & (trials.individual == individual)
        assert weight[ours].sum() == pytest.approx(0.5)
        assert weight[ours & (trials.part < 1)].sum() == pytest.approx(0.5 * PART / (1 + PART))


def test_parts_of_a_gallery_change_nothing_of_what_is_learnt_from_the_whole(synthetic):
    table = synthetic(known=4)
    parts = twice(table, table, range(len(table.query_identity)))
    pairs, fewer = Pairs.of([parts]), Pairs.of([table])
    assert pairs.of_whole.sum() == len(fewer.query)
    assert (natural_weight(TrialPlan(pairs).run(np.zeros((2, len(pairs.query))))).sum()) == pytest.approx(
        natural_weight(TrialPlan(fewer).run(np.zeros((2, len(fewer.query))))).sum()
    )


def test_a_score_that_was_not_computed_has_the_lowest_that_the_query_has_and_one_of_nobody_has_none(synthetic):
    table = synthetic(known=4, costly=3)
    table.raw[table.query == 2, 2] = np.nan
    pairs = Pairs.of([table])
    filled = pairs.with_stand_ins(pairs.raw)
    for query in range(len(table.query_identity)):
        ours = pairs.query == query
        costly = pairs.raw[0, ours, 2]
        lowest = 0.0 if query == 2 else np.nanmin(costly)
        assert (filled[0, ours, 2] == np.where(np.isnan(costly), lowest, costly)).all()
