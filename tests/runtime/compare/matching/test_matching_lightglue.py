"""LightGlue through the bundled pack: batches change nothing, and keypoints that are not there match nothing."""

from __future__ import annotations

import numpy as np
import pytest

from reid_edge.compare.matching import match_lightglue
from reid_edge.compare.matching.lightglue import normalise
from reid_edge.describe.features import keypoint_arrays, keypoints_from_arrays
from reid_edge.describe.keypoints import Keypoints
from reid_edge.engines.run_shape import RunShape
from reid_edge.gallery import Gallery
from reid_edge.recipe import Match


@pytest.fixture(scope="module")
def match(identifier) -> Match:
    (match,) = (match for match in identifier.recipe.match if match.matcher == "lightglue")
    return match


@pytest.fixture(scope="module")
def engine(identifier, match):
    return identifier.networks[match.network].engine


@pytest.fixture(scope="module")
def photos(sample_gallery, identifier, match) -> list[Keypoints]:
    """What the recipe gives the matcher: keypoints of two photos of Asha and four of others, then the second again with few of its
    keypoints.
    """
    with Gallery.open(sample_gallery.path, writable=False) as gallery:
        chosen = [
            *gallery.sightings(individual="Asha")[:2],
            *gallery.sightings(individual="Enzi"),
            *gallery.sightings(individual="Duma"),
        ]
        ids = [sighting.id for sighting in chosen[:6]]
        stored = gallery.features(ids, identifier.feature_key, keypoint_arrays("xfeat"))
    sets = [keypoints_from_arrays(stored[sighting], "xfeat").first(match.points) for sighting in ids]
    full = sets[1]
    few = slice(None, None, 6)
    sets.append(Keypoints(full.xy[few], full.scores[few], full.descriptors[few], full.region))
    return sets


def pairs(matches) -> list[tuple[int, int]]:
    return list(zip(matches.query.tolist(), matches.candidate.tolist(), strict=True))


def test_candidates_in_a_batch_have_the_matches_that_they_have_alone(engine, photos):
    query, *candidates = photos
    together = match_lightglue(query, candidates, engine, 0.5)
    alone = [match_lightglue(query, [candidate], engine, 0.5)[0] for candidate in candidates]
    backwards = match_lightglue(query, candidates[::-1], engine, 0.5)[::-1]
    assert len(together[-1]) > 5
    for one, two, three in zip(together, alone, backwards, strict=True):
        assert pairs(one) == pairs(two) == pairs(three)
        assert np.allclose(one.scores, two.scores, atol=1e-3)


def test_several_pairs_a_run_and_more_padding_as_on_a_gpu_change_no_match(engine, photos):
    query, *candidates = photos
    alone = match_lightglue(query, candidates, engine, 0.5)
    together = match_lightglue(query, candidates, engine, 0.5, RunShape(4, 600))
    assert len(together) == 6
    assert len(alone[-1]) > 5
    for one, two in zip(alone, together, strict=True):
        assert pairs(one) == pairs(two)
        assert np.allclose(one.scores, two.scores, atol=1e-3)


def test_runs_of_a_gpu_have_two_shapes_at_most_whatever_the_keypoints(engine, photos):
    shapes = []

    class Watched:
        inputs, outputs, provenance = engine.inputs, engine.outputs, engine.provenance

        def run(self, inputs):
            shapes.append(inputs["keypoints1"].shape)
            assert inputs["keypoints0"].shape == inputs["keypoints1"].shape
            return engine.run(inputs)

    query, *candidates = photos
    match_lightglue(query, candidates, Watched(), 0.5, RunShape(4, 512))
    assert shapes == [(4, 512, 2), (2, 512, 2)]


def test_the_same_animal_has_more_matches_than_any_other(engine, photos):
    query, same, *others, _ = match_counts = [len(m) for m in match_lightglue(photos[0], photos, engine, 0.5)]
    assert query > 0.9 * len(photos[0])
    assert same > 3 * max(others), match_counts


def test_matches_are_one_to_one_and_above_the_floor(engine, photos):
    for floor in (0.1, 0.9):
        for matches in match_lightglue(photos[0], photos[1:3], engine, floor):
            assert (matches.scores > floor).all()
            assert len(set(matches.query.tolist())) == len(set(matches.candidate.tolist())) == len(matches)


def test_where_one_side_has_no_keypoints_nothing_matches(engine, photos):
    full = photos[0]
    none = Keypoints(full.xy[:0], full.scores[:0], full.descriptors[:0], full.region)
    assert [len(matches) for matches in match_lightglue(none, [full, none], engine, 0.1)] == [0, 0]
    found = match_lightglue(full, [none, full], engine, 0.1)
    assert len(found[0]) == 0
    assert len(found[1]) > 0.9 * len(full)
    assert match_lightglue(full, [], engine, 0.1) == []


def test_keypoints_are_centred_on_the_region_whose_long_side_becomes_two():
    xy = np.float32([[100, 50], [300, 50], [200, 100], [200, 150]])
    region = np.float32([100, 50, 300, 150])
    made = normalise(Keypoints(xy, np.ones(4, np.float32), np.zeros((4, 2), np.float32), region))
    assert made.tolist() == [[-1, -0.5], [1, -0.5], [0, 0], [0, 0.5]]
