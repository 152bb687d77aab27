"""The final probability comes true at the share of unknown animals that was labelled, and is modest on few data."""

from __future__ import annotations

import numpy as np

from reid_edge_calibration.identity import fit_identity
from reid_edge_calibration.metrics import calibration_error
from reid_edge_calibration.trials import Trials


def draw(seed, queries, unknown_share=0.3, removed=True):
    """Strangers score low, known animals anywhere, and these are right with a chance that grows with the score."""
    rng = np.random.default_rng(seed)
    known = rng.random(queries) >= unknown_share
    score = np.where(known, rng.beta(4, 2, queries), rng.beta(2, 4, queries))
    right = known & (rng.random(queries) < score**0.3)
    if removed:
        extra = int(known.sum())
        score, right = np.append(score, rng.beta(2, 4, extra)), np.append(right, np.zeros(extra, bool))
        known = np.append(known, np.zeros(extra, bool))
    number = np.arange(len(known))
    return Trials(score, right, known, number, np.zeros_like(number), number >= queries, np.zeros((len(number), 3)))


def test_probabilities_come_true_on_new_animals_whatever_share_of_them_is_unknown():
    for share in (0.1, 0.6):
        fitted = fit_identity(draw(0, 400, share))
        future = draw(1, 20_000, share, removed=False)
        assert (
            calibration_error(fitted(future.score), future.right) < 0.06
        )  # 0.049 measured at most; the chance of being right is no beta curve


def test_it_rises_with_the_score_and_has_few_knots():
    fitted = fit_identity(draw(2, 100))
    assert (np.diff(fitted(np.linspace(0, 1, 1000))) > 0).all()
    assert len(fitted.x) <= 64


def test_five_flawless_answers_make_no_certainty():
    number = np.arange(10)
    flawless = Trials(
        np.repeat([0.8, 0.2], 5), number < 5, number < 5, number, np.zeros_like(number), number >= 5, np.zeros((10, 3))
    )
    assert 0.8 < fit_identity(flawless)(0.8) < 0.99
    assert fit_identity(flawless)(1.0) < 0.99
