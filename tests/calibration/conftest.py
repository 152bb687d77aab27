"""Synthetic score tables whose truth is known, because the project has no photos of its own to label."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from reid_edge_calibration.score_table import ScoreTable

SCORES = ("embedding", "cheap matcher", "costly matcher")


def make_table(
    seed: int = 0,
    species: str = "plains zebra",
    known: int = 12,
    unknown: int = 3,
    photos: int = 3,
    queries: int = 3,
    separation: tuple[float, float, float] = (1.0, 1.5, 2.5),
    costly: int = 12,
) -> ScoreTable:
    """Every query against every gallery photo, and again without its own individual; the costly matcher only on the best few candidates
    by the others.

    A pair of the same individual scores `separation` standard deviations above one of different individuals. A query's own
    quality moves all its same pairs together.
    """
    rng = np.random.default_rng(seed)
    gallery = [f"animal {i}" for i in range(known) for _ in range(photos)]
    asked = [f"animal {i}" for i in range(known + unknown) for _ in range(queries)]
    query, candidate = (grid.ravel() for grid in np.mgrid[: len(asked), : len(gallery)])
    same = np.array(asked)[query] == np.array(gallery)[candidate]
    quality = rng.normal(0, 0.5, len(asked))[query]
    raw = rng.normal(size=(len(query), 3)) + same[:, None] * (np.array(separation) + quality[:, None])
    raw[:, 1:] = np.maximum(0, np.round(20 * raw[:, 1:] + 20))  # counts of matches
    unknown = ~np.isin(asked, gallery)[query]
    without = np.where((same | unknown)[:, None], np.nan, raw)
    return ScoreTable(
        SCORES,
        species,
        tuple(asked),
        tuple(gallery),
        query,
        candidate,
        *(_costly_on_few(view, len(asked), costly) for view in (raw, without)),
        rng.normal(size=(len(asked), 3)),
    )


def _costly_on_few(raw: np.ndarray, queries: int, costly: int) -> np.ndarray:
    promise = np.nan_to_num(raw[:, 0] + raw[:, 1] / 20, nan=-np.inf).reshape(queries, -1)
    rank = (-promise).argsort(axis=1).argsort(axis=1).ravel()
    return np.column_stack((raw[:, :2], np.where(rank < costly, raw[:, 2], np.nan)))


@pytest.fixture(scope="session")
def synthetic() -> Callable[..., ScoreTable]:
    return make_table
