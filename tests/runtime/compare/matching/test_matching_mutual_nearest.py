"""Mutual nearest neighbours: the definition, word for word, and the same in batches."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from reid_edge.compare.matching import match_mutual_nearest
from reid_edge.describe.keypoints import Keypoints


def drawn(random: np.random.Generator, count: int, dimension: int = 8) -> Keypoints:
    descriptors = random.normal(size=(count, dimension)).astype(np.float32)
    descriptors /= np.linalg.norm(descriptors, axis=1, keepdims=True)
    return Keypoints(np.zeros((count, 2), np.float32), np.ones(count, np.float32), descriptors, np.float32([0, 0, 9, 9]))


def pairs(matches) -> set[tuple[int, int]]:
    return set(zip(matches.query.tolist(), matches.candidate.tolist(), strict=True))


def naive(query: Keypoints, candidate: Keypoints, min_score: float) -> set[tuple[int, int]]:
    similarity = query.descriptors.astype(np.float64) @ candidate.descriptors.astype(np.float64).T
    return {
        (row, column)
        for row in range(len(query))
        for column in range(len(candidate))
        if similarity[row].argmax() == column and similarity[:, column].argmax() == row and similarity[row, column] > min_score
    }


seeds, counts, floors = st.integers(0, 10**6), st.integers(0, 40), st.sampled_from([-1.0, 0.0, 0.5])


@given(seed=seeds, n=counts, m=counts, min_score=floors)
def test_it_is_the_definition(seed, n, m, min_score):
    random = np.random.default_rng(seed)
    query, candidate = drawn(random, n), drawn(random, m)
    (matches,) = match_mutual_nearest(query, [candidate], min_score)
    assert pairs(matches) == naive(query, candidate, min_score)
    assert (matches.scores > min_score).all()
    if len(matches):
        cosines = (query.descriptors[matches.query] * candidate.descriptors[matches.candidate]).sum(axis=1)
        assert np.allclose(matches.scores, cosines, atol=1e-6)


@given(seed=seeds, n=counts, m=counts, min_score=floors)
def test_it_does_not_matter_which_of_the_two_is_the_query(seed, n, m, min_score):
    random = np.random.default_rng(seed)
    one, two = drawn(random, n), drawn(random, m)
    (forth,), (back,) = match_mutual_nearest(one, [two], min_score), match_mutual_nearest(two, [one], min_score)
    assert pairs(forth) == {(a, b) for b, a in pairs(back)}


@settings(max_examples=40)
@given(seed=seeds, counts=st.lists(counts, max_size=20), shuffle=st.randoms(use_true_random=False))
def test_each_candidate_has_its_own_matches_whatever_stands_beside_it(seed, counts, shuffle):
    random = np.random.default_rng(seed)
    query, candidates = drawn(random, 30), [drawn(random, count) for count in counts]
    alone = [pairs(match_mutual_nearest(query, [candidate], 0.2)[0]) for candidate in candidates]
    order = list(range(len(candidates)))
    shuffle.shuffle(order)
    together = match_mutual_nearest(query, [candidates[place] for place in order], 0.2)
    assert [pairs(matches) for matches in together] == [alone[place] for place in order]


def test_a_photo_matches_itself_keypoint_by_keypoint():
    photo = drawn(np.random.default_rng(0), 50, 64)
    (matches,) = match_mutual_nearest(photo, [photo], 0.82)
    assert pairs(matches) == {(row, row) for row in range(50)}


def test_without_keypoints_there_are_no_matches():
    some, none = drawn(np.random.default_rng(0), 5), drawn(np.random.default_rng(0), 0)
    assert [len(matches) for matches in match_mutual_nearest(none, [some, none], -1)] == [0, 0]
    assert [len(matches) for matches in match_mutual_nearest(some, [none, some, none], -1)] == [0, 5, 0]
    assert match_mutual_nearest(some, [], -1) == []
