"""EXIF blocks: what is read from a sound one, and that no broken one raises."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reid_edge.photo.exif import Exif, read_exif

ASCII, SHORT, LONG, RATIONAL = 2, 3, 4, 5
NAIROBI = {1: (ASCII, b"S\0"), 2: (RATIONAL, [1, 1, 17, 1, 3111, 100]), 3: (ASCII, b"E\0"), 4: (RATIONAL, [36, 1, 49, 1, 0, 1])}


def time_tag(text: bytes):
    return {0x9003: (ASCII, text + b"\0")}


@pytest.fixture(scope="session")
def sound(exif_block):
    return exif_block({0x0112: (SHORT, [6])}, time_tag(b"2016:09:25 18:35:10"), NAIROBI)


@pytest.mark.parametrize("order", ["<", ">"])
def test_orientation_time_and_position_are_read_in_either_byte_order(exif_block, order):
    exif = read_exif(exif_block({0x0112: (SHORT, [6])}, time_tag(b"2016:09:25 18:35:10"), NAIROBI, order))
    assert (exif.orientation, exif.taken_at, exif.warnings) == (6, "2016-09-25T18:35:10", ())
    assert exif.latitude == pytest.approx(-(1 + 17 / 60 + 31.11 / 3600))
    assert exif.longitude == pytest.approx(36 + 49 / 60)


def test_no_block_is_an_upright_photo_with_nothing_noted():
    assert read_exif(b"") == Exif()


def test_a_block_without_the_wanted_tags_says_nothing(exif_block):
    assert read_exif(exif_block({}, {}, {})) == Exif()


@pytest.mark.parametrize("unset", [b"0000:00:00 00:00:00", b"    :  :     :  :  ", b""])
def test_a_camera_whose_clock_was_never_set_gives_no_time_and_no_warning(exif_block, unset):
    assert read_exif(exif_block({}, time_tag(unset))) == Exif()


@pytest.mark.parametrize(
    ("first", "exif", "gps", "sentence"),
    [
        ({0x0112: (SHORT, [9])}, None, None, "The EXIF orientation was ignored: 9 is not one of 1 to 8."),
        ({0x0112: (ASCII, b"6\0")}, None, None, "The EXIF orientation was ignored: tag 274 holds no integers."),
        ({}, time_tag(b"25.09.2016"), None, "The EXIF time was ignored: '25.09.2016' is not a date and time."),
        ({}, time_tag(b"2016:13:45 18:35:10"), None, "The EXIF time was ignored: '2016:13:45 18:35:10' is not a date and time."),
        ({}, None, NAIROBI | {2: (RATIONAL, [1, 0, 0, 1, 0, 1])}, "The EXIF position was ignored: tag 2 divides by zero."),
        ({}, None, NAIROBI | {2: (RATIONAL, [91, 1, 0, 1, 0, 1])}, "The EXIF position was ignored: 91 degrees are out of range."),
        ({}, None, NAIROBI | {1: (ASCII, b"X\0")}, "The EXIF position was ignored: tag 2 is not degrees, minutes and seconds"),
        ({0x8769: (LONG, [4_000_000_000])}, None, None, "The EXIF time was ignored: it points to byte 4000000000"),
    ],
)
def test_a_value_that_makes_no_sense_is_ignored_with_a_warning(exif_block, first, exif, gps, sentence):
    found = read_exif(exif_block(first, exif, gps))
    assert (found.orientation, found.taken_at, found.latitude, found.longitude) == (1, None, None, None)
    assert len(found.warnings) == 1
    assert found.warnings[0].startswith(sentence)


def test_a_broken_position_costs_neither_the_orientation_nor_the_time(exif_block):
    gps = NAIROBI | {4: (RATIONAL, [1, 0, 1, 0, 1, 0])}
    exif = read_exif(exif_block({0x0112: (SHORT, [8])}, time_tag(b"2016:09:25 18:35:10"), gps))
    assert (exif.orientation, exif.taken_at, exif.latitude, exif.longitude) == (8, "2016-09-25T18:35:10", None, None)
    assert len(exif.warnings) == 1


def test_directories_that_point_to_themselves_end():
    entries = (
        struct.pack("<HHIHH", 0x0112, 3, 1, 3, 0) + struct.pack("<HHII", 0x8769, 4, 1, 8) + struct.pack("<HHII", 0x8825, 4, 1, 8)
    )
    exif = read_exif(b"II*\0" + struct.pack("<IH", 8, 3) + entries + struct.pack("<I", 8))
    assert exif == Exif(orientation=3)


def test_a_value_that_claims_four_billion_numbers_is_ignored(exif_block):
    entry = struct.pack("<HHII", 0x0112, 3, 0xFFFFFFFF, 8)
    exif = read_exif(b"II*\0" + struct.pack("<IH", 8, 1) + entry)
    assert exif.orientation == 1
    assert len(exif.warnings) == 1


@given(block=st.binary(max_size=300))
def test_no_bytes_raise(block):
    assert 1 <= read_exif(block).orientation <= 8
    assert 1 <= read_exif(b"II*\0\x08\0\0\0" + block).orientation <= 8


@given(data=st.data())
def test_no_damage_to_a_sound_block_raises(sound, data):
    block = bytearray(sound[: data.draw(st.integers(1, len(sound)))])
    for position, value in data.draw(st.lists(st.tuples(st.integers(0, len(block) - 1), st.integers(0, 255)), max_size=6)):
        block[position] = value
    exif = read_exif(bytes(block))
    assert 1 <= exif.orientation <= 8
    assert (exif.latitude is None) == (exif.longitude is None)
    assert exif.latitude is None or -90 <= exif.latitude <= 90
