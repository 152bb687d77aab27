"""Synthetic vectors whose truth is known: individuals differ in a few directions, photos in others, and louder."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from reid_edge_calibration.projection.vectors import LabelledVectors

WIDTH, SIGNAL, NUISANCE = 48, 8, 8


def make_photos(
    seed: int = 0, individuals: int = 18, photos: int = 4, signal: float = 1.0, nuisance: float = 3.0, single: int = 0
) -> LabelledVectors:
    """Each individual has a place in the first 8 of 48 directions, each photo one in the next 8; a little of everything besides.

    Args:
        seed: of all.
        individuals, photos: how many, and photos of each.
        signal: standard deviation between individuals, in the directions that tell them apart.
        nuisance: standard deviation between photos, in the directions that do not.
        single: further individuals with one photo.
    """
    random = np.random.default_rng(seed)
    who = np.concatenate((np.repeat(np.arange(individuals), photos), individuals + np.arange(single)))
    place = random.normal(0, signal, (individuals + single, SIGNAL))[who]
    rows = np.hstack((place, random.normal(0, nuisance, (len(who), NUISANCE)), np.zeros((len(who), WIDTH - SIGNAL - NUISANCE))))
    return LabelledVectors.of(rows + random.normal(0, 0.3, rows.shape), [f"animal {number}" for number in who])


@pytest.fixture(scope="session")
def synthetic() -> Callable[..., LabelledVectors]:
    return make_photos


@pytest.fixture(scope="session")
def silent() -> Callable[[list, str], list]:
    """A progress that says nothing."""
    return lambda items, what: items


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Products of such small matrices only wait for one another on several threads."""
    with threadpool_limits(1, "blas"):
        yield
