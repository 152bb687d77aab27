"""The geometry-aware matcher against kornia's on SIFT keypoints of the sample photos, and its laws.

On KeyNet with AffNet (512 and 1024 keypoints) and DISK (512) of 18 sample photos all 13,009 matches of 162 pairs were kornia's too, and no
others; scores differed by 4e-6 at most, by 0.003 between copies.
"""

from __future__ import annotations

import numpy as np
import pytest

from reid_edge.compare.matching import AffinePoints, Matches, match_fginn
from reid_edge.compare.matching.affine_points import DescriptorDistances, squared_distances


@pytest.fixture(scope="module")
def coats(sift_points) -> list[AffinePoints]:
    """Three photos of two animals."""
    return [sift_points(name, 300) for name in ("Asha/asha_1", "Asha/asha_2", "Baraka/baraka_1")]


def pairs(matches: Matches) -> list[tuple[int, int]]:
    return list(zip(matches.query.tolist(), matches.candidate.tolist(), strict=True))


def test_matches_and_distances_are_those_of_kornia(coats):
    torch = pytest.importorskip("torch", reason="compared with kornia, which needs torch")
    feature = pytest.importorskip("kornia.feature", reason="compared with kornia, which is not installed")
    matcher = feature.GeometryAwareDescriptorMatcher("fginn")
    lafs = [torch.from_numpy(np.concatenate((each.frames, each.xy[..., None]), axis=2))[None] for each in coats]
    descriptors = [torch.from_numpy(each.descriptors) for each in coats]
    total = 0
    for one in range(3):
        for two, found in enumerate(match_fginn(coats[one], coats, 0.0)):
            distances, rows = matcher(descriptors[one], descriptors[two], lafs[one], lafs[two])
            assert pairs(found) == list(map(tuple, rows.tolist()))
            tolerance = (
                0.005 if one == two else 2e-5
            )  # between copies kornia takes the root of what rounding leaves; measured 0.0016, else 3e-6
            assert np.allclose(1 - found.scores, distances[:, 0].numpy(), atol=tolerance)
            total += len(found)
    assert total > 800  # measured 885


def test_close_neighbours_are_no_rivals_and_far_ones_are():
    """One keypoint of the query; the candidate has it twice, and the second stands nearer and nearer."""
    query = AffinePoints(np.zeros((1, 2), np.float32), np.float32([[1, 0, 0]]), np.eye(2, dtype=np.float32)[None])
    descriptors = np.float32([[1, 0.1, 0], [1, 0.11, 0], [0, 0, 1]])
    frames = np.tile(np.eye(2, dtype=np.float32), (3, 1, 1))
    scores = {}
    for pixels in (9.5, 10.5):
        candidate = AffinePoints(np.float32([[50, 50], [50 + pixels, 50], [0, 0]]), descriptors, frames)
        (found,) = match_fginn(query, [candidate], 0.0)
        scores[pixels] = found.scores.tolist()
    assert scores[10.5] == []
    assert scores[9.5] == pytest.approx([1 - 0.1 / 2**0.5], abs=1e-4)


def test_where_all_of_the_ten_nearest_are_close_the_match_is_certain():
    query = AffinePoints(np.zeros((1, 2), np.float32), np.float32([[1, 0]]), np.eye(2, dtype=np.float32)[None])
    angles = np.linspace(0.1, 1.0, 11)
    descriptors = np.stack((np.cos(angles), np.sin(angles)), axis=1).astype(np.float32)
    frames = np.tile(np.eye(2, dtype=np.float32), (11, 1, 1))
    for far, score in ((10, 1.0), (9, 1 - np.sin(0.05) / np.sin(angles[9] / 2))):
        xy = np.zeros((11, 2), np.float32)
        xy[far] = 99
        (found,) = match_fginn(query, [AffinePoints(xy, descriptors, frames)], 0.0)
        assert found.scores.tolist() == pytest.approx([score], abs=1e-5)


def test_a_copy_matches_itself_with_all_its_keypoints(coats):
    for points in coats:
        assert pairs(match_fginn(points, [points], 0.0)[0]) == [(row, row) for row in range(len(points))]


def test_each_candidate_has_its_own_matches_whatever_stands_beside_it(coats):
    query, *candidates = coats
    together = match_fginn(query, candidates, 0.0)
    backwards = match_fginn(query, candidates[::-1], 0.0)[::-1]
    for one, two in zip(together, backwards, strict=True):
        assert pairs(one) == pairs(two)
        assert np.array_equal(one.scores, two.scores)


def test_of_a_higher_limit_fewer_matches_are_left_and_all_are_above_it(coats):
    found = {limit: match_fginn(coats[0], [coats[1]], limit)[0] for limit in (-1.0, 0.0, 0.3, 0.6, 1.0)}
    counts = [len(matches) for matches in found.values()]
    assert counts == sorted(counts, reverse=True)
    assert counts[1] > counts[2] > counts[4] == 0
    assert all((matches.scores > limit).all() for limit, matches in found.items())


def test_without_two_keypoints_to_choose_from_there_are_no_matches(coats):
    some = coats[0]
    few = [AffinePoints(some.xy[:count], some.descriptors[:count], some.frames[:count]) for count in (0, 1)]
    assert [len(matches) for matches in match_fginn(some, few, 0.0)] == [0, 0]
    assert len(match_fginn(few[0], [some], 0.0)[0]) == 0
    assert len(match_fginn(few[1], [some], 0.0)[0]) == 1
    assert match_fginn(some, [], 0.0) == []


def test_memory_that_candidates_share_leaves_nothing_of_one_to_the_next() -> None:
    random = np.random.default_rng(3)
    query, *others = (random.normal(size=(rows, 16)).astype(np.float32) for rows in (20, 30, 7, 25))
    shared = DescriptorDistances(query)
    for other in others:
        np.testing.assert_array_equal(shared.to(other), squared_distances(query, other))
