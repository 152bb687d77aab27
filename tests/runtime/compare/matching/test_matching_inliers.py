"""Inliers of a homography: those that were put there are found, the same ones every time, and never more than there are matches."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reid_edge.compare.matching import Matches, count_inliers
from reid_edge.describe.keypoints import Keypoints

HOMOGRAPHY = np.array([[0.9, 0.2, 30], [-0.1, 1.1, 20], [1e-4, -2e-4, 1]])


def seen(xy: np.ndarray, width: float = 512, height: float = 400) -> Keypoints:
    count = len(xy)
    region = np.float32([100, 50, 100 + width, 50 + height])
    return Keypoints(xy.astype(np.float32) + region[:2], np.ones(count, np.float32), np.ones((count, 1), np.float32), region)


def in_order(count: int) -> Matches:
    return Matches(np.arange(count), np.arange(count), np.ones(count, np.float32))


def drawn(seed: int, right: int, wrong: int, noise: float = 0.5) -> tuple[Keypoints, Keypoints]:
    """Keypoints of which the first `right` lie on the homography, give or take noise, and the others anywhere."""
    random = np.random.default_rng(seed)
    source = random.uniform((0, 0), (512, 400), (right + wrong, 2))
    homogeneous = np.c_[source, np.ones(len(source))] @ HOMOGRAPHY.T
    target = homogeneous[:, :2] / homogeneous[:, 2:] + random.normal(0, noise, source.shape)
    target[right:] = random.uniform((0, 0), (512, 400), (wrong, 2))
    return seen(source), seen(target)


def test_matches_on_the_homography_are_counted_and_others_are_not():
    query, candidate = drawn(0, 60, 40)
    assert 57 <= count_inliers(query, candidate, in_order(100), 3.0) <= 63  # measured 60


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), right=st.integers(0, 20), wrong=st.integers(0, 20), pixels=st.sampled_from([0.5, 3.0, 20.0]))
def test_there_are_at_most_as_many_as_matches_and_always_as_many(seed, right, wrong, pixels):
    query, candidate = drawn(seed, right, wrong)
    matches = in_order(right + wrong)
    count = count_inliers(query, candidate, matches, pixels)
    assert count == 0 or 4 <= count <= len(matches)
    cv2.setRNGSeed(seed)
    assert count_inliers(query, candidate, matches, pixels) == count


def test_fewer_than_four_matches_are_no_inliers():
    query, candidate = drawn(0, 9, 0, noise=0)
    assert [count_inliers(query, candidate, in_order(count), 3.0) for count in (0, 3, 9)] == [0, 0, 9]


@pytest.mark.parametrize("same", ["place", "line"])
def test_copies_on_one_place_or_line_are_all_inliers_or_none(same):
    steps = np.zeros((12, 1)) if same == "place" else np.linspace(0, 100, 12)[:, None]
    points = seen(np.float32([50, 60]) + steps * np.float32([2, 1]))
    assert count_inliers(points, points, in_order(12), 3.0) in (0, 12)  # measured 0 on one place, 12 on a line


def test_pixels_are_those_of_a_chip_512_pixels_long():
    """The same animal, photographed from nearer: neither its chip's size nor its place changes what is counted."""
    query, candidate = drawn(3, 40, 40, noise=2.0)
    near = [seen((each.xy - each.region[:2]) * 4, 2048, 1600) for each in (query, candidate)]
    counts = [count_inliers(query, candidate, in_order(80), pixels) for pixels in (1.0, 4.0)]
    assert [count_inliers(*near, in_order(80), pixels) for pixels in (1.0, 4.0)] == counts
    assert 4 <= counts[0] < 20 < counts[1] <= 45  # measured 6 and 35


def test_a_turned_chip_is_compared_as_turned():
    query, candidate = drawn(1, 60, 40)
    turned = replace(candidate, turn=90)
    assert count_inliers(query, turned, in_order(100), 3.0) >= 57
