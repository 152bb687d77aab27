"""What the evidence looks at is what holds for the trials that it was not fitted on."""

from __future__ import annotations

import numpy as np
import pytest

from reid_edge.decide.calibration.evidence import CHANCE, Standing
from reid_edge.decide.calibration.fusion import log_odds
from reid_edge_calibration.evidence import Seen, fit_evidence

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


def fit(fused, leads, right, fold, photos=None, quality=None, levels=None, others=6, absolute=True):
    number = np.arange(len(right))
    standing = Standing(
        fused,
        leads,
        np.zeros_like(leads) if levels is None else levels,
        np.ones(len(right), int) if photos is None else photos,
        np.broadcast_to(others, len(right)),
    )
    quality = np.zeros((len(right), 3)) if quality is None else quality
    seen = Seen(standing, quality, np.ones(len(NAMES)), np.full(len(NAMES), absolute))
    return fit_evidence(NAMES, seen, right, np.ones(len(right)), fold, number)


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
    level = evidence.levels["matches"] * (leads[0, 0] + np.log(other + CHANCE))
    logit = evidence.bias + evidence.fused * log_odds(fused[0]) + evidence.leads["matches"] * leads[0, 0] + level
    said = evidence([fused[0], 0.0], [[best], [other]], [1, 1], np.zeros(3))
    assert said[0] == pytest.approx(1 / (1 + np.exp(-logit - evidence.others * np.log(2))))


def test_a_level_is_evidence_where_leads_say_little_and_only_of_a_score_that_is_absolute():
    random = np.random.default_rng(2)
    right = random.random(400) < 0.5
    species = np.repeat([0, 1], 200)
    fused, leads = np.full(400, 0.5), random.normal(size=(400, 1))
    levels = random.normal(3, 0.5, (400, 1)) + 1.5 * right[:, None]
    absolute = fit(fused, leads, right, species, levels=levels)
    assert absolute.uses == "its leads and levels"
    assert absolute.evidence.levels["matches"] > 0
    assert log_loss(absolute.score, right) < 0.4  # measured 0.2; never looking is 0.69
    relative = fit(fused, leads, right, species, levels=levels, absolute=False)
    assert relative.evidence.levels == {"matches": 0.0}


def test_a_level_never_counts_against_an_individual():
    random = np.random.default_rng(4)
    right = random.random(400) < 0.5
    levels = random.normal(3, 0.5, (400, 1)) - 1.5 * right[:, None]
    assert (
        fit(np.full(400, 0.5), np.zeros((400, 1)), right, np.repeat([0, 1], 200), levels=levels).evidence.levels["matches"] == 0
    )


def test_many_photos_count_against_an_individual_never_for_it():
    random = np.random.default_rng(3)
    fused, leads, right, _ = herds([-1])
    fold = np.arange(len(right)) % 5
    few, many = random.integers(1, 6, len(right)), random.integers(4, 30, len(right))
    assert fit(fused, leads, right, fold, np.where(right, few, many)).evidence.photos < 0
    assert fit(fused, leads, right, fold, np.where(right, many, few)).evidence.photos == 0


def test_the_number_of_other_individuals_counts_whatever_its_sign():
    random = np.random.default_rng(5)
    fused, leads, right, _ = herds([-1])
    fold = np.arange(len(right)) % 5
    few, many = random.integers(1, 6, len(right)), random.integers(4, 30, len(right))
    assert fit(fused, leads, right, fold, others=np.where(right, few, many)).evidence.others < 0
    assert fit(fused, leads, right, fold, others=np.where(right, many, few)).evidence.others > 0


def test_the_quality_counts_where_it_tells_something_and_not_where_it_does_not():
    random = np.random.default_rng(3)
    fused, leads, right, _ = herds([-1])
    fold = np.arange(len(right)) % 5
    telling = np.column_stack((random.normal(size=(len(right), 2)), random.normal(size=len(right)) + 2 * right))
    with_it = fit(fused, leads, right, fold, quality=telling)
    assert with_it.uses.endswith("the photo's quality")
    assert with_it.evidence.quality["contrast"].weight > 0
    idle = fit(fused, leads, right, fold, quality=random.normal(size=(len(right), 3)))
    assert {term.weight for term in idle.evidence.quality.values()} == {0.0}
    assert log_loss(with_it.score, right) < log_loss(idle.score, right)


def test_trials_that_say_nothing_leave_evidence_near_the_share_that_is_right():
    random = np.random.default_rng(1)
    right = random.random(300) < 0.5
    fitted = fit(np.full(300, 0.5), random.normal(size=(300, 1)), right, np.arange(300) % 5)
    assert np.abs(fitted.score - 0.5).max() < 0.25
