"""Times and places of photos and videos, in every spelling that cameras and programs use; what cannot be meant is missing."""

from __future__ import annotations

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest

from reid_edge.errors import UsageError
from reid_edge.name_time import NameTime
from reid_edge.photo.exif import Exif, read_exif
from reid_edge.photo.noted_time import noted_time
from reid_edge.photo.video import frames
from reid_edge.photo.video_time import video_taken_at

ASCII, RATIONAL = 2, 5
ORIGINAL, DIGITIZED, DATE_TIME = 0x9003, 0x9004, 0x0132


def text(value: bytes):
    return ASCII, value + b"\0"


@pytest.mark.parametrize(
    ("spelling", "time"),
    [
        (b"2024/05/01 10:00:00", "2024-05-01T10:00:00"),
        (b"2024-05-01T10:00:00", "2024-05-01T10:00:00"),
        (b"2024-05-01T10:00:00.250+02:00", "2024-05-01T10:00:00"),
        (b"2024.05.01 10:00:00Z", "2024-05-01T10:00:00"),
        (b"2024:05:01 10:00", "2024-05-01T10:00:00"),
        (b"2024:5:1 9:05:07", "2024-05-01T09:05:07"),
        (b"2024:05:01  10:00:00 PM", "2024-05-01T22:00:00"),
        (b"2024:05:01 12:00:00 am", "2024-05-01T00:00:00"),
        (b"2024:05:01 24:00:00", "2024-05-02T00:00:00"),
        (b"2024:05:01 10:00:60", "2024-05-01T10:00:59"),
        (b"20240501 100000", "2024-05-01T10:00:00"),
        (b"20240501T100000", "2024-05-01T10:00:00"),
        (b"1970:01:01 00:00:00", None),
        (b"0000-00-00T00:00:00", None),
    ],
)
def test_a_time_is_read_in_every_common_spelling(exif_block, spelling, time):
    assert read_exif(exif_block({}, {ORIGINAL: text(spelling)})) == Exif(taken_at=time)


@pytest.mark.parametrize(
    "spelling", [b"01/05/2024 10:00:00", b"2024:05:32 10:00:00", b"2024:05:01 10:00:99", b"yesterday", b"2024:05:01"]
)
def test_what_may_mean_another_time_is_no_time(exif_block, spelling):
    found = read_exif(exif_block({}, {ORIGINAL: text(spelling)}))
    assert found.taken_at is None
    assert "is not a date and time" in found.warnings[0]


def test_the_first_tag_that_holds_a_time_counts(exif_block):
    original, digitized, changed = (text(b"2024:05:0%d 10:00:00" % day) for day in (1, 2, 3))
    every = {ORIGINAL: original, DIGITIZED: digitized}
    assert read_exif(exif_block({DATE_TIME: changed}, every)).taken_at == "2024-05-01T10:00:00"
    assert read_exif(exif_block({DATE_TIME: changed}, {DIGITIZED: digitized})).taken_at == "2024-05-02T10:00:00"
    assert read_exif(exif_block({DATE_TIME: changed})) == Exif(taken_at="2024-05-03T10:00:00")
    unset = {ORIGINAL: text(b"0000:00:00 00:00:00"), DIGITIZED: text(b"nonsense")}
    assert read_exif(exif_block({DATE_TIME: changed}, unset)) == Exif(taken_at="2024-05-03T10:00:00")
    assert read_exif(exif_block({DATE_TIME: changed, 0x8769: (4, [4_000_000_000])})) == Exif(taken_at="2024-05-03T10:00:00")


def place(latitude, longitude, **more):
    return {1: text(b"N"), 2: (RATIONAL, latitude), 3: text(b"E"), 4: (RATIONAL, longitude), **more.get("tags", {})}


@pytest.mark.parametrize(
    "gps",
    [
        place([0, 1, 0, 1, 0, 1], [0, 1, 0, 1, 0, 1]),
        place([0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0]),
        place([12, 1, 3, 1, 4, 1], [69, 1, 5, 1, 6, 1], tags={9: text(b"V")}),
    ],
)
def test_a_receiver_without_a_fix_gives_no_place_and_no_warning(exif_block, gps):
    assert read_exif(exif_block({}, None, gps)) == Exif()


def test_a_place_on_the_equator_is_one_and_minutes_above_sixty_are_none(exif_block):
    assert read_exif(exif_block({}, None, place([0, 1, 0, 1, 0, 1], [36, 1, 0, 1, 0, 1]))).longitude == 36
    found = read_exif(exif_block({}, None, place([12, 1, 6100, 100, 0, 1], [36, 1, 0, 1, 0, 1])))
    assert found.latitude is None
    assert "out of range" in found.warnings[0]


@pytest.mark.parametrize(
    ("pattern", "name", "time"),
    [
        ("IMG_%Y%m%d_%H%M%S", "IMG_20240501_100203.jpg", "2024-05-01T10:02:03"),
        ("%Y%m%d%H%M%S", "cam7-20240501100203-2.JPG", "2024-05-01T10:02:03"),
        ("%y-%m-%d %H.%M", "24-5-1 9.07.jpg", "2024-05-01T09:07:00"),
        ("%d.%m.%Y*%Hh%M", "01.05.2024 at 10h02.jpg", "2024-05-01T10:02:00"),
        ("img_%Y%m%d_%H%M%S", "IMG_20240501_100203.jpg", "2024-05-01T10:02:03"),
        ("%Y%m%d_%H%M%S", "9920240501_100203.jpg", None),
        ("%Y%m%d_%H%M%S", "20241301_100203.jpg", None),
        ("%Y%m%d_%H%M%S", "IMG_0001.JPG", None),
    ],
)
def test_a_pattern_finds_the_time_in_a_name(pattern, name, time):
    assert NameTime(pattern).of(name) == time


@pytest.mark.parametrize("pattern", ["IMG_*", "%Y%m%d", "%Y%m%d%H%M%Q", "%Y%Y%m%d%H%M", "%"])
def test_a_pattern_without_a_whole_time_is_refused(pattern):
    with pytest.raises(UsageError, match="for times in names"):
        NameTime(pattern)


def test_the_files_own_time_goes_before_that_of_its_name(tmp_path: Path, exif_block, with_exif):
    _, encoded = cv2.imencode(".jpg", np.zeros((8, 8, 3), np.uint8))
    noted, bare = tmp_path / "20200101_000000.jpg", tmp_path / "20240501_100203.jpg"
    noted.write_bytes(with_exif(encoded.tobytes(), exif_block({DATE_TIME: text(b"2024:05:01 10:00:00")})))
    bare.write_bytes(encoded.tobytes())
    pattern = NameTime("%Y%m%d_%H%M%S")
    assert [noted_time(path, None, pattern) for path in (noted, bare)] == ["2024-05-01T10:00:00", "2024-05-01T10:02:03"]
    assert noted_time(bare) is None


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def movie(seconds: int, more: bytes = b"") -> bytes:
    header = box(b"mvhd", struct.pack(">III", 0, seconds, seconds) + bytes(88))
    return box(b"ftyp", b"isom") + box(b"mdat", bytes(100)) + box(b"moov", header + more)


def test_the_time_of_a_video_is_that_of_its_container(tmp_path: Path):
    path = tmp_path / "a.mp4"
    may = 3797402400  # 2024-05-01T10:00:00 since 1904
    apple = box(b"meta", b"com.apple.quicktime.creationdate" + bytes(8) + b"2024-05-01T12:00:00+0200")
    for content, time in (
        (movie(may), "2024-05-01T10:00:00"),
        (movie(may, apple), "2024-05-01T12:00:00"),
        (movie(0), None),
        (movie(may)[:-90], "2024-05-01T10:00:00"),
        (b"RIFF\0\0\0\0AVI LIST" + b"IDIT" + struct.pack("<I", 26) + b"Wed May 01 10:00:00 2024\n\0", "2024-05-01T10:00:00"),
        (b"RIFF\0\0\0\0AVI LIST" + b"IDIT" + struct.pack("<I", 20) + b"2024-05-01 10:00:00\0", "2024-05-01T10:00:00"),
        (b"\0" * 64, None),
        (b"", None),
    ):
        path.write_bytes(content)
        assert video_taken_at(path) == time
    assert video_taken_at(tmp_path / "none.mp4") is None


def test_frames_have_the_time_of_the_video_and_their_place_in_it(tmp_path: Path):
    path = tmp_path / "a.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 5, (64, 48))
    for _ in range(11):
        writer.write(np.zeros((48, 64, 3), np.uint8))
    writer.release()
    data = bytearray(path.read_bytes())
    at = data.find(b"mvhd") + 8
    struct.pack_into(">I", data, at, 3797402400)
    path.write_bytes(data)
    assert [frame.photo.taken_at for frame in frames(path, 1.0)] == [f"2024-05-01T10:00:0{second}" for second in (0, 1, 2)]
