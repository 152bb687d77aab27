"""What the references count of matches is what the definitions say, and what the runtime counts."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reid_edge.compare.matching import Matches
from reid_edge.compare.matching.distinctive import distinctive_scores
from reid_edge.compare.matching.inliers import count_inliers
from reid_edge.describe.keypoints import Keypoints
from reid_edge.recipe import Match
from reid_edge_benchmarks.references.scores import MatchedPair, count, distinctive

KEYPOINTS = 12
SIMILAR = Match("verified", "points", "mutual-nearest", 0.5, count="inliers", geometry="similarity", inlier_pixels=25)
COUNTS = {
    "matches": Match("m", "points", "mutual-nearest", 0.5),
    "share": Match("s", "points", "mutual-nearest", 0.5, count="share"),
    "inliers of a homography": Match("h", "points", "mutual-nearest", 0.5, count="inliers", inlier_pixels=25),
    "inliers of a similarity": SIMILAR,
}


def pair(rows: Sequence[int], scores: Sequence[float]) -> MatchedPair:
    places = np.zeros((len(rows), 2))
    return MatchedPair(np.array(rows, np.int64), np.array(scores, np.float32), places, places, 1, 1)


@st.composite
def found(draw: st.DrawFn) -> tuple[list[MatchedPair], list[str]]:
    """Matches of one query with up to eight photos of up to four individuals; equal cosines are likely."""
    pairs, owners = [], []
    for _ in range(draw(st.integers(1, 8))):
        rows = draw(st.lists(st.integers(0, KEYPOINTS - 1), unique=True, max_size=KEYPOINTS))
        pairs.append(pair(rows, draw(st.lists(st.sampled_from([0.5, 0.6, 0.75, 1.0]), min_size=len(rows), max_size=len(rows)))))
        owners.append(draw(st.sampled_from("ABCD")))
    return pairs, owners


@given(found())
def test_distinctive_is_the_sum_of_how_far_each_keypoint_is_ahead_of_all_other_individuals(
    case: tuple[list[MatchedPair], list[str]],
) -> None:
    pairs, owners = case
    cosines = [dict(zip(each.rows.tolist(), each.scores.tolist(), strict=True)) for each in pairs]
    scores = distinctive(KEYPOINTS, pairs, owners)
    for mine, owner, score in zip(cosines, owners, scores, strict=True):
        others = [theirs for theirs, other in zip(cosines, owners, strict=True) if other != owner]
        if not others:
            assert math.isnan(score)
            continue
        ahead = [cosine - max(theirs.get(keypoint, 0.0) for theirs in others) for keypoint, cosine in mine.items()]
        assert score == pytest.approx(sum(max(0.0, each) for each in ahead))


@given(found())
def test_the_runtime_gives_the_same_distinctive_scores(case: tuple[list[MatchedPair], list[str]]) -> None:
    pairs, owners = case
    matches = [Matches(each.rows, each.rows, np.asarray(each.scores, np.float32)) for each in pairs]
    expected = distinctive_scores(KEYPOINTS, matches, owners)
    assert np.allclose(distinctive(KEYPOINTS, pairs, owners), expected, atol=1e-6, equal_nan=True)


@pytest.mark.parametrize("match", COUNTS.values(), ids=COUNTS)
@pytest.mark.parametrize("moved", [0, 3, 40])
def test_the_runtime_counts_the_same_of_a_turned_animal(match: Match, moved: int) -> None:
    """40 keypoints of an animal of 800 x 600 pixels, seen again a tenth smaller and turned by 20 degrees, `moved` of them elsewhere."""
    random = np.random.default_rng(moved)
    xy = random.uniform((0, 0), (800, 600), (40, 2)).astype(np.float32)
    turn = np.deg2rad(20)
    again = (0.9 * xy @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])).astype(np.float32) + 7
    again[:moved] = random.uniform((0, 0), (800, 600), (moved, 2))
    rows, scores = np.arange(40), np.full(40, 0.9, np.float32)
    query, candidate = (
        Keypoints(places, scores, np.zeros((40, 4), np.float32), np.array([0, 0, 800, 600], np.float32)) for places in (xy, again)
    )
    expected = {
        "matches": 40.0,
        "share": 1.0,
        "inliers": float(count_inliers(query, candidate, Matches(rows, rows, scores), 25, match.geometry)),
    }[match.count]
    (score,) = count(match, 40, [MatchedPair(rows, scores, xy, again, 800, 800)], ["A"])
    assert score == expected
    if match.count == "inliers":
        assert score >= 40 - moved


def test_an_animal_that_is_four_times_as_large_is_not_verified() -> None:
    xy = np.random.default_rng(0).uniform(0, 800, (40, 2))
    rows, scores = np.arange(40), np.full(40, 0.9)
    assert count(SIMILAR, 40, [MatchedPair(rows, scores, xy / 2, xy, 800, 800)], ["A"]) == [40]
    assert count(SIMILAR, 40, [MatchedPair(rows, scores, xy / 4, xy, 800, 800)], ["A"]) == [0]


def test_three_matches_verify_nothing() -> None:
    assert count(SIMILAR, 3, [pair([0, 1, 2], [0.9, 0.9, 0.9])], ["A"]) == [0]
