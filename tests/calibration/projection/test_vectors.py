"""Labelled vectors know which pairs the runtime would compare, and refuse what is no vector."""

from __future__ import annotations

import numpy as np
import pytest

from reid_edge.errors import UsageError
from reid_edge_calibration.projection.retrieval import find_again
from reid_edge_calibration.projection.vectors import LabelledVectors


def test_only_pairs_from_two_encounters_and_of_one_side_tell_something():
    photos = LabelledVectors.of(
        np.eye(6),
        ["Ada"] * 6,
        ["1", "1", "2", "", "", "3"],
        ["left", "left", "left", "left", "", "right"],
    )
    assert photos.relevant.astype(int).tolist() == [
        [0, 0, 1, 1, 1, 0],
        [0, 0, 1, 1, 1, 0],
        [1, 1, 0, 1, 1, 0],
        [1, 1, 1, 0, 1, 0],  # an encounter that is not known is one of its own
        [1, 1, 1, 1, 0, 1],  # a side that is not known is compared with all
        [0, 0, 0, 0, 1, 0],
    ]


def test_individuals_of_two_sets_are_two_and_never_compared():
    photos = LabelledVectors.of(np.eye(4), ["Ada"] * 4, groups=["zebras", "zebras", "tigers", "tigers"])
    assert len(photos.telling) == 2
    assert photos.comparable.astype(int).tolist() == [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]]


def test_a_vector_of_zeros_is_left_out_and_counted():
    photos = LabelledVectors.of(np.array([[3.0, 4], [0, 0], [0, 2]]), ["Ada", "Bo", "Bo"])
    assert photos.left_out == 1
    assert photos.vectors.tolist() == [[0.6, 0.8], [0, 1]]


def test_a_value_that_is_no_number_is_refused_with_its_individual():
    with pytest.raises(UsageError, match=r"1 of 3 vectors .* the first is of Bo"):
        LabelledVectors.of(np.array([[1.0, 0], [np.nan, 1], [0, 1]]), ["Ada", "Bo", "Cy"])


def test_labels_of_another_number_are_refused():
    with pytest.raises(UsageError, match="3 vectors have 2 labels"):
        LabelledVectors.of(np.eye(3), ["Ada", "Bo"])


def test_average_precision_and_the_nearest_photo_are_counted_by_individual_without_the_photos_own_encounter():
    angles = np.radians([0, 1, 40, 20, 60])
    vectors = np.column_stack((np.cos(angles), np.sin(angles)))
    photos = LabelledVectors.of(vectors, ["Ada", "Ada", "Ada", "Bo", "Bo"], ["1", "1", "2", "3", "4"])
    found = find_again(photos)
    # Ada at 0 and 1: Bo at 20 lies before Ada at 40, so the precision is 1/2 twice. Ada at 40: Bo at 20 and 60 are nearer, or as near,
    # as the Adas at 39 and 40: precision (1/3 + 2/4) / 2. Bo at 20: all Adas but that at 40 are nearer; at 60: Ada at 40 is nearer.
    ada, bo = found[0], found[1]
    assert ada.average_precision == pytest.approx((0.5 + 0.5 + (1 / 3 + 2 / 4) / 2) / 3)
    assert bo.average_precision == pytest.approx((1 / 4 + 1 / 2) / 2)
    assert (ada.first, bo.first) == (0, 0)
