"""A projection is fitted from no change on, on photos in any order, and helps where a few directions tell individuals apart."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reid_edge.errors import UsageError
from reid_edge_calibration.projection.fit import LARGEST_RANK, Projection, fit_projection
from reid_edge_calibration.projection.retrieval import find_again
from reid_edge_calibration.projection.vectors import LabelledVectors, unit


def mean_average_precision(photos):
    return np.mean([found.average_precision for found in find_again(photos).values()])


def relative(one, other):
    return np.abs(one - other).max() / np.abs(other).max()


@given(st.integers(0, 1000), st.integers(1, 5))
@settings(max_examples=25, deadline=None)
def test_no_change_changes_no_ranking(seed, rank):
    random = np.random.default_rng(seed)
    vectors = unit(random.normal(size=(12, 9)))
    nothing = Projection(random.normal(size=(9, rank)), np.zeros((rank, 9)))
    projected = unit(nothing.apply(vectors))
    np.testing.assert_array_equal(np.argsort(vectors @ vectors.T), np.argsort(projected @ projected.T))


def test_the_stronger_the_decay_the_nearer_to_no_change(synthetic):
    photos = synthetic()
    change = [np.linalg.norm((p := fit_projection(photos, decay, [40])[40]).down @ p.up) for decay in (1e6, 1.0, 0.01)]
    assert change[0] < 1e-4 < change[1] < change[2]


def test_the_order_of_the_photos_does_not_matter(synthetic):
    photos = synthetic(single=3)
    order = np.random.default_rng(5).permutation(len(photos))
    moved = LabelledVectors(
        *(getattr(photos, field)[order] for field in ("vectors", "individual", "encounter", "viewpoint", "group"))
    )
    probe = np.eye(photos.vectors.shape[1])
    one, other = (fit_projection(which, 0.1, [15])[15].apply(probe) for which in (photos, moved))
    assert relative(one, other) < 1e-4  # measured 1e-9


def test_individuals_that_were_not_fitted_on_are_told_apart_better_where_few_directions_tell(synthetic):
    unseen = synthetic(seed=100)
    projection = fit_projection(synthetic(seed=0), 0.1, [40])[40]
    before = mean_average_precision(unseen)
    after = mean_average_precision(unseen.projected(projection.apply(unseen.vectors)))
    assert (before, after) == (pytest.approx(BEFORE, abs=0.05), pytest.approx(AFTER, abs=0.05))


BEFORE, AFTER = 0.186, 0.590


def test_individuals_with_one_photo_do_no_harm(synthetic):
    unseen = synthetic(seed=100)
    projection = fit_projection(synthetic(seed=0, single=10), 0.1, [40])[40]
    assert mean_average_precision(unseen.projected(projection.apply(unseen.vectors))) > AFTER - 0.05


def test_directions_that_no_photo_shows_stay_as_they_are():
    random = np.random.default_rng(1)
    rows = np.hstack((random.normal(size=(20, 6)), np.zeros((20, 4))))
    projection = fit_projection(LabelledVectors.of(rows, [str(number // 2) for number in range(20)]), 0.01, [20])[20]
    unseen = np.hstack((np.zeros((4, 6)), np.eye(4)))
    np.testing.assert_allclose(projection.apply(unseen), unseen, atol=1e-12)


@pytest.mark.parametrize(("count", "width"), [(30, 200), (200, 90)])
def test_the_directions_are_as_many_as_the_photos_have_and_64_at_most(count, width):
    random = np.random.default_rng(2)
    photos = LabelledVectors.of(random.normal(size=(count, width)), [str(number // 3) for number in range(count)])
    projection = fit_projection(photos, 1.0, [2])[2]
    assert projection.down.shape == (width, min(count, LARGEST_RANK))
    np.testing.assert_allclose(projection.down.T @ projection.down, np.eye(projection.down.shape[1]), atol=1e-9)


def test_one_individual_is_refused():
    with pytest.raises(UsageError, match="2 individuals or more"):
        fit_projection(LabelledVectors.of(np.eye(4), ["Ada"] * 4), 0.1, [5])


def test_the_two_sides_of_an_individual_are_not_told_apart():
    # Of each of 6 individuals two photos of the left side and two of the right, which differ in the last direction and in nothing else.
    random = np.random.default_rng(3)
    place = np.repeat(random.normal(size=(6, 5)), 4, axis=0) + random.normal(0, 0.3, (24, 5))
    sides = ["left", "left", "right", "right"] * 6
    rows = np.column_stack((place, [1.0 if side == "left" else -1.0 for side in sides]))
    names = [str(number // 4) for number in range(24)]
    along = {}
    for told, viewpoints in {"told": sides, "not told": None}.items():
        change = fit_projection(LabelledVectors.of(rows, names, viewpoints=viewpoints), 0.01, [40])[40].apply(np.eye(6))
        along[told] = change[5, 5] / np.linalg.norm(change[:5, :5], 2)
    # Where the side is told nobody has to be told from another side, nor be drawn to it; where it is not, the side is in the way.
    assert along["not told"] < 0.8 * along["told"]  # measured 0.67
