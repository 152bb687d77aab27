"""A person is asked as often as it takes to keep the wrong answers below the share that was named."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from reid_edge_calibration.band import Confidence, ask_band, confidence_of, effective_photos, sure_enough
from reid_edge_calibration.identity import fit_identity, fit_unknown, natural_weight
from reid_edge_calibration.threshold import choose_threshold
from reid_edge_calibration.trials import Trials


def draw(seed, individuals=60, photos=3):
    """Known animals and strangers in equal parts, whose evidence overlaps."""
    rng = np.random.default_rng(seed)
    known = np.repeat(np.arange(individuals) % 2 == 0, photos)
    score = np.clip(np.where(known, rng.beta(4, 2, len(known)), rng.beta(2, 4, len(known))), 0, 1)
    person = np.arange(individuals).repeat(photos)
    right = known & (rng.random(len(known)) < score**0.3)
    return Trials(score, right, known, person, np.zeros_like(person), np.zeros(len(known), bool), np.zeros((len(known), 3)))


def told(trials):
    return confidence_of(trials, trials.individual % 5, choose_threshold(trials))


def answered(probability, wrong):
    probability = np.array(probability)
    return Confidence(probability, np.array(wrong), np.ones(len(probability)))


def test_over_sets_of_labels_the_share_of_wrong_answers_on_new_photos_is_below_the_target():
    shares = {0.02: [], 0.05: [], 0.15: []}
    for seed in range(6):
        trials, future = draw(seed), draw(1000 + seed, 400)
        threshold, confidence = choose_threshold(trials), told(trials)
        identity, unknown = fit_identity(trials), fit_unknown(trials)
        wrong = np.where(future.score >= threshold, ~future.right, future.known)
        for target, found in shares.items():
            sure = sure_enough([confidence], target)
            band = ask_band(trials, confidence, identity, unknown, threshold, sure, 0)
            unattended = (future.score < band.ask_low) | (future.score > band.ask_high)
            found.append((wrong & unattended).mean())
    for target, found in shares.items():
        assert np.mean(found) <= target


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=30, max_size=80), st.floats(0.03, 0.3), st.floats(0.03, 0.3))
def test_a_stricter_target_never_lets_more_answers_out(answers, one, two):
    confidence = answered(*zip(*answers, strict=True))
    strict, lax = sorted((one, two))
    assert sure_enough([confidence], strict) >= sure_enough([confidence], lax)


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=80), st.floats(0.01, 0.3))
def test_what_goes_out_is_wrong_for_no_more_than_the_target_counting_one_more_wrong_photo(answers, target):
    confidence = answered(*zip(*answers, strict=True))
    sure = sure_enough([confidence], target)
    count = len(answers)
    out = confidence.probability >= sure
    if out.any():
        assert ((confidence.wrong & out).sum() + 1) / (count + 1) <= target + 1e-9


def test_labels_too_few_to_vouch_for_the_target_let_nothing_out():
    assert sure_enough([answered([0.99] * 10, [False] * 10)], 0.05) == math.inf
    assert sure_enough([answered([0.99] * 30, [False] * 30)], 0.05) == 0.99


def test_a_photo_that_is_asked_for_twice_vouches_once():
    """With its individual in the gallery and without it, it is two trials of one photo."""
    once = draw(3)
    known = once.only(once.known)
    twice = Trials(*(np.concatenate([getattr(known, name)] * 2) for name in vars(known)))
    removed = np.arange(len(twice.score)) >= len(known.score)
    twice = replace(twice, known=twice.known & ~removed, right=twice.right & ~removed, removed=removed)
    assert effective_photos(natural_weight(twice)) == len(known.score) == len(twice.score) / 2
    assert effective_photos(natural_weight(once)) == len(once.score)


def test_trials_without_a_mistake_vouch_for_no_more_than_their_number():
    """The rule of three: without an error in n, at most 3 / n with 95 % confidence; resampling them would say never."""
    for individuals in (10, 100):
        trials = draw(4, individuals)
        confidence = replace(told(trials), wrong=np.zeros(len(trials.score), bool))
        curves = fit_identity(trials), fit_unknown(trials)
        band = ask_band(trials, confidence, *curves, choose_threshold(trials), 0.5, 0)
        assert band.wrong == 0
        assert 0.8 * 3 / len(trials.score) < band.bound < 1.2 * 3 / len(trials.score)


def test_an_answer_that_is_as_likely_wrong_as_right_never_goes_out():
    assert sure_enough([answered([0.2] * 100, [False] * 100)], 0.5) == 0.5


def test_the_band_encloses_the_threshold_and_asks_always_where_nothing_may_go_out():
    trials = draw(1)
    threshold = choose_threshold(trials)
    curves = fit_identity(trials), fit_unknown(trials)
    for sure in (0.5, 0.8, 0.95):
        band = ask_band(trials, told(trials), *curves, threshold, sure, 0)
        assert 0 <= band.ask_low <= threshold <= band.ask_high <= 1
        assert band.wrong <= band.bound
    never = ask_band(trials, told(trials), *curves, threshold, math.inf, 0)
    assert (never.ask_low, never.ask_high, never.asked, never.wrong) == (0, 1, 1, 0)


def test_the_order_of_the_photos_changes_nothing():
    trials = draw(2)
    order = np.random.default_rng(0).permutation(len(trials.score))
    confidence = told(trials)
    shuffled = replace(confidence, **{name: getattr(confidence, name)[order] for name in vars(confidence)})
    assert sure_enough([shuffled], 0.05) == sure_enough([confidence], 0.05)
