"""Photos that were taken together are found by the clock, or by what they show, where the labels do not say."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from reid_edge.gallery.enrolment_list import Enrolment
from reid_edge_calibration.labels.encounters import infer_encounters, labels_tell_encounters, time_of
from reid_edge_calibration.labels.labelled_photo import LabelledPhoto

Draw = Callable[..., Path]


def silent(items: Iterable[Any], what: str) -> Iterable[Any]:
    return items


def label(path: Path, identity: str = "Ada", **known: str) -> LabelledPhoto:
    return LabelledPhoto(Enrolment(path, identity, **known), path.name, "")


def together(photos: list[LabelledPhoto], noted: dict[Path, str] | None = None) -> set[frozenset[str]]:
    """The names of the photos of each encounter."""
    found = infer_encounters(photos, noted or {}, "okapi", silent)
    assert set(found) == {photo.enrolment.path for photo in photos}
    groups: dict[str, set[str]] = {}
    for path, encounter in found.items():
        groups.setdefault(encounter, set()).add(path.stem)
    return {frozenset(group) for group in groups.values()}


def test_photos_within_half_an_hour_of_each_other_are_together_and_chains_of_them_too() -> None:
    clock = {"a": "12:00", "b": "12:25", "c": "12:50", "d": "13:21"}
    noted = {Path(f"/nowhere/{name}.jpg"): f"2020-01-31 {time}" for name, time in clock.items()}
    photos = [label(path) for path in noted]
    assert together(photos, noted) == {frozenset("abc"), frozenset("d")}
    assert together(photos[::-1], noted) == {frozenset("abc"), frozenset("d")}


def test_photos_of_two_individuals_are_never_together() -> None:
    noted = {Path(f"/nowhere/{name}.jpg"): "2020-01-31 12:00" for name in "ab"}
    assert together([label(path, path.stem) for path in noted], noted) == {frozenset("a"), frozenset("b")}


def test_near_duplicates_are_together_where_no_time_is_known(draw: Draw) -> None:
    photos = [label(draw("a.jpg", 1)), label(draw("b.jpg", 2)), label(draw("c.jpg", 1, quality=40))]
    assert together(photos) == {frozenset("ac"), frozenset("b")}
    day = {photo.enrolment.path: "2020-01-31" for photo in photos}
    assert together(photos, day) == {frozenset("ac"), frozenset("b")}


def test_where_the_clock_is_known_it_decides_and_not_what_the_photos_show(draw: Draw) -> None:
    photos = [label(draw("a.jpg", 1)), label(draw("b.jpg", 1, quality=40))]
    hours = {photo.enrolment.path: f"2020-01-31 {12 + hour}:00" for hour, photo in enumerate(photos)}
    assert together(photos, hours) == {frozenset("a"), frozenset("b")}


def test_photos_that_cannot_be_decoded_are_each_alone(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.jpg").write_bytes(b"no picture")
    assert together([label(tmp_path / "a.jpg"), label(tmp_path / "b.jpg")]) == {frozenset("a"), frozenset("b")}


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2020:01:31 14:05:09", datetime(2020, 1, 31, 14, 5, 9)),
        ("2020-01-31T14:05:09.123Z", datetime(2020, 1, 31, 14, 5, 9)),
        (" 2020-01-31 14:05 ", datetime(2020, 1, 31, 14, 5)),
        ("2020-01-31", None),
        ("0000:00:00 00:00:00", None),
        ("in spring", None),
        ("", None),
    ],
)
def test_a_time_is_read_to_the_minute_or_not_at_all(text: str, time: datetime | None) -> None:
    assert time_of(text) == time


def test_labels_tell_encounters_where_half_of_the_photos_have_a_day_or_share_an_encounter() -> None:
    paths = [Path(f"/nowhere/{number}.jpg") for number in range(4)]
    assert not labels_tell_encounters([label(path) for path in paths])
    assert labels_tell_encounters([label(path, encounter="e1") for path in paths[:2]] + [label(path) for path in paths[2:]])
    assert labels_tell_encounters(
        [label(path, taken_at="2020-01-31") for path in paths[:2]] + [label(path) for path in paths[2:]]
    )
    assert not labels_tell_encounters([label(paths[0], taken_at="2020-01-31"), *[label(path) for path in paths[1:]]])


def test_an_encounter_of_its_own_for_each_photo_tells_nothing() -> None:
    photos = [label(Path(f"/nowhere/{number}.jpg"), encounter=f"e{number}") for number in range(4)]
    assert not labels_tell_encounters(photos)
    of_two = [label(Path(f"/nowhere/{number}.jpg"), "AB"[number % 2], encounter="e") for number in range(2)]
    assert not labels_tell_encounters(of_two)
