"""The header: format and size without decoding, and files that are not photos."""

from __future__ import annotations

import struct

import cv2
import numpy as np
import pytest

from reid_edge.errors import PhotoError
from reid_edge.photo.header import read_header

SCENE = np.full((30, 50, 3), 90, np.uint8)
LOSSLESS_WEBP = [cv2.IMWRITE_WEBP_QUALITY, 101]


def encoded(extension, parameters=(), scene=SCENE):
    return cv2.imencode(extension, scene, list(parameters))[1].tobytes()


@pytest.mark.parametrize(
    ("extension", "parameters", "kind"),
    [
        (".jpg", (), "JPEG"),
        (".jpg", (cv2.IMWRITE_JPEG_PROGRESSIVE, 1, cv2.IMWRITE_JPEG_RST_INTERVAL, 1), "JPEG"),
        (".png", (), "PNG"),
        (".tiff", (), "TIFF"),
        (".bmp", (), "BMP"),
        (".webp", (cv2.IMWRITE_WEBP_QUALITY, 80), "WebP"),
        (".webp", LOSSLESS_WEBP, "WebP"),
    ],
)
def test_every_format_gives_its_size_and_is_complete(extension, parameters, kind):
    header = read_header(encoded(extension, parameters), "photo")
    assert (header.format, header.width, header.height, header.complete) == (kind, 50, 30, True)


def test_a_webp_with_transparency_gives_the_size_of_its_canvas():
    header = read_header(encoded(".webp", LOSSLESS_WEBP, np.full((30, 50, 4), 90, np.uint8)), "photo")
    assert (header.format, header.width, header.height) == ("WebP", 50, 30)


def test_a_big_endian_tiff_gives_its_size(tiff_file):
    header = read_header(tiff_file(SCENE, order=">"), "photo")
    assert (header.format, header.width, header.height) == ("TIFF", 50, 30)


def test_an_os2_bitmap_and_one_stored_from_the_top_give_their_sizes():
    os2 = b"BM" + struct.pack("<IIIIHHHH", 26, 0, 26, 12, 50, 30, 1, 24)
    from_the_top = b"BM" + struct.pack("<IIIIiiHH", 54, 0, 54, 40, 50, -30, 1, 24)
    for data in (os2, from_the_top):
        header = read_header(data, "photo")
        assert (header.width, header.height) == (50, 30)


def test_the_size_of_a_thumbnail_inside_the_exif_block_is_not_taken_for_the_photo(exif_block, with_exif):
    thumbnail = encoded(".jpg", scene=np.zeros((8, 8, 3), np.uint8))
    header = read_header(with_exif(encoded(".jpg"), exif_block() + thumbnail), "photo")
    assert (header.width, header.height, header.complete) == (50, 30, True)


def test_a_jpeg_that_lost_its_end_behind_a_whole_thumbnail_is_incomplete(exif_block, with_exif):
    thumbnail = encoded(".jpg", scene=np.zeros((8, 8, 3), np.uint8))
    assert not read_header(with_exif(encoded(".jpg"), exif_block() + thumbnail)[:-2], "photo").complete


def test_bytes_after_the_end_of_a_jpeg_do_no_harm():
    assert read_header(encoded(".jpg") + bytes(1000), "photo").complete


def test_sixteen_million_fill_bytes_are_skipped_in_one_pass():
    data = encoded(".jpg")
    assert read_header(data[:2] + b"\xff" * 16_000_000 + data[2:], "photo").complete


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "a.jpg is empty: it holds 0 bytes."),
        (bytes(5000), "a.jpg is broken: it holds nothing but zeros."),
        (b"Station,Date\n12,2016-09-25\n" * 90, "a.jpg is a text file, not a photo."),
        ("Löwe, Bär, Gepard\n".encode() * 90, "a.jpg is a text file, not a photo."),
        (b"\x01\x02\x03\x80" * 90, "a.jpg is not a photo: its format is not known. JPEG, PNG, TIFF, BMP and WebP are read."),
        (b"\0\0\0\x1cftypavif\0\0\0\0", "a.jpg is an AVIF photo, which cannot be read."),
        (b"\0\0\0\x18ftypmp42\0\0\0\0", "a.jpg is a video, which cannot be read."),
        (b"RIFF\0\0\0\0AVI LIST", "a.jpg is a video, which cannot be read."),
        (b"GIF89a", "a.jpg is a GIF, which cannot be read."),
        (b"II+\0\x08\0\0\0", "a.jpg is a BigTIFF, which cannot be read."),
        (b"\xff\xd8\xff", "a.jpg is cut off: the JPEG ends before its end marker."),
        (b"\xff\xd8\xff\xd9", "a.jpg is broken: its JPEG header gives no picture size."),
        (b"\x89PNG\r\n\x1a\n", "a.jpg is cut off: the PNG ends before its end marker."),
        (b"BM", "a.jpg is cut off: the BMP ends before the picture is complete."),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "a.jpg is cut off: the WebP ends before the picture is complete."),
        (b"II*\0\xff\xff\0\0", "a.jpg is cut off: the TIFF ends before the picture is complete."),
        (b"II*\0\x08\0\0\0\0\0\0\0\0\0", "a.jpg is broken: its TIFF header cannot be read, tag 256 is missing."),
    ],
)
def test_what_is_no_photo_is_refused_by_what_it_is_with_a_hint(data, said):
    with pytest.raises(PhotoError) as refused:
        read_header(data, "a.jpg")
    assert refused.value.message == said
    assert refused.value.hint


@pytest.mark.parametrize("tags", [{254: (4, [1])}, {50706: (1, [1, 4, 0, 0])}])
def test_a_camera_raw_file_is_not_taken_for_the_tiff_of_its_thumbnail(tiff_file, tags):
    with pytest.raises(PhotoError, match="is a camera raw file"):
        read_header(tiff_file(SCENE, tags), "IMG_1.NEF")


@pytest.mark.parametrize("tags", [{284: (3, [2])}, {262: (3, [8])}])
def test_a_16_bit_tiff_that_opencv_would_misread_is_refused(tiff_file, tags):
    with pytest.raises(PhotoError, match="16-bit TIFF of an unusual layout"):
        read_header(tiff_file(SCENE.astype(np.uint16), tags), "scan.tif")
