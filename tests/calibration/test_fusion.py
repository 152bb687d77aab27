"""Weights leave the mean only for a gain that is more than chance."""

from __future__ import annotations

import numpy as np

from reid_edge_calibration.fusion import choose_weights
from reid_edge_calibration.isotonic import fit_isotonic
from reid_edge_calibration.trials import Pairs


def choose(table, filled=None):
    pairs = Pairs.of([table])
    if filled is None:
        curves = [fit_isotonic(column, pairs.same) for column in pairs.raw[0].T]
        absent_is_lowest = np.nan_to_num(pairs.raw, nan=-np.inf)
        filled = np.stack([curve(absent_is_lowest[..., column]) for column, curve in enumerate(curves)], axis=2)
    return choose_weights(pairs, filled, np.arange(pairs.individual.max() + 1) % 5)


def test_scores_that_are_equally_good_keep_the_mean(synthetic):
    weights, fitted = choose(synthetic(known=15, separation=(2, 2, 2), costly=99))
    assert not fitted
    assert weights.tolist() == [1 / 3] * 3


def test_a_score_that_misleads_loses_its_weight(synthetic):
    table = synthetic(known=15, separation=(4, 2.5, 2.5), costly=99)
    filled = 1 / (1 + np.exp(-np.nan_to_num(Pairs.of([table]).raw) / (1, 20, 20) + (2, 3, 3)))
    filled[..., 0] = np.random.default_rng(0).random(filled.shape[1])  # boasts at random, as an overfitted score would
    weights, fitted = choose(table, filled)
    assert fitted
    assert abs(weights.sum() - 1) < 1e-12
    assert weights[0] < 0.15  # 0.07 measured
