"""Decoding: the right colours the right way up, from every format, and one sentence for what cannot be decoded."""

from __future__ import annotations

import hashlib
import os
import struct
import subprocess
import sys

import cv2
import numpy as np
import pytest

from reid_edge.errors import PhotoError
from reid_edge.photo import DecodeLimits, decode_photo

LOSSLESS_WEBP = [cv2.IMWRITE_WEBP_QUALITY, 101]
JPEG_BEST = [cv2.IMWRITE_JPEG_QUALITY, 100]
MID_GREY = 128


def scene():
    """RGB, 48 x 64, three quadrants of one colour each and one of two, so that each of the eight turns looks different."""
    rgb = np.zeros((48, 64, 3), np.uint8)
    rgb[:24, :32], rgb[:24, 32:], rgb[24:, :32], rgb[24:, 32:] = (200, 40, 30), (30, 180, 60), (40, 60, 210), (230, 220, 90)
    rgb[:8, :8] = (20, 20, 20)
    return rgb


def encoded(rgb, extension, parameters=()):
    return cv2.imencode(extension, cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), list(parameters))[1].tobytes()


def largest_difference(photo, rgb):
    assert photo.rgb.shape == rgb.shape
    return int(np.abs(photo.rgb.astype(int) - rgb).max())


@pytest.mark.parametrize(
    ("extension", "parameters", "tolerance"),
    [
        (".png", (), 0),
        (".tiff", (), 0),
        (".bmp", (), 0),
        (".webp", LOSSLESS_WEBP, 0),
        (".jpg", (*JPEG_BEST, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444), 3),
        (
            ".jpg",
            (*JPEG_BEST, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444, cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
            3,
        ),
    ],
)
def test_every_format_decodes_to_its_rgb_pixels(extension, parameters, tolerance):
    data = encoded(scene(), extension, parameters)
    photo = decode_photo(data, "photo" + extension)
    assert largest_difference(photo, scene()) <= tolerance
    assert photo.rgb.dtype == np.uint8
    assert photo.rgb.flags.c_contiguous
    assert (photo.width, photo.height, photo.name, photo.path, photo.warnings) == (64, 48, "photo" + extension, None, ())
    assert photo.sha256 == hashlib.sha256(data).hexdigest()


def as_stored(rgb, orientation):
    """The rows a camera stores that was held so: Exif 2.32, tag 274, names the scene's side of the first row and first column."""
    first_row, first_column = {
        1: ("top", "left"),
        2: ("top", "right"),
        3: ("bottom", "right"),
        4: ("bottom", "left"),
        5: ("left", "top"),
        6: ("right", "top"),
        7: ("right", "bottom"),
        8: ("left", "bottom"),
    }[orientation]
    if "bottom" in (first_row, first_column):
        rgb = rgb[::-1]
    if "right" in (first_row, first_column):
        rgb = rgb[:, ::-1]
    return np.ascontiguousarray(rgb if first_row in ("top", "bottom") else rgb.swapaxes(0, 1))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("extension", [".jpg", ".png", ".webp"])
def test_the_exif_orientation_is_applied_exactly_once(exif_block, with_exif, extension, orientation):
    parameters = {".jpg": JPEG_BEST, ".png": [], ".webp": LOSSLESS_WEBP}[extension]
    data = with_exif(encoded(as_stored(scene(), orientation), extension, parameters), exif_block({0x0112: (3, [orientation])}))
    difference = np.abs(decode_photo(data, "photo").rgb.astype(int) - scene())
    assert difference.shape == scene().shape
    assert np.median(difference) <= 2  # JPEG blurs colours along the edges of the quadrants


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_the_orientation_of_a_tiff_is_applied_exactly_once(tiff_file, dtype, orientation):
    samples = as_stored(scene(), orientation).astype(dtype) * (257 if dtype == np.uint16 else 1)
    photo = decode_photo(tiff_file(samples, {274: (3, [orientation])}), "photo.tif")
    assert largest_difference(photo, scene()) == 0


def test_a_photo_carries_when_and_where_it_was_taken(exif_block, with_exif):
    position = {1: (2, b"N\0"), 2: (5, [10, 1, 30, 1, 0, 1]), 3: (2, b"W\0"), 4: (5, [20, 1, 15, 1, 0, 1])}
    block = exif_block({}, {0x9003: (2, b"2016:09:25 18:35:10\0")}, position)
    for extension in (".jpg", ".png"):
        photo = decode_photo(with_exif(encoded(scene(), extension), block), "photo")
        assert (photo.taken_at, photo.latitude, photo.longitude) == ("2016-09-25T18:35:10", 10.5, -20.25)


def test_a_broken_exif_block_is_a_warning_on_a_decoded_photo(with_exif):
    photo = decode_photo(with_exif(encoded(scene(), ".png"), b"II*\0\xff\xff\xff\xff"), "photo")
    assert largest_difference(photo, scene()) == 0
    assert len(photo.warnings) == 1
    assert photo.warnings[0].startswith("The EXIF block was ignored")


@pytest.mark.parametrize("extension", [".png", ".tiff"])
def test_all_16_bit_values_are_scaled_to_8_bits_and_rounded(extension):
    every = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    photo = decode_photo(cv2.imencode(extension, every)[1].tobytes(), "photo")
    assert (photo.rgb == np.rint(every / 257)[..., None]).all()


def test_16_bit_colours_stay_in_their_channels():
    bgr = np.full((4, 4, 3), (10 * 257, 120 * 257, 250 * 257), np.uint16)
    assert (decode_photo(cv2.imencode(".png", bgr)[1].tobytes(), "photo").rgb == (250, 120, 10)).all()


@pytest.mark.parametrize("extension", [".jpg", ".png", ".tiff", ".bmp", ".webp"])
def test_grey_becomes_three_equal_channels(extension):
    grey = np.full((16, 24), 77, np.uint8)
    photo = decode_photo(cv2.imencode(extension, grey)[1].tobytes(), "photo")
    assert photo.rgb.shape == (16, 24, 3)
    assert np.abs(photo.rgb.astype(int) - 77).max() <= 1


def test_one_bit_grey_becomes_black_and_white(png_file):
    rgb = decode_photo(png_file(8, 2, 1, 0, b"\xf0"), "photo").rgb
    assert rgb[0, :, 0].tolist() == [255] * 4 + [0] * 4


@pytest.mark.parametrize("extension", [".png", ".webp"])
def test_transparent_parts_are_laid_over_mid_grey_with_a_warning(extension):
    bgra = np.full((4, 8, 4), (0, 100, 200, 255), np.uint8)
    bgra[:, 4:6, 3] = 0
    bgra[:, 6:, 3] = 102  # two fifths
    parameters = LOSSLESS_WEBP if extension == ".webp" else []
    photo = decode_photo(cv2.imencode(extension, bgra, parameters)[1].tobytes(), "photo")
    assert (photo.rgb[:, :4] == (200, 100, 0)).all()
    assert (photo.rgb[:, 4:6] == MID_GREY).all()
    assert (photo.rgb[:, 6:] == (157, 117, 77)).all()  # round(2/5 colour + 3/5 grey)
    assert photo.warnings == ("The transparent parts were filled with grey.",)


def test_16_bit_and_grey_transparency_are_laid_over_mid_grey(png_file):
    sixteen = decode_photo(png_file(2, 2, 16, 4, bytes([200, 200, 0, 0, 100, 100, 255, 255])), "photo")
    eight = decode_photo(png_file(2, 2, 8, 4, bytes([200, 0, 100, 255])), "photo")
    for photo in (sixteen, eight):
        assert photo.rgb[0, :, 0].tolist() == [MID_GREY, 100]


def test_a_palette_with_a_transparent_colour_is_laid_over_mid_grey(png_file, png_chunk):
    palette = png_chunk(b"PLTE", bytes([200, 10, 20, 30, 200, 40])) + png_chunk(b"tRNS", bytes([0, 255]))
    assert decode_photo(png_file(2, 2, 8, 3, b"\0\1", palette), "photo").rgb[0].tolist() == [[MID_GREY] * 3, [30, 200, 40]]


def test_alpha_that_hides_nothing_is_dropped_without_a_warning():
    photo = decode_photo(cv2.imencode(".png", np.full((4, 4, 4), (10, 20, 30, 255), np.uint8))[1].tobytes(), "photo")
    assert (photo.rgb == (30, 20, 10)).all()
    assert photo.warnings == ()


@pytest.mark.parametrize("extension", [".tiff", ".bmp"])
def test_the_fourth_channel_of_tiff_and_bmp_is_dropped(extension):
    bgra = np.full((4, 4, 4), (10, 20, 30, 0), np.uint8)
    assert (decode_photo(cv2.imencode(extension, bgra)[1].tobytes(), "photo").rgb == (30, 20, 10)).all()


@pytest.mark.parametrize("dtype", [np.float32, np.int16])
def test_samples_that_have_no_white_are_refused(tiff_file, dtype):
    with pytest.raises(PhotoError, match=rf"^depth.tif is a TIFF of {np.dtype(dtype).name} samples") as refused:
        decode_photo(tiff_file(np.ones((8, 8), dtype)), "depth.tif")
    assert refused.value.hint


def png_header(width, height):
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sIIBBBBB", 13, b"IHDR", width, height, 8, 2, 0, 0, 0) + bytes(4)


def test_a_picture_of_900_million_pixels_is_refused_from_its_header_alone():
    with pytest.raises(PhotoError) as refused:
        decode_photo(png_header(30_000, 30_000), "huge.png")
    assert refused.value.message == (
        "huge.png is too large: it has 30,000 x 30,000 = 900.0 million pixels, and at most 100.0 million are decoded."
    )
    assert refused.value.hint


@pytest.mark.parametrize("extension", [".jpg", ".png", ".tiff", ".bmp", ".webp"])
def test_the_limit_of_pixels_counts_for_every_format(extension):
    data = encoded(scene(), extension)
    assert decode_photo(data, "photo", limits=DecodeLimits(max_pixels=48 * 64)).width == 64
    with pytest.raises(PhotoError, match="too large: it has 64 x 48"):
        decode_photo(data, "photo", limits=DecodeLimits(max_pixels=48 * 64 - 1))


def test_the_limit_of_bytes_is_checked_first():
    with pytest.raises(PhotoError, match=r"^photo is too large: it has 2\.0 MB, and at most 1\.0 MB are read\.$"):
        decode_photo(bytes(2_000_000), "photo", limits=DecodeLimits(max_bytes=1_000_000))


def test_a_photo_that_does_not_fit_into_memory_is_refused(tmp_path, png_file):
    resource = pytest.importorskip("resource", reason="memory can only be limited on Unix")
    if not sys.platform.startswith("linux"):
        pytest.skip("the memory in use is read from /proc")
    assert resource
    path = tmp_path / "wide.png"
    path.write_bytes(png_file(9000, 9000, 8, 2, bytes(27_000)))
    script = """
import resource, sys
from pathlib import Path
from reid_edge.errors import PhotoError
from reid_edge.photo import read_photo
in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (in_use + 100_000_000,) * 2)
try:
    read_photo(Path(sys.argv[1]))
except PhotoError as error:
    print(error.message)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    ran = subprocess.run([sys.executable, "-c", script, path], env=environment, capture_output=True, text=True, check=False)
    assert ran.stdout == "wide.png needs more memory than is free: it has 9,000 x 9,000 pixels.\n", ran.stderr


def test_pixels_that_cannot_be_decoded_are_one_sentence_and_nothing_on_stderr(capfd, tiff_file):
    with pytest.raises(PhotoError) as refused:
        decode_photo(tiff_file(scene())[:-100], "scan.tif")
    assert refused.value.message == "scan.tif is broken: it begins as a TIFF, but its pixels cannot be decoded."
    assert refused.value.hint
    assert capfd.readouterr().err == ""
