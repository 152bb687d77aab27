"""A projection is kept where individuals that it was not fitted on are told apart better, and only there."""

from __future__ import annotations

import numpy as np
import pytest

from reid_edge_calibration.projection.choice import FEWEST_INDIVIDUALS, choose_projection
from reid_edge_calibration.projection.retrieval import find_again
from reid_edge_calibration.projection.vectors import LabelledVectors


def test_it_is_kept_where_few_directions_tell_and_cross_validation_tells_the_gain_on_strangers(synthetic, silent):
    choice = choose_projection(synthetic(individuals=30), silent)
    assert choice.projection is not None
    assert choice.gain.individuals == 30
    strangers = synthetic(seed=50, individuals=60)
    # Cross-validation holds out 6 individuals at a time, so the strangers are asked 6 at a time too.
    before, after = [], []
    for start in range(0, 60, 6):
        few = strangers.part((strangers.individual >= start) & (strangers.individual < start + 6))
        before += [found.average_precision for found in find_again(few).values()]
        after += [found.average_precision for found in find_again(few.projected(choice.projection.apply(few.vectors))).values()]
    gain = np.mean(after) - np.mean(before)
    assert gain > 0.45  # measured 0.60
    assert choice.gain.map_gain == pytest.approx(gain, abs=0.1)  # measured 0.58


def test_it_is_not_kept_where_there_is_nothing_to_learn(synthetic, silent):
    kept = [choose_projection(synthetic(seed, individuals=12, signal=0.0), silent).projection is not None for seed in range(4)]
    assert sum(kept) <= 1  # measured 1 of 12: one standard error lets noise pass now and then


def test_the_order_of_the_photos_does_not_change_the_decision(synthetic, silent):
    photos = synthetic(seed=3, nuisance=1.0)
    order = np.random.default_rng(0).permutation(len(photos))
    moved = LabelledVectors(
        *(getattr(photos, field)[order] for field in ("vectors", "individual", "encounter", "viewpoint", "group"))
    )
    one, other = choose_projection(photos, silent), choose_projection(moved, silent)
    assert one.setting == other.setting
    assert one.gain.map_gain == pytest.approx(other.gain.map_gain, abs=1e-3)


def test_the_same_seed_gives_the_same_projection(synthetic, silent):
    one, other = (choose_projection(synthetic(individuals=9), silent, seed=7) for _ in range(2))
    np.testing.assert_array_equal(one.projection.up, other.projection.up)


@pytest.mark.parametrize("individuals", [1, 2, FEWEST_INDIVIDUALS - 1])
def test_too_few_individuals_leave_everything_as_it_is_and_say_how_many_are_needed(synthetic, silent, individuals):
    choice = choose_projection(synthetic(individuals=individuals, single=9), silent)
    assert choice.projection is None
    assert f"{FEWEST_INDIVIDUALS} of a labelled set" in choice.reason
    assert f"and {individuals} have" in choice.reason
    assert choice.figures() == {"kept": False, "reason": choice.reason, "decay": None, "iterations": 0}


def test_individuals_with_photos_of_one_encounter_do_not_count(silent):
    random = np.random.default_rng(0)
    names = [f"animal {number // 3}" for number in range(30)]
    choice = choose_projection(LabelledVectors.of(random.normal(size=(30, 8)), names, ["the same"] * 30), silent)
    assert "and 0 have" in choice.reason


def test_individuals_that_are_never_compared_with_each_other_are_not_measured(silent):
    random = np.random.default_rng(0)
    names = [f"animal {number // 3}" for number in range(18)]
    sides = [f"side {number // 3}" for number in range(18)]
    choice = choose_projection(LabelledVectors.of(random.normal(size=(18, 8)), names, viewpoints=sides), silent)
    assert choice.projection is None
    assert choice.reason.startswith("No individual has a photo")


def test_a_set_that_it_makes_worse_forbids_it(synthetic, silent):
    # What tells the individuals of one set apart is what changes from photo to photo in the other.
    one, other = synthetic(seed=1, individuals=30, nuisance=2.0), synthetic(seed=2, individuals=9, nuisance=2.0)
    turned = np.hstack((other.vectors[:, 8:16], other.vectors[:, :8], other.vectors[:, 16:]))
    names = [f"one {number}" for number in one.individual] + [f"other {number}" for number in other.individual]
    groups = ["one"] * len(one) + ["other"] * len(other)
    both = LabelledVectors.of(np.vstack((one.vectors, turned)), names, groups=groups)
    choice = choose_projection(both, silent)
    assert choice.projection is None
    assert choice.gain.map_gain > choice.gain.map_error
    assert choice.by_group[1].harms
    assert "one of the labelled sets worse" in choice.reason
