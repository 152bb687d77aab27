"""The references count individuals as the runtime does, by code of their own."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reid_edge.compare import shortlist as runtime
from reid_edge_benchmarks.references.individuals import most_different, photos_by_individual, rows_to_match


def unit_vectors(seed: int, count: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(count, 4)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_an_individual_takes_one_place_however_many_photos_it_has() -> None:
    assert photos_by_individual([4, 0, 3, 1, 2], list("ABABA"), 1) == [[4, 0, 2]]
    assert photos_by_individual([4, 0, 3, 1, 2], list("ABABA"), 5) == [[4, 0, 2], [3, 1]]


def test_near_copies_of_a_chosen_photo_are_left_out() -> None:
    one, other = unit_vectors(1, 2)
    assert sorted(most_different(torch.from_numpy(np.stack([one, one, one, other])), 2)) == [0, 3]


@given(seed=st.integers(0, 10**6), photos=st.integers(1, 12), count=st.integers(1, 6))
def test_the_photos_that_differ_most_are_the_runtimes(seed: int, photos: int, count: int) -> None:
    vectors = unit_vectors(seed, photos)
    assert most_different(torch.from_numpy(vectors), count) == runtime.most_different(vectors, count)


@given(
    scores=st.lists(st.sampled_from([np.nan, 0.0, 1.0, 2.5, 7.0]), min_size=1, max_size=12),
    seed=st.integers(0, 10**6),
    best=st.integers(1, 4),
    photos=st.integers(0, 3),
)
def test_the_rows_that_a_matcher_compares_are_the_runtimes(scores: list[float], seed: int, best: int, photos: int) -> None:
    owners = np.random.default_rng(seed).choice(list("ABCD"), len(scores)).tolist()
    expected = runtime.rows_to_match(np.array(scores), owners, best, photos)
    assert rows_to_match(torch.tensor(scores, dtype=torch.float64), owners, best, photos) == expected


@pytest.mark.parametrize("best", [0, 9])
def test_a_matcher_without_a_limit_compares_the_whole_shortlist(best: int) -> None:
    rows = rows_to_match(torch.tensor([1.0, 3.0, 2.0]), list("ABC"), best, 0)
    assert sorted(rows) == [0, 1, 2]
