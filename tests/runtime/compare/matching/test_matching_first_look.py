"""A first look finds the mutual nearest neighbours of the best few points, photo by photo."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from reid_edge.compare.matching import match_mutual_nearest
from reid_edge.compare.matching.first_look import match_first_look, to_fractions
from reid_edge.describe.keypoints import Keypoints


def keypoints(seed: int, count: int, dimension: int = 8) -> Keypoints:
    descriptors = np.random.default_rng(seed).normal(size=(count, dimension)).astype(np.float32)
    descriptors /= np.linalg.norm(descriptors, axis=1, keepdims=True)
    descriptors = descriptors.astype(np.float16).astype(np.float32)  # as a gallery stores them
    return Keypoints(
        np.zeros((count, 2), np.float32), np.ones(count, np.float32), descriptors, np.array([0, 0, 9, 9], np.float32)
    )


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    counts=st.lists(st.integers(0, 40), max_size=20),
    points=st.integers(1, 32),
    order=st.randoms(use_true_random=False),
)
def test_it_gives_what_whole_matching_gives_of_the_same_points_in_any_order(seed, counts, points, order) -> None:
    query = keypoints(seed, 30)
    photos = [keypoints(seed + 1 + number, count) for number, count in enumerate(counts)]
    order.shuffle(photos)
    block = np.array([to_fractions(photo.descriptors, points) for photo in photos], np.int16).reshape(-1, points, 8)
    found = match_first_look(query.first(points).descriptors, block, 0.3)
    plain = match_mutual_nearest(query.first(points), [photo.first(points) for photo in photos], 0.3)
    assert len(found) == len(plain)
    for one, other, photo in zip(found, plain, photos, strict=True):
        pairs, scores = dict(zip(one.query, one.scores, strict=True)), dict(zip(other.query, other.scores, strict=True))
        for row in set(pairs) ^ set(scores):  # only a tie, or a cosine at the limit, is decided otherwise
            cosines = query.descriptors[row] @ photo.first(points).descriptors.T
            best = np.sort(cosines)[::-1]
            column = query.first(points).descriptors @ photo.descriptors[cosines.argmax()]
            rivals = np.sort(column)[::-1]
            near = [abs(best[0] - 0.3), *(abs(best[0] - best[1:2])), *(abs(rivals[0] - rivals[1:2]))]
            assert min(near) < 1e-4
        assert all(abs(pairs[row] - scores[row]) < 1e-4 for row in set(pairs) & set(scores))


def test_a_photo_has_the_same_matches_alone_and_among_others_to_the_last_bit() -> None:
    query, photos = keypoints(0, 33), [keypoints(number, 25) for number in range(1, 20)]
    block = np.array([to_fractions(photo.descriptors, 25) for photo in photos])
    together = match_first_look(query.descriptors, block, 0.2)
    for row, expected in enumerate(together):
        (alone,) = match_first_look(query.descriptors, block[row : row + 1], 0.2)
        assert np.array_equal(alone.query, expected.query)
        assert np.array_equal(alone.candidate, expected.candidate)
        assert np.array_equal(alone.scores, expected.scores)


def test_photos_without_keypoints_and_queries_without_keypoints_match_nothing() -> None:
    none, some = to_fractions(np.empty((0, 8), np.float16), 5), to_fractions(keypoints(1, 9).descriptors, 5)
    assert none.shape == (5, 8)
    assert [len(found) for found in match_first_look(keypoints(1, 9).descriptors, np.array([none, some]), 0.1)] == [0, 5]
    assert [len(found) for found in match_first_look(np.empty((0, 8), np.float32), np.array([none, some]), 0.1)] == [0, 0]
    assert match_first_look(keypoints(1, 9).descriptors, np.empty((0, 5, 8), np.int16), 0.1) == []
