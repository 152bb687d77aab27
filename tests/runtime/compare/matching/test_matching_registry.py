"""Every matcher that a recipe may name can be run, and its bound on a pair score holds."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from reid_edge.compare.matching.pair_scores import highest_score, match_pairs, pair_score
from reid_edge.compare.matching.registry import IMPLEMENTATIONS
from reid_edge.describe.keypoints import Keypoints
from reid_edge.recipe import Extract, Match, Recipe, Retrieve
from reid_edge.recipe.matchers import MATCHERS


def test_every_matcher_that_a_recipe_may_name_has_its_code_and_none_has_code_only():
    assert IMPLEMENTATIONS.keys() == MATCHERS.keys()


def points(descriptors: np.ndarray, rng: np.random.Generator) -> Keypoints:
    xy = rng.uniform(0, 300, (len(descriptors), 2)).astype(np.float32)
    scores = np.ones(len(xy), np.float32)
    region = np.array([0, 0, 320, 320], np.float32)
    return Keypoints(xy, scores, descriptors.astype(np.float32), region, long_side=320)


@pytest.mark.parametrize("count", ["matches", "share"])
@pytest.mark.parametrize("matcher", [name for name, rules in MATCHERS.items() if not rules.network])
def test_no_pair_scores_more_than_the_bound_of_an_early_exit_also_where_a_candidate_has_few_keypoints(matcher, count):
    rng = np.random.default_rng(7)
    few = np.eye(8)[:3]
    many = np.repeat(few, 10, axis=0) + rng.normal(0, 0.001, (30, 8))
    many /= np.linalg.norm(many, axis=1, keepdims=True)
    query, candidate = points(many, rng), points(few, rng)
    match = Match("m", "points", matcher, 0.0, count=count)
    extract = Extract("points", False, 0.0, "", "sift", 64, 320)
    recipe = Recipe(None, (), Retrieve("e", 1), (extract,), (match,))
    on_two_threads = SimpleNamespace(
        device=SimpleNamespace(threads=2)
    )  # of the networks a matcher on the host needs nothing else
    found, again = match_pairs(match, query, [candidate, candidate], recipe, on_two_threads)
    assert np.array_equal(found.query, again.query)
    assert len(found) >= 3
    assert pair_score(match, query, candidate, found) <= highest_score(match, query, candidate)
