"""AdaLAM against kornia's on SIFT keypoints of the sample photos, and its laws.

On KeyNet with AffNet (512 and 1024 keypoints, affine frames) and DISK (512, none) of 18 sample photos all 27,295 matches of 270 pairs
were kornia's too, and no others.
"""

from __future__ import annotations

import numpy as np
import pytest

from reid_edge.compare.matching import AffinePoints, Matches, match_adalam


@pytest.fixture(scope="module")
def coats(sift_points) -> list[AffinePoints]:
    """Three photos of two animals."""
    return [sift_points(name, 300) for name in ("Asha/asha_1", "Asha/asha_2", "Baraka/baraka_1")]


def pairs(matches: Matches) -> list[tuple[int, int]]:
    return list(zip(matches.query.tolist(), matches.candidate.tolist(), strict=True))


def bare(points: AffinePoints) -> AffinePoints:
    """As of a detector without frames."""
    return AffinePoints(points.xy, points.descriptors, np.tile(np.eye(2, dtype=np.float32), (len(points), 1, 1)))


def by_kornia(one: AffinePoints, two: AffinePoints) -> dict[tuple[int, int], float]:
    torch = pytest.importorskip("torch", reason="compared with kornia, which needs torch")
    feature = pytest.importorskip("kornia.feature", reason="compared with kornia, which is not installed")
    lafs = [torch.from_numpy(np.concatenate((each.frames, each.xy[..., None]), axis=2))[None] for each in (one, two)]
    descriptors = [torch.from_numpy(each.descriptors) for each in (one, two)]
    distances, rows = feature.match_adalam(*descriptors, *lafs)
    return dict(zip(map(tuple, rows.tolist()), distances[:, 0].tolist(), strict=True))


def test_the_matches_are_those_of_kornia(coats):
    """Where several neighbourhoods accept a match, kornia gives the confidence of any one of them, so scores agree within its range."""
    voted = 0
    for points in (coats, [bare(each) for each in coats]):
        for one in points:
            for two, found in zip(points, match_adalam(one, points, 0.0), strict=True):
                expected = by_kornia(one, two)
                assert pairs(found) == list(expected)
                assert np.allclose(found.scores, [1 - distance for distance in expected.values()], atol=0.005)
                voted += len(found)
    assert voted > 1800  # measured 1938


def test_where_no_neighbourhood_is_large_enough_the_ratio_decides_as_with_kornia(coats):
    few = [AffinePoints(each.xy[:5], each.descriptors[:5], each.frames[:5]) for each in coats]
    (found,) = match_adalam(few[0], [few[1]], 0.0)
    expected = by_kornia(few[0], few[1])
    assert pairs(found) == list(expected)
    assert len(found) > 0
    assert found.scores == pytest.approx([1 - distance for distance in expected.values()], abs=1e-5)


def test_a_copy_matches_keypoint_by_keypoint(coats):
    for points in coats:
        (found,) = match_adalam(points, [points], 0.0)
        assert set(pairs(found)) <= {(row, row) for row in range(len(points))}
        assert len(found) > 0.9 * len(points)  # those without neighbours have no vote; measured 0.94


def test_each_candidate_has_its_own_matches_whatever_stands_beside_it(coats):
    query, *others = coats
    candidates = [*others, query]
    together = match_adalam(query, candidates, 0.0)
    alone = [match_adalam(query, [candidate], 0.0)[0] for candidate in candidates]
    backwards = match_adalam(query, candidates[::-1], 0.0)[::-1]
    for one, two, three in zip(together, alone, backwards, strict=True):
        assert pairs(one) == pairs(two) == pairs(three)
        assert np.allclose(one.scores, two.scores, atol=1e-5)
        assert np.allclose(one.scores, three.scores, atol=1e-5)


def test_the_size_of_a_picture_and_how_it_is_turned_change_nothing(coats):
    one, two, _ = coats
    quarter = np.array([[0, 1], [-1, 0]], np.float32)
    turned = AffinePoints(two.xy @ quarter.T * 2, two.descriptors, 2 * quarter @ two.frames)
    (found,), (again,) = match_adalam(one, [two], 0.0), match_adalam(one, [turned], 0.0)
    assert len(found) > 20
    assert len(set(pairs(found)) ^ set(pairs(again))) <= 0.02 * len(found)  # at thresholds rounding decides; measured 0


def test_of_a_higher_limit_fewer_matches_are_left(coats):
    counts = [len(match_adalam(coats[0], coats[1:2], limit)[0]) for limit in (-1.0, 0.0, 0.998, 0.9996, 1.0)]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] == counts[1] > counts[3] > counts[4] == 0


def test_without_keypoints_there_are_no_matches(coats):
    some = coats[0]
    few = [AffinePoints(some.xy[:count], some.descriptors[:count], some.frames[:count]) for count in (0, 1)]
    assert [len(matches) for matches in match_adalam(some, few, 0.0)] == [0, 0]
    assert [len(match_adalam(each, [some, *few], 0.0)[0]) for each in few] == [0, 0]
    assert match_adalam(some, [], 0.0) == []
