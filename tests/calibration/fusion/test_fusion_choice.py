"""A fusion leaves the mean only for a gain that is more than chance, and every kind does what the runtime computes."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from reid_edge.decide.calibration import Pooling, WeightedMean
from reid_edge_calibration.calibrators import fit_isotonic
from reid_edge_calibration.fusion import choose_fusion, choose_pooling
from reid_edge_calibration.fusion.choice import FITS
from reid_edge_calibration.score_table import ScoreTable
from reid_edge_calibration.trials import Pairs, TrialPlan

NAMES = ("embedding", "cheap matcher", "costly matcher")


def calibrated(pairs):
    curves = [fit_isotonic(column, pairs.same) for column in pairs.raw[0].T]
    absent_is_lowest = np.nan_to_num(pairs.raw, nan=-np.inf)
    return np.stack([curve(absent_is_lowest[..., column]) for column, curve in enumerate(curves)], axis=2)


def choose(table, filled=None, **options):
    pairs = Pairs.of([table])
    fold = np.arange(pairs.individual.max() + 1) % 5
    filled = calibrated(pairs) if filled is None else filled
    return choose_fusion(NAMES, pairs, filled, fold, TrialPlan(pairs).run, **options)


def test_scores_that_are_equally_good_keep_the_mean(synthetic):
    chosen = choose(synthetic(known=15, separation=(2, 2, 2), costly=99))
    assert chosen.kind == "mean"
    assert chosen.fusion == WeightedMean(dict.fromkeys(NAMES, 1 / 3))
    assert set(chosen.tried) == {"mean", *FITS}


def test_a_score_that_boasts_at_random_loses_its_weight(synthetic):
    table = synthetic(known=15, separation=(4, 2.5, 2.5), costly=99)
    pairs = Pairs.of([table])
    filled = 1 / (1 + np.exp(-np.nan_to_num(pairs.raw) / (1, 20, 20) + (2, 3, 3)))
    filled[..., 0] = np.random.default_rng(0).random(filled.shape[1])  # as an overfitted score would
    chosen = choose(table, filled)
    assert chosen.kind != "mean"
    assert chosen.tried[chosen.kind][0] > chosen.tried["mean"][0] + 0.05  # 0.13 measured
    plan, everybody = TrialPlan(pairs), np.ones(pairs.individual.max() + 1, bool)
    weights = FITS["weights"](NAMES, pairs, plan, filled, everybody, 0).weights
    assert weights["embedding"] < 0.15  # 0.07 measured
    stacked = FITS["stacking"](NAMES, pairs, plan, filled, everybody, 0).weights
    assert stacked["embedding"] < 0.15 * stacked["costly matcher"]


@pytest.mark.parametrize("kind", FITS)
def test_what_is_learned_ranks_at_least_as_well_as_the_mean_on_new_animals(synthetic, kind):
    pairs, fresh = Pairs.of([synthetic(known=25)]), Pairs.of([synthetic(7, known=25)])
    fusion = FITS[kind](NAMES, pairs, TrialPlan(pairs), calibrated(pairs), np.ones(pairs.individual.max() + 1, bool), 0)

    def top(way):
        trials = TrialPlan(fresh).run(fresh.fuse(calibrated(fresh), way))
        return trials.right[trials.known].mean()

    assert top(fusion) > top(WeightedMean(dict.fromkeys(NAMES, 1.0))) - 0.05


@pytest.mark.parametrize("kind", ["stacking", "network"])
def test_a_learned_fusion_is_the_same_for_the_same_seed(synthetic, kind):
    pairs = Pairs.of([synthetic()])
    everybody = np.ones(pairs.individual.max() + 1, bool)
    once, again = (FITS[kind](NAMES, pairs, TrialPlan(pairs), calibrated(pairs), everybody, 3) for _ in range(2))
    assert once == again


def test_photos_of_one_individual_count_softly_only_where_that_is_better(synthetic):
    pairs = Pairs.of([synthetic(known=12, photos=4)])
    fold = np.arange(pairs.individual.max() + 1) % 5
    fused = pairs.fuse(calibrated(pairs), WeightedMean(dict.fromkeys(NAMES, 1.0)))
    chosen = choose_pooling(fold, partial(TrialPlan(pairs).run, fused))
    assert len(chosen.tried) == 4
    best = max(chosen.tried.values())[0]
    assert chosen.tried[chosen.name][0] >= best - 0.05
    assert choose_pooling(fold, partial(TrialPlan(pairs).run, fused), only_best=True).pooling == Pooling()


def test_many_weak_likenesses_of_one_individual_together_outweigh_one_chance_likeness():
    rng = np.random.default_rng(0)
    identities = [f"animal {i}" for i in range(30) for _ in range(6)]
    asked = [f"animal {i}" for i in range(40)]
    query, candidate = (grid.ravel() for grid in np.mgrid[: len(asked), : len(identities)])
    same = np.array(asked)[query] == np.array(identities)[candidate]
    raw = rng.normal(size=len(query)) + 1.5 * same
    unknown = ~np.isin(asked, identities)[query]
    table = ScoreTable(
        ("s",),
        "herd",
        tuple(asked),
        tuple(identities),
        query,
        candidate,
        raw[:, None],
        np.where(same | unknown, np.nan, raw)[:, None],
        np.zeros((40, 3)),
    )
    pairs = Pairs.of([table])
    fused = 1 / (1 + np.exp(3.5 - 1.5 * np.nan_to_num(pairs.raw[..., 0]))) * ~np.isnan(pairs.raw[..., 0])
    chosen = choose_pooling(np.arange(40) % 5, partial(TrialPlan(pairs).run, fused))
    assert chosen.name.startswith("soft count")
    assert chosen.tried[chosen.name][0] > chosen.tried["best photo"][0] + 0.1
