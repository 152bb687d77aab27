"""A match counts by how much more it resembles its individual than any other one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reid_edge.compare.matching import Matches
from reid_edge.compare.matching.distinctive import distinctive_scores


def plain(keypoints: int, found: list[Matches], owners: list[str]) -> list[float]:
    """The definition, keypoint by keypoint."""

    def cosine(keypoint: int, matches: Matches) -> float:
        return max((float(s) for i, s in zip(matches.query, matches.scores, strict=True) if i == keypoint), default=0.0)

    scores = []
    for matches, owner in zip(found, owners, strict=True):
        rivals = [each for each, other in zip(found, owners, strict=True) if other != owner]
        scores.append(
            sum(
                max(0.0, cosine(keypoint, matches) - max(cosine(keypoint, rival) for rival in rivals))
                for keypoint in range(keypoints)
            )
        )
    return scores


@st.composite
def comparisons(draw: st.DrawFn) -> tuple[int, list[Matches], list[str]]:
    keypoints = draw(st.integers(1, 6))
    owners = draw(st.lists(st.sampled_from("abc"), min_size=2, max_size=6).filter(lambda names: len(set(names)) > 1))
    found = []
    for _ in owners:
        query = np.array(sorted(draw(st.sets(st.integers(0, keypoints - 1)))), np.int64)
        scores = np.array([draw(st.integers(51, 99)) / 100 for _ in query], np.float32)
        found.append(Matches(query, np.zeros(len(query), np.int64), scores))
    return keypoints, found, owners


@given(comparisons())
def test_it_is_the_sum_over_keypoints_of_what_the_nearest_other_individual_lacks(comparison):
    keypoints, found, owners = comparison
    assert distinctive_scores(keypoints, found, owners) == pytest.approx(plain(keypoints, found, owners), abs=1e-6)


@given(comparisons(), st.randoms(use_true_random=False))
def test_the_order_of_candidates_and_the_names_of_individuals_change_no_score(comparison, random):
    keypoints, found, owners = comparison
    order = list(range(len(found)))
    random.shuffle(order)
    again = distinctive_scores(keypoints, [found[row] for row in order], [f"x{owners[row]}" for row in order])
    assert (again == distinctive_scores(keypoints, found, owners)[order]).all()


@given(comparisons())
def test_a_copy_of_a_photo_changes_no_score(comparison):
    keypoints, found, owners = comparison
    with_copy = distinctive_scores(keypoints, [*found, found[0]], [*owners, owners[0]])
    assert (with_copy[:-1] == distinctive_scores(keypoints, found, owners)).all()
    assert with_copy[-1] == with_copy[0]


def test_a_single_individual_has_no_distinctive_score_because_nobody_is_there_to_compare_it_with():
    one = Matches(np.array([0]), np.array([0]), np.array([0.9], np.float32))
    assert np.isnan(distinctive_scores(1, [one, one], ["a", "a"])).all()
