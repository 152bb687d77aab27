"""Leakage: the same file, nearly the same picture, the same encounter, on both sides."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from reid_edge.errors import UsageError
from reid_edge.gallery.enrolment_list import Enrolment
from reid_edge_calibration.labels.leakage import find_leakage

Draw = Callable[..., Path]


def silent(items: Iterable[Any], what: str) -> Iterable[Any]:
    return items


def test_each_kind_of_leak_is_found_with_what_it_is_like(draw: Draw) -> None:
    database = [
        Enrolment(draw("d1.jpg", 1), "Ada", encounter="e1"),
        Enrolment(draw("d2.jpg", 2), "Bo", encounter="e2"),
        Enrolment(draw("d3.jpg", 3), "Bo"),
    ]
    queries = [
        Enrolment(draw("same file.jpg", 1), "Ada", encounter="e1"),
        Enrolment(draw("recompressed.jpg", 2, quality=40), "Cy"),
        Enrolment(draw("same encounter.jpg", 5), "Bo", encounter="e2"),
        Enrolment(draw("herd.jpg", 6), "Ada", encounter="e2"),
        Enrolment(draw("no encounter.jpg", 7), "Bo"),
    ]
    leakage = find_leakage(database, queries, "okapi", silent)
    assert leakage.same_bytes == {queries[0].path: database[0].path}
    assert leakage.near_duplicates == {queries[1].path: database[1].path}
    assert leakage.same_encounter == {queries[2].path: database[1].path}
    assert leakage.nearly == {queries[1].path, queries[2].path}
    notes = leakage.notes("okapi", 5, dropped=False)
    assert "same file.jpg" in notes[0]
    kept = "1 of 5 query photos (20%); kept; --drop-leaks leaves them out"
    assert notes[1] == f"okapi: near-duplicates of database photos: {kept}: recompressed.jpg and d2.jpg."
    assert notes[2].endswith(f"that the database has too: {kept}: same encounter.jpg and d2.jpg.")


def test_the_same_file_under_two_names_is_refused(draw: Draw) -> None:
    with pytest.raises(UsageError, match=r"q\.jpg is labelled Bo, but the same photo .*d\.jpg is Ada") as raised:
        find_leakage([Enrolment(draw("d.jpg", 1), "Ada")], [Enrolment(draw("q.jpg", 1), "Bo")], "okapi", silent)
    assert raised.value.hint


def test_photos_that_cannot_be_decoded_leak_by_their_bytes_alone(tmp_path: Path) -> None:
    for name, content in {"a": b"one", "b": b"one", "c": b"two"}.items():
        (tmp_path / f"{name}.jpg").write_bytes(content)
    rows = [Enrolment(tmp_path / f"{name}.jpg", "Ada") for name in "abc"]
    leakage = find_leakage(rows[:1], rows[1:], "okapi", silent)
    assert list(leakage.same_bytes) == [rows[1].path]
    assert not leakage.nearly


def test_where_nothing_leaks_there_is_nothing_to_note(draw: Draw) -> None:
    rows = [Enrolment(draw(f"{seed}.jpg", seed), "Ada", encounter=f"e{seed}") for seed in range(4)]
    assert find_leakage(rows[:2], rows[2:], "okapi", silent).notes("okapi", 2, dropped=True) == ()
