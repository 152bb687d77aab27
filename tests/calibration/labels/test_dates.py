"""Days of photos: ISO 8601 and EXIF are understood, what could be two dates is not guessed at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from reid_edge.gallery.enrolment_list import Enrolment
from reid_edge_calibration.labels.dates import day_of, noted_dates
from reid_edge_calibration.labels.labelled_photo import LabelledPhoto


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2020-01-31", "2020-01-31"),
        ("2020-1-3", "2020-01-03"),
        ("2020-01-31 23:59:59", "2020-01-31"),
        ("2020-01-31T23:59:59.123Z", "2020-01-31"),
        ("2020-01-31T23:59+02:00", "2020-01-31"),
        ("2020:01:31 23:59:59", "2020-01-31"),
        ("2020/01/31", "2020-01-31"),
        ("20200131", "2020-01-31"),
        ("2020-01", "2020-01"),
        ("2020", "2020"),
        ("", ""),
        ("0000:00:00 00:00:00", ""),
        ("31.01.2020", None),
        ("01/02/2020", None),
        ("2020-02-30", None),
        ("2020-01/31", None),
        ("last spring", None),
    ],
)
def test_a_date_is_a_day_or_is_not_understood(text: str, day: str | None) -> None:
    assert day_of(text) == day


def test_the_label_says_when_and_otherwise_the_camera(
    tmp_path: Path, draw: Callable[..., Path], note_date: Callable[[Path, str], None]
) -> None:
    labelled, noted, bare = draw("labelled.jpg", 1), draw("noted.jpg", 2), draw("bare.jpg", 3)
    for path in (labelled, noted):
        note_date(path, "2021:05:06 07:08:09")
    (tmp_path / "broken.jpg").write_bytes(b"no photo")
    rows = [Enrolment(labelled, "Ada", taken_at="2020-01-31")]
    rows += [Enrolment(path, "Ada") for path in (noted, bare, tmp_path / "broken.jpg", tmp_path / "gone.jpg")]
    dates = noted_dates([LabelledPhoto(row, "row") for row in rows], lambda paths, what: paths)
    assert list(dates.values()) == ["2020-01-31", "2021-05-06T07:08:09", "", "", ""]
