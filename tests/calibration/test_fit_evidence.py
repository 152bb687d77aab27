"""What the evidence looks at is what holds for the trials that it was not fitted on."""

from __future__ import annotations

import numpy as np
import pytest

from reid_edge.decide.calibration.evidence import CHANCE
from reid_edge.decide.calibration.fusion import log_odds
from reid_edge_calibration.evidence import Standing, fit_evidence

NAMES = ("matches",)


def herds(scales, seed=0, trials=200):
    """Trials of some species; in each, strangers and friends score on its own scale, and friends lead by 1 more than strangers."""
    random = np.random.default_rng(seed)
    right = random.random((len(scales), trials)) < 0.5
    fused = 1 / (1 + np.exp(-(np.array(scales)[:, None] + 3 * right + random.normal(0, 1, right.shape))))
    leads = random.normal(0.3, 0.5, right.shape) + right
    species = np.repeat(np.arange(len(scales)), trials)
    return fused.ravel(), leads.reshape(-1, 1), right.ravel(), species


def log_loss(score, right):
    return -np.log(np.where(right, score, 1 - score)).mean()


def fit(fused, leads, right, fold, photos=None, quality=None):
    number = np.arange(len(right))
    standing = Standing(
        fused,
        leads,
        np.ones(len(right), int) if photos is None else photos,
        np.zeros((len(right), 3)) if quality is None else quality,
        np.ones(len(NAMES)),
    )
    return fit_evidence(NAMES, standing, right, np.ones(len(right)), fold, number)


def test_across_species_whose_scores_differ_in_scale_only_the_leads_are_used():
    fused, leads, right, species = herds([-6, 0, 6])
    fitted = fit(fused, leads, right, species)
    assert fitted.uses == "its leads"
    assert fitted.evidence.fused == 0
    assert log_loss(fitted.score, right) < 0.55  # measured 0.48; never looking is 0.69


def test_within_one_species_the_fused_score_is_used():
    fused, leads, right, _ = herds([-1])
    fitted = fit(fused, np.zeros_like(leads), right, np.arange(len(right)) % 5)
    assert fitted.evidence.fused > 0
    assert fitted.evidence.leads == {"matches": 0.0}
    assert log_loss(fitted.score, right) < 0.3  # measured 0.21


def test_the_evidence_of_the_runtime_is_what_was_fitted():
    fused, leads, right, species = herds([-1, 0])
    evidence = fit(fused, leads, right, species).evidence
    other = 20.0
    best = np.exp(leads[0, 0]) * (other + CHANCE) - CHANCE
    logit = evidence.bias + evidence.fused * log_odds(fused[0]) + evidence.leads["matches"] * leads[0, 0]
    others = [0.0] * 5  # of fewer others a lead counts less
    said = evidence([fused[0], *others], [[best], *([[other]] * 5)], [1] * 6, np.zeros(3))
    assert said[0] == pytest.approx(1 / (1 + np.exp(-logit)))


def test_the_number_of_photos_and_the_quality_count_where_they_tell_something_and_not_where_they_do_not():
    random = np.random.default_rng(3)
    fused, leads, right, _ = herds([-1])
    fold = np.arange(len(right)) % 5
    telling = np.column_stack((random.normal(size=(len(right), 2)), random.normal(size=len(right)) + 2 * right))
    photos = np.where(right, random.integers(1, 6, len(right)), random.integers(4, 30, len(right)))
    with_both = fit(fused, leads, right, fold, photos, telling)
    assert with_both.uses.endswith("its number of photos, the photo's quality")
    assert with_both.evidence.photos < 0 < with_both.evidence.quality["contrast"].weight
    idle = fit(fused, leads, right, fold, random.integers(1, 9, len(right)), random.normal(size=(len(right), 3)))
    assert idle.evidence.photos == 0
    assert {term.weight for term in idle.evidence.quality.values()} == {0.0}
    assert log_loss(with_both.score, right) < log_loss(idle.score, right)


def test_trials_that_say_nothing_leave_evidence_near_the_share_that_is_right():
    random = np.random.default_rng(1)
    right = random.random(300) < 0.5
    fitted = fit(np.full(300, 0.5), random.normal(size=(300, 1)), right, np.arange(300) % 5)
    assert np.abs(fitted.score - 0.5).max() < 0.25
