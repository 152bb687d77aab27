"""k-reciprocal re-ranking is the published algorithm, and keeps what a ranking has right already.

The reference is written from the paper's equations with sets, image by image; where the paper and its authors' program differ (at least,
or strictly more than two thirds; plain or squared and scaled distances), it follows the program, whose figures are the published ones.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reid_edge.compare.reranking import jaccard_distances, rerank


def reference(query_gallery, query_query, gallery_gallery, k1, k2, share):
    """Equations 1 to 12 of Zhong et al. 2017."""
    queries, images = len(query_gallery), len(query_gallery) + len(gallery_gallery)
    distance = {}
    for i in range(images):
        for j in range(images):
            if i < queries:
                d = query_query[i, j] if j < queries else query_gallery[i, j - queries]
            else:
                d = query_gallery[j, i - queries] if j < queries else gallery_gallery[i - queries, j - queries]
            distance[i, j] = float(d) ** 2
    largest = {i: max(distance[i, j] for j in range(images)) for i in range(images)}
    distance = {(i, j): d / largest[i] for (i, j), d in distance.items()}

    def neighbours(i, k):
        """Equation 2, the probe itself beside its k neighbours."""
        return sorted(range(images), key=lambda j: distance[i, j])[: k + 1]

    def reciprocal(i, k):
        """Equation 3."""
        return {j for j in neighbours(i, k) if i in neighbours(j, k)}

    def expanded(i):
        """Equation 5."""
        own = reciprocal(i, k1)
        found = set(own)
        for candidate in own:
            others = reciprocal(candidate, int(np.around(k1 / 2)))
            if len(own & others) > 2 / 3 * len(others):
                found |= others
        return found

    encoded = np.zeros((images, images))
    for i in range(images):
        for j in expanded(i):
            encoded[i, j] = np.exp(-distance[i, j])  # equation 7
        encoded[i] /= encoded[i].sum()
    averaged = np.array([encoded[neighbours(i, k2 - 1)].mean(axis=0) for i in range(images)])  # equation 11
    final = np.empty((queries, len(gallery_gallery)))
    for i in range(queries):
        for j in range(queries, images):
            jaccard = 1 - np.minimum(averaged[i], averaged[j]).sum() / np.maximum(averaged[i], averaged[j]).sum()  # equation 10
            final[i, j - queries] = (1 - share) * jaccard + share * distance[i, j]  # equation 12
    return final


def whole(query_gallery, query_query, gallery_gallery):
    """All distances in one table, the queries first."""
    return np.block([[query_query, query_gallery], [query_gallery.T, gallery_gallery]])


def random_distances(seed, queries, gallery):
    """Distances of any kind, not only those of points: symmetric, 0 on the diagonal."""
    random = np.random.default_rng(seed)
    each = random.uniform(0.1, 1.0, (queries + gallery,) * 2)
    each = np.triu(each, 1) + np.triu(each, 1).T
    return each[:queries, queries:], each[:queries, :queries], each[queries:, queries:]


@pytest.mark.parametrize(
    ("k1", "k2", "share"), [(20, 6, 0.3), (20, 6, 0.1), (7, 3, 0.0), (5, 1, 0.5), (1, 1, 0.0), (60, 40, 0.3)]
)
def test_it_is_the_published_algorithm_on_random_distances(k1, k2, share):
    for seed, (queries, gallery) in enumerate([(1, 12), (5, 40), (3, 25)]):
        distances = random_distances(seed, queries, gallery)
        # The largest difference was 4e-16; the margin is rounding.
        assert rerank(whole(*distances), len(distances[0]), k1, k2, share) == pytest.approx(
            reference(*distances, k1, k2, share), abs=1e-12
        )


@pytest.mark.parametrize(("k1", "k2"), [(20, 6), (10, 3), (6, 1)])
def test_it_is_the_published_algorithm_on_points_whose_sets_are_expanded(k1, k2):
    random = np.random.default_rng(1)
    # Points in loose clusters, so that two thirds of a neighbourhood are often shared, which random distances hardly ever do.
    points = random.permutation(np.repeat(random.normal(size=(6, 3)), 8, axis=0) + random.normal(0, 0.3, (48, 3)))
    each = np.linalg.norm(points[:, None] - points[None], axis=2)
    distances = each[:6, 6:], each[:6, :6], each[6:, 6:]
    assert rerank(whole(*distances), len(distances[0]), k1, k2, 0.3) == pytest.approx(
        reference(*distances, k1, k2, 0.3), abs=1e-12
    )
    assert np.abs(rerank(whole(*distances), len(distances[0]), k1, 1, 0.0) - _without_expansion(*distances, k1)).max() > 0.1


def _without_expansion(query_gallery, query_query, gallery_gallery, k1):
    """Equations 3, 7 and 10 alone: what the answer would be if no neighbourhood were expanded."""
    each = np.block([[query_query, query_gallery], [query_gallery.T, gallery_gallery]]) ** 2
    each /= each.max(axis=1, keepdims=True)
    near = each.argsort(axis=1).argsort(axis=1) <= k1
    weights = np.where(near & near.T, np.exp(-each), 0)
    weights /= weights.sum(axis=1, keepdims=True)
    queries = len(query_gallery)
    pairs = [[(np.minimum(a, b).sum(), np.maximum(a, b).sum()) for b in weights[queries:]] for a in weights[:queries]]
    return np.array([[1 - low / high for low, high in row] for row in pairs])


def vectors(random, count, width=16):
    made = random.normal(size=(count, width)).astype(np.float32)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


@given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 40), k1=st.integers(1, 25), k2=st.integers(1, 6))
@settings(max_examples=20, deadline=None)
def test_a_shortlist_is_re_ranked_by_the_distances_of_its_vectors(seed, count, k1, k2):
    query, *shortlist = vectors(np.random.default_rng(seed), count + 1)
    each = np.linalg.norm(np.float64([query, *shortlist])[:, None] - np.float64([query, *shortlist])[None], axis=2)
    expected = reference(each[:1, 1:], each[:1, :1], each[1:, 1:], k1, min(k2, k1), 0.0)[0]
    found = jaccard_distances(query, np.array(shortlist), k1, min(k2, k1))
    assert found.dtype == np.float64
    assert found == pytest.approx(expected, abs=1e-6)  # vectors in single precision are of length 1 to 1e-7
    assert ((found >= 0) & (found <= 1)).all()


@given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 30), copies=st.integers(0, 10))
def test_the_order_of_the_shortlist_changes_no_distance_even_of_equal_photos(seed, count, copies):
    random = np.random.default_rng(seed)
    query, *shortlist = vectors(random, count + 1)
    shortlist = np.array([*shortlist, *(shortlist[number % count] for number in range(copies))])
    found = jaccard_distances(query, shortlist, 8, 3)
    order = random.permutation(len(shortlist))
    assert jaccard_distances(query, shortlist[order], 8, 3) == pytest.approx(found[order], abs=1e-12)
    for copy in range(copies):
        assert found[count + copy] == pytest.approx(found[copy % count], abs=1e-12)


@given(seed=st.integers(0, 2**32 - 1), photos=st.integers(2, 6), others=st.integers(1, 6), k2=st.integers(1, 2))
def test_a_perfect_ranking_stays_perfect(seed, photos, others, k2):
    """Individuals apart from one another, each with as many photos as there are reciprocal neighbours, the query among the first's."""
    random = np.random.default_rng(seed)
    centres = np.linalg.qr(random.normal(size=(24, others + 1)))[0].T
    made = np.repeat(centres, photos, axis=0) + random.normal(0, 0.03, ((others + 1) * photos, 24))
    made /= np.linalg.norm(made, axis=1, keepdims=True)
    query, shortlist = made[0], made[1:]
    cosines = shortlist @ query
    assert cosines[: photos - 1].min() > cosines[photos - 1 :].max()
    found = jaccard_distances(query, shortlist, photos - 1, min(k2, photos - 1))
    assert found[: photos - 1].max() < found[photos - 1 :].min()


def test_a_photo_that_others_are_nearer_to_falls_behind_those_that_have_the_querys_neighbours():
    """What re-ranking is for: a stray photo, nearer to the query than its individual's own, but with other neighbours."""
    angle = np.radians([0, 10, 12, 14, -9, -17, -18, -19])  # the query, three of its own, the stray, three of the stray's
    points = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    cosines, found = points[1:] @ points[0], jaccard_distances(points[0], points[1:], 3, 1)
    assert cosines[3] > cosines[0]
    assert found[0] < found[3]


def test_photos_that_are_all_the_same_have_all_neighbours_in_common():
    same = np.tile(np.float32([0.6, 0.8]), (5, 1))
    assert jaccard_distances(same[0], same[1:], 2, 1) == pytest.approx([0, 0, 0, 0], abs=1e-12)
