"""Rows of a comparison survive a kill at any moment."""

from __future__ import annotations

import numpy as np

from reid_edge.discover.rows_file import RowsFile


def row(seed: int) -> np.ndarray:
    values = np.random.default_rng(seed).random((2, 5)).astype(np.float32)
    values[0, 0] = np.nan
    return values


def test_rows_are_read_back_and_those_of_another_key_are_deleted(tmp_path) -> None:
    first = RowsFile(tmp_path / "work", "a" * 64, 5)
    first.add(3, row(3))
    again = RowsFile(tmp_path / "work", "a" * 64, 5)
    np.testing.assert_array_equal(again.rows[3], row(3))
    assert not RowsFile(tmp_path / "work", "b" * 64, 5).rows
    assert not RowsFile(tmp_path / "work", "a" * 64, 5).rows


def test_a_record_that_was_cut_off_or_spoiled_is_dropped_and_writing_goes_on_after_the_whole_ones(tmp_path) -> None:
    whole = RowsFile(tmp_path / "work", "a" * 64, 5)
    whole.add(0, row(0))
    whole.add(1, row(1))
    (file,) = (tmp_path / "work.cache").iterdir()
    content = file.read_bytes()
    for cut in (content[:-1], content[: len(content) // 2 + 3], content[:-1] + b"x"):
        file.write_bytes(cut)
        found = RowsFile(tmp_path / "work", "a" * 64, 5)
        assert set(found.rows) == {0}
        found.add(2, row(2))
        assert set(RowsFile(tmp_path / "work", "a" * 64, 5).rows) == {0, 2}


def test_without_a_writable_folder_rows_are_in_memory_only(tmp_path) -> None:
    (tmp_path / "work.cache").write_text("a file", "utf-8")
    rows = RowsFile(tmp_path / "work", "a" * 64, 5)
    rows.add(0, row(0))
    assert not rows.kept
    assert set(rows.rows) == {0}
