"""Capture histories, in the forms that secr, RMark and SPACECAP document, and the spreadsheet with thumbnails."""

from __future__ import annotations

import csv
import io
from datetime import date

import cv2
import numpy as np
import pytest

from reid_edge.errors import UsageError
from reid_edge.gallery.capture_history import (
    Camera,
    Occasion,
    capture_history,
    day_of,
    read_surveys,
    write_capture_history,
)
from reid_edge.gallery.portable import export_gallery
from reid_edge.gallery.projection import utm

pytestmark = pytest.mark.file_only


@pytest.fixture
def season(gallery, add):
    """Zoe on three days at two cameras, Anna on one, Bea without a time."""
    near, far = {"place": "wood 1", "latitude": 48.0, "longitude": 9.0}, {"place": "hill", "latitude": 48.01, "longitude": 9.02}
    add(gallery, 1, "Zoe", taken_at="2024-05-01T08:00:00", **near)
    add(gallery, 2, "Zoe", taken_at="2024-05-01T09:00:00", **near)
    add(gallery, 3, "Zoe", taken_at="2024-05-03T08:00:00", **far)
    add(gallery, 4, "Anna, the 2nd", taken_at="2024:06:02 10:00:00", **far)
    add(gallery, 5, "Bea")
    gallery.annotate("Zoe", sex="female")
    return gallery


def rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_an_individual_by_occasion_matrix_has_also_the_occasions_without_anybody(season, folder):
    history = capture_history(season, "day")
    assert [history.history(number)[:4] for number in range(2)] == ["0000", "1010"]
    assert len(history.occasions) == 33
    assert history.undated == 1
    write_capture_history(history, folder / "out")
    table = rows(folder / "out/matrix.csv")
    assert table[0][:3] == ["individual", "2024-05-01", "2024-05-02"]
    assert table[2][:4] == ["Zoe", "1", "0", "1"]


@pytest.mark.parametrize(
    ("length", "names", "zoe"),
    [
        ("week", ["2024-04-29", "2024-05-06", "2024-05-13", "2024-05-20", "2024-05-27"], "10000"),
        ("month", ["2024-05", "2024-06"], "10"),
    ],
)
def test_occasions_are_weeks_from_monday_and_months(season, length, names, zoe):
    history = capture_history(season, length)
    assert [each.name for each in history.occasions] == names
    assert history.history(1) == zoe


def test_surveys_are_read_from_a_table(season, folder):
    table = folder / "surveys.csv"
    table.write_text("survey,start,end\nspring,2024-05-01,2024-05-02\nsummer,2024-06-01,2024-08-31\n")
    history = capture_history(season, "survey", surveys=read_surveys(table))
    assert [history.history(number) for number in range(2)] == ["01", "10"]
    assert history.undated == 2  # the 3rd of May is in no survey, and Bea has no time
    table.write_text("survey,start,end\nspring,2024-05-09,2024-05-02\n")
    with pytest.raises(UsageError, match="Row 2"):
        read_surveys(table)


def test_secr_reads_one_detection_a_line_and_detectors_in_metres(season, folder):
    cameras = [Camera("hill", 48.01, 9.02, date(2024, 5, 2), None)]
    write_capture_history(capture_history(season, "day", cameras=cameras), folder / "out")
    captures = (folder / "out/secr-captures.txt").read_text().splitlines()
    assert captures == [
        "# Session ID Occasion Detector",
        "1 Anna_the_2nd 33 hill",
        "1 Zoe 1 wood-1",
        "1 Zoe 3 hill",
    ]
    traps = [line.split() for line in (folder / "out/secr-traps.txt").read_text().splitlines()]
    assert traps[0] == ["#", "Detector", "X", "Y", "Usage"]
    assert [trap[0] for trap in traps[1:]] == ["hill", "wood-1"]
    assert [trap[3][:3] for trap in traps[1:]] == ["011", "111"]
    (x0, y0), (x1, y1) = ((float(trap[1]), float(trap[2])) for trap in traps[1:])
    assert ((x0 - x1) ** 2 + (y0 - y1) ** 2) ** 0.5 == pytest.approx(1861, abs=10)  # by the haversine formula


def test_rmark_reads_a_history_in_the_first_column(season, folder):
    write_capture_history(capture_history(season, "month"), folder / "out")
    assert (folder / "out/rmark.txt").read_text() == ("ch\tindividual\tsex\n01\tAnna_the_2nd\tunknown\n10\tZoe\tfemale\n")


def test_spacecap_reads_integers_numbered_without_a_gap(season, folder):
    write_capture_history(capture_history(season, "month"), folder / "out")
    captures = rows(folder / "out/spacecap-captures.csv")
    assert captures == [["LOC_ID", "ANIMAL_ID", "SO"], ["1", "1", "2"], ["1", "2", "1"], ["2", "2", "1"]]
    traps = rows(folder / "out/spacecap-traps.csv")
    assert traps[0][0] == "LOC_ID"
    assert traps[0][3:] == ["1", "2"]
    assert [trap[0] for trap in traps[1:]] == ["1", "2"]


def test_without_places_there_are_only_the_files_without_space(gallery, add, folder):
    add(gallery, 1, "Zoe", taken_at="2024-05-01")
    assert write_capture_history(capture_history(gallery, "day"), folder / "out") == [
        *("matrix.csv", "rmark.txt", "individuals.csv", "occasions.csv")
    ]


def test_sightings_without_any_time_have_no_occasions(gallery, add):
    add(gallery, 1, "Zoe")
    with pytest.raises(UsageError, match="No sighting"):
        capture_history(gallery, "day")


def test_a_day_is_read_as_cameras_and_tables_write_it():
    assert day_of("2024:05:01 08:00:00") == day_of("2024-5-1") == day_of("2024-05-01T08:00:00+02:00") == date(2024, 5, 1)
    assert day_of("2024-13-01") is day_of("") is day_of("May") is None
    assert Camera("a", 0, 0, date(2024, 5, 2)).works(Occasion("1", date(2024, 5, 1), date(2024, 5, 1))) is False


def test_metres_are_those_of_utm():
    (on_meridian,) = utm([(60.0, 3.0)])
    assert on_meridian == pytest.approx(
        (500_000.0, 0.9996 * 6_654_072.819), abs=0.01
    )  # the arc of the meridian of WGS 84 to 60 degrees
    (east,) = utm([(0.0, 0.0)])
    assert east == pytest.approx((166_021.443, 0.0), abs=0.01)
    assert utm([(-1e-9, 3.0)])[0][1] == pytest.approx(10_000_000.0, abs=0.01)
    assert utm([]) == []


def test_a_spreadsheet_has_a_picture_a_row_and_no_formula(gallery, add, folder):
    openpyxl = pytest.importorskip("openpyxl")
    _, encoded = cv2.imencode(".jpg", np.full((40, 80, 3), 99, np.uint8))
    add(gallery, 1, "=1+1", thumbnail=encoded.tobytes(), taken_at="2024-05-01", place="a\x1bb")
    add(gallery, 2, "Zoe")
    gallery.confirm(gallery.sightings(individual="Zoe")[0].photo_sha256, "Zoe", person="Ana")
    assert export_gallery(gallery, folder / "table.xlsx") == 2
    sheet = openpyxl.load_workbook(io.BytesIO((folder / "table.xlsx").read_bytes())).active
    table = list(sheet.values)
    assert table[0][:2] == ("picture", "individual")
    assert [row[1] for row in table[1:]] == ["=1+1", "Zoe"]
    assert sheet["B2"].data_type == "s"
    assert table[2][table[0].index("confirmed_by")] == "Ana"
    assert len(sheet._images) == 1
