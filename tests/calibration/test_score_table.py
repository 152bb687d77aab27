"""A score table keeps what it was given, through a file and back, and refuses what cannot be."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from reid_edge.errors import StorageError, UsageError
from reid_edge_calibration.score_table import ScoreTable

TABLE = ScoreTable(
    score_names=("embedding", "matches"),
    species="plains zebra",
    query_identity=("Ada", "Ümit 🦓", "unseen"),
    candidate_identity=("Ümit 🦓", "Ada", "Ada"),
    query=np.array([0, 0, 1, 2]),
    candidate=np.array([0, 1, 0, 2]),
    raw=np.array([[0.1, np.nan], [0.9, 40], [0.8, 31], [0.2, np.nan]]),
    raw_without=np.array([[0.1, 7], [np.nan, np.nan], [np.nan, np.nan], [np.nan, np.nan]]),
    quality=np.array([[5.0, 6.1, 0.2], [4.0, 6.5, 0.1], [3.0, 5.9, 0.3]]),
)


def test_pairs_of_one_identity_are_the_same_and_queries_of_the_gallery_are_known():
    assert TABLE.same.tolist() == [False, True, True, False]
    assert TABLE.known.tolist() == [True, True, False]


def test_a_saved_table_is_read_back_equal_and_holds_no_pickle(tmp_path):
    TABLE.save(tmp_path / "scores.npz")
    read = ScoreTable.load(tmp_path / "scores.npz")
    for field in dataclasses.fields(ScoreTable):
        before, after = getattr(TABLE, field.name), getattr(read, field.name)
        np.testing.assert_array_equal(before, after)
        assert type(before) is type(after)
    with np.load(tmp_path / "scores.npz", allow_pickle=False) as arrays:
        assert all(arrays[name].dtype != object for name in arrays)


@pytest.mark.parametrize("content", [None, b"", b"no table", b"PK\x03\x04 cut short"])
def test_a_file_that_is_no_table_is_refused(tmp_path, content):
    path = tmp_path / "scores.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=r"scores\.npz"):
        ScoreTable.load(path)


def test_a_table_that_cannot_be_written_names_the_file(tmp_path):
    with pytest.raises(StorageError, match="absent"):
        TABLE.save(tmp_path / "absent" / "scores.npz")


@pytest.mark.parametrize(
    "change",
    [
        {"query": np.array([0, 0, 1, 3])},
        {"query": np.array([0, 0, 1, -1])},
        {"query": np.array([0, 0, 1])},
        {"candidate": np.array([0, 0, 0, 2])},
        {"raw": np.zeros((4, 3))},
        {"raw": np.full((4, 2), np.inf)},
        {"raw_without": np.zeros((4, 3))},
        {"raw_without": np.zeros((4, 2))},
    ],
)
def test_pairs_that_cannot_be_are_refused(change):
    with pytest.raises(UsageError, match="plains zebra"):
        dataclasses.replace(TABLE, **change)
