"""The proof itself can fail: each loss that is made by hand here is found."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from reid_edge_benchmarks.reliability.arriving import lay
from reid_edge_benchmarks.reliability.conservation import CSV, JSON_LINES, prove
from reid_edge_benchmarks.reliability.outcome import temporary_place
from reid_edge_benchmarks.reliability.photos import frames, photo


@pytest.fixture(scope="module")
def run_once():
    """A finished run over six photos: its folder, and what was put in."""
    with temporary_place() as place:
        folder, out = place.fresh("incoming"), place.fresh("run") / "out"
        put_in = lay(folder / "camera", frames(6))
        place.daemon([folder], out).finish(60)
        yield out, put_in


@pytest.fixture
def spoil(run_once, tmp_path: Path) -> Callable[[Callable[[Path], None]], tuple[str, ...]]:
    """spoil(how): the faults that the proof finds after `how` changed a copy of what the run left behind."""
    out, put_in = run_once

    def apply(how: Callable[[Path], None]) -> tuple[str, ...]:
        copy = Path(shutil.copytree(out, tmp_path / "out"))
        how(copy)
        return prove(copy, put_in).faults

    return apply


def sql(statement: str) -> Callable[[Path], None]:
    def run(out: Path) -> None:
        with sqlite3.connect(out / "ledger.sqlite") as connection:
            connection.execute(statement)

    return run


def test_a_run_without_a_fault_is_proved(spoil):
    assert spoil(lambda out: None) == ()


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("DELETE FROM file WHERE id = 3", "was skipped"),
        ("UPDATE file SET photo_id = 1 WHERE id = 3", "read too early"),
        ("UPDATE file SET state = 'gone' WHERE id = 2", "counts as gone"),
        (
            "DELETE FROM message WHERE kind = 'photo' AND id = (SELECT max(id) FROM message WHERE kind = 'photo')",
            "photo messages",
        ),
        ("UPDATE photo SET sha256 = 'another' WHERE id = 2", "no file had"),
        ("UPDATE photo SET event_id = 99 WHERE id = 2", "points nowhere"),
    ],
)
def test_a_ledger_that_is_wrong_in_one_row_is_found(spoil, statement, found):
    assert any(found in fault for fault in spoil(sql(statement)))


def test_a_line_that_is_there_twice_and_one_that_is_torn_are_found(spoil):
    def change(out: Path) -> None:
        lines = (out / JSON_LINES).read_bytes().splitlines(keepends=True)
        (out / JSON_LINES).write_bytes(b"".join([*lines, lines[0], lines[1][:20]]))

    faults = spoil(change)
    assert any("order" in fault for fault in faults)
    assert any("torn" in fault for fault in faults)


def test_a_missing_row_of_the_table_is_found(spoil):
    def change(out: Path) -> None:
        rows = (out / CSV).read_bytes().splitlines(keepends=True)
        (out / CSV).write_bytes(b"".join(rows[:-1]))

    assert any(CSV in fault for fault in spoil(change))


def test_a_changed_source_byte_is_found(run_once):
    out, put_in = run_once
    path = next(iter(put_in))
    changed = prove(out, {**put_in, path: put_in[path] + b"\0"})
    assert changed.source_bytes_changed == 1
    assert changed.difference == 2  # the file is not answered, and something is that is no file


def test_photos_of_one_number_are_the_same_and_of_two_are_not():
    assert photo(1, "Amani", 5) == photo(1, "Amani", 5)
    assert len({photo(1), photo(2), photo(1, "Amani"), photo(1, "Bahati"), photo(1, None, 3)}) == 5
