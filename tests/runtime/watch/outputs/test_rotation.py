"""Thumbnails and reports stay within their bytes, the oldest going first, whatever the clock says and the disk holds."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reid_edge.errors import StorageError
from reid_edge.watch.outputs.rotation import RotatingFolder


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_oldest_go_when_there_are_too_many_bytes(tmp_path):
    kept = RotatingFolder(tmp_path / "t", 250)
    for name in "abcd":
        kept.add(f"{name}.jpg", bytes(100))
    assert names(tmp_path / "t") == ["000000003-c.jpg", "000000004-d.jpg"]
    assert kept.bytes == 200


def test_the_order_is_that_of_making_also_after_a_restart_and_a_clock_that_jumped(tmp_path):
    kept = RotatingFolder(tmp_path, 300)
    for name, when in (("a", 2_000_000_000), ("b", 0), ("c", 1_000_000_000)):
        os.utime(kept.add(f"{name}.jpg", bytes(100)), (when, when))
    again = RotatingFolder(tmp_path, 300)
    again.add("d.jpg", bytes(100))
    assert [name[10:] for name in names(tmp_path)] == ["b.jpg", "c.jpg", "d.jpg"]


def test_a_smaller_budget_is_kept_at_once_and_zero_keeps_nothing(tmp_path):
    kept = RotatingFolder(tmp_path, 1000)
    for name in "abcd":
        kept.add(f"{name}.jpg", bytes(100))
    kept.keep_bytes = 150
    kept.trim()
    assert [name[10:] for name in names(tmp_path)] == ["d.jpg"]
    assert RotatingFolder(tmp_path, 0).add("e.jpg", b"x") is None
    assert names(tmp_path) == []


def test_files_of_others_are_neither_counted_nor_touched_and_leftovers_of_a_kill_go(tmp_path):
    for name in ("notes.txt", "000000001-a.jpg", "000000002-b.jpg.17.tmp", "1-short.jpg"):
        (tmp_path / name).write_bytes(bytes(100))
    (tmp_path / "000000003-folder").mkdir()
    kept = RotatingFolder(tmp_path, 100)
    assert kept.bytes == 100
    kept.add("c.jpg", bytes(100))
    assert names(tmp_path) == ["000000002-c.jpg", "000000003-folder", "1-short.jpg", "notes.txt"]


def test_a_full_disk_costs_old_files_before_a_new_one(small_disk, tmp_path):
    disk = small_disk("size=64k")
    kept = RotatingFolder(disk / "t", 10**9)
    for number in range(40):
        kept.add(f"{number}.jpg", bytes(4000))
    assert 8 <= len(names(disk / "t")) <= 16
    assert names(disk / "t")[-1] == "000000040-39.jpg"
    (disk / "filler").write_bytes(b"")
    kept.trim(10**9)
    with pytest.raises(StorageError, match="full"):
        kept.add("large.jpg", bytes(100_000))
    assert names(disk / "t") == []


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 60), st.booleans()), max_size=40), st.integers(0, 150))
def test_the_newest_that_fit_are_there_and_never_more_bytes_than_may_be(tmp_path_factory, steps, budget):
    folder = tmp_path_factory.mktemp("r")
    kept = RotatingFolder(folder, budget)
    made = []
    for size, restart in steps:
        if restart:
            kept = RotatingFolder(folder, budget)
        path = kept.add("x.jpg", bytes(size))
        if path is not None:
            made.append(path)
        there = sorted(folder.iterdir())
        assert kept.bytes == sum(each.stat().st_size for each in there) <= budget
        assert there == made[len(made) - len(there) :]
