"""The shortlist holds individuals, each by a few photos that differ, so that nobody takes another one's place."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from reid_edge.compare.shortlist import most_different, rows_to_match, shortlist
from reid_edge.recipe.stages import Retrieve


class Source:
    """Photos in a plane, each of an individual."""

    def __init__(self, photos: list[tuple[str, float]]) -> None:
        self.owners = [owner for owner, _ in photos]
        self.points = np.array([(np.cos(angle), np.sin(angle)) for _, angle in photos], np.float32).reshape(-1, 2)

    def __len__(self) -> int:
        return len(self.owners)

    def identity_of(self, sighting_id: int) -> str:
        return self.owners[sighting_id]

    def individual_numbers(self, sighting_ids):
        return np.array([sorted(set(self.owners)).index(self.owners[sighting]) for sighting in sighting_ids], np.int64)

    def nearest(self, embedding, vector, count, allowed):
        order = np.argsort(-(self.points @ vector), kind="stable")
        return np.array([row for row in order if allowed is None or row in allowed][:count], np.int64)

    def differing(self, embedding, sighting_ids, count):
        rows = sorted(sighting_ids)
        return [rows[place] for place in most_different(self.points[rows], count)]


EAST = np.array([1, 0], np.float32)


def test_an_individual_with_many_photos_takes_one_place():
    source = Source([("many", angle / 100) for angle in range(30)] + [("few", 1.0)])
    by_photo = shortlist(source, Retrieve("e", 2), EAST, None)
    by_individual = shortlist(source, Retrieve("e", 2, "individuals", 3), EAST, None)
    assert {source.identity_of(row) for row in by_photo} == {"many"}
    assert {source.identity_of(row) for row in by_individual} == {"many", "few"}
    assert sum(source.identity_of(row) == "many" for row in by_individual) == 3


def test_a_gallery_of_no_more_individuals_than_candidates_is_compared_whole():
    source = Source([("a", 0.0), ("b", 1.0), ("c", 2.0), ("a", 3.0)])
    assert sorted(shortlist(source, Retrieve("e", 3, "individuals"), EAST, None)) == [0, 1, 2, 3]


def test_only_allowed_photos_are_on_the_shortlist():
    source = Source([("a", 0.0), ("b", 1.0), ("a", 2.0)])
    assert list(shortlist(source, Retrieve("e", 5, "individuals"), EAST, np.array([1, 2]))) == [1, 2]


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.floats(0, 3)), max_size=30), st.integers(1, 7))
def test_the_nearest_individuals_come_first_each_with_its_photos_together_nearest_first(photos, candidates):
    source = Source(photos)
    found = [int(each) for each in shortlist(source, Retrieve("e", candidates, "individuals"), EAST, None)]
    nearest_first = [int(each) for each in source.nearest("e", EAST, len(source), None)]
    individuals = list(dict.fromkeys(source.identity_of(each) for each in nearest_first))[:candidates]
    assert found == [each for name in individuals for each in nearest_first if source.identity_of(each) == name]


def test_near_copies_of_a_chosen_photo_are_chosen_last():
    angles = [0.0, 0.001, 0.002, 0.003, 1.0, 2.0]
    vectors = np.array([(np.cos(angle), np.sin(angle)) for angle in angles], np.float32)
    assert {4, 5} < set(most_different(vectors, 3))


@given(st.integers(1, 8), st.integers(1, 12))
def test_as_many_photos_are_chosen_as_asked_for_each_once(count, photos):
    vectors = np.random.default_rng(photos).normal(size=(photos, 3)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    chosen = most_different(vectors, count)
    assert len(chosen) == len(set(chosen)) == min(count, photos)


@given(st.integers(0, 10**6), st.sampled_from([3, 64, 256]))
def test_of_two_photos_each_is_as_typical_as_the_other_and_the_earlier_one_is_taken(seed, values):
    vectors = np.random.default_rng(seed).normal(size=(2, values)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    assert most_different(vectors, 1) == most_different(vectors[::-1], 1) == [0]


@given(st.integers(0, 10**6), st.permutations(range(5)))
def test_of_copies_of_one_photo_the_earliest_is_taken(seed, order):
    vector = np.random.default_rng(seed).normal(size=64).astype(np.float32)
    other = np.roll(vector, 1)
    vectors = np.stack([vector, vector, vector, vector, other])[list(order)]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    first = min(row for row, each in enumerate(order) if each < 4)
    assert most_different(vectors, 2) == [first, order.index(4)]


def test_the_best_individuals_are_matched_by_their_best_photos():
    scores = np.array([0.9, 0.8, 0.7, 0.6, np.nan])
    owners = ["a", "a", "b", "c", "d"]
    assert rows_to_match(scores, owners, best=2, photos=0) == [0, 1, 2]
    assert rows_to_match(scores, owners, best=2, photos=1) == [0, 2]
    assert rows_to_match(scores, owners, best=9, photos=1) == [0, 2, 3, 4]
