"""Laws of grouping, on evidence that is made up."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform
from sklearn.metrics import adjusted_rand_score

from reid_edge.discover.constraints import Constraints
from reid_edge.discover.grouping import group, labels_of

SEEDS = st.integers(0, 10_000)


def evidence(seed: int, count: int = 12) -> np.ndarray:
    random = np.random.default_rng(seed)
    table = random.normal(-1, 2, (count, count)).astype(np.float32)
    table = (table + table.T) / 2
    np.fill_diagonal(table, np.nan)
    return table


def nothing_certain(count: int) -> Constraints:
    return Constraints((), np.zeros((count, count), bool), ~np.eye(count, dtype=bool))


def labels(table: np.ndarray, constraints: Constraints | None = None, least: float = 0.0) -> np.ndarray:
    return labels_of(group(table, constraints or nothing_certain(len(table)), least).groups(), len(table))


@given(SEEDS, st.floats(-2, 2))
def test_without_constraints_it_is_the_average_linkage_of_scipy(seed: int, least: float) -> None:
    table = evidence(seed)
    distance = 10 - np.nan_to_num(table)
    np.fill_diagonal(distance, 0)
    tree = linkage(squareform(distance, checks=False), "average")
    assert adjusted_rand_score(fcluster(tree, 10 - least, "distance"), labels(table, least=least)) == pytest.approx(1)


@given(SEEDS)
def test_the_order_of_animals_does_not_change_groups(seed: int) -> None:
    table = evidence(seed)
    order = np.random.default_rng(seed + 1).permutation(len(table))
    assert adjusted_rand_score(labels(table)[order], labels(table[np.ix_(order, order)])) == pytest.approx(1)


@given(SEEDS, st.data())
def test_animals_that_are_different_are_never_in_one_group_and_those_that_are_the_same_always_are(seed: int, data) -> None:
    table = evidence(seed)
    places = st.tuples(st.integers(0, 11), st.integers(0, 11)).filter(lambda pair: pair[0] != pair[1])
    different = np.zeros(table.shape, bool)
    for one, other in data.draw(st.lists(places, max_size=20)):
        different[one, other] = different[other, one] = True
    same = [pair for pair in data.draw(st.lists(places, max_size=1)) if not different[pair]]
    found = labels(table, Constraints(tuple(same), different, ~np.eye(12, dtype=bool)), -np.inf)
    assert not (different & (found[:, None] == found)).any()
    assert all(found[one] == found[other] for one, other in same)


def test_one_false_pair_does_not_join_two_animals() -> None:
    table = np.full((10, 10), -4, np.float32)
    table[:5, :5] = table[5:, 5:] = 3
    table[0, 5] = table[5, 0] = 9
    np.fill_diagonal(table, np.nan)
    found = labels(table)
    assert set(found[:5]) != set(found[5:])
    assert len({*found[:5]} ^ {*found[5:]}) > 0


def test_groups_without_any_evidence_between_them_are_never_joined() -> None:
    table = np.full((4, 4), np.nan, np.float32)
    table[0, 1] = table[1, 0] = table[2, 3] = table[3, 2] = 5
    assert labels(table, least=-100).tolist() == [0, 0, 1, 1]


def test_no_animal_and_one_animal_make_no_group_of_several() -> None:
    assert group(np.empty((0, 0), np.float32), nothing_certain(0), 0).groups() == []
    assert group(np.full((1, 1), np.nan, np.float32), nothing_certain(1), 0).groups() == [(0,)]
