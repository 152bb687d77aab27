"""HEIC and raw files: read with their optional packages like any photo, and named with what to install where those are missing."""

from __future__ import annotations

import io
import struct
import sys

import numpy as np
import pytest

from reid_edge.errors import PhotoError
from reid_edge.gallery.enrolment_list import read_source
from reid_edge.photo import DecodeLimits, decode_photo, list_photos, list_photos_to_convert, read_photo
from reid_edge.photo.header import read_header

# The upper half is bright, the right side reddish: every turn and mirror image of it looks different.
SCENE = np.full((48, 80, 3), 30, np.uint8)
SCENE[:24] = 200
SCENE[:, 60:, 0] = 255

FIRST_BYTES = {
    b"\0\0\0\x18ftypheic\0\0\0\0": "a HEIC photo",
    b"\0\0\0\x18ftypmif1\0\0\0\0": "a HEIC photo",
    b"\0\0\0\x18ftypcrx \0\0\0\1": "a Canon CR3 raw file",
    b"II*\0\x10\0\0\0CR\x02\0": "a Canon CR2 raw file",
    b"FUJIFILMCCD-RAW 0201": "a Fujifilm raw file",
    b"IIU\0\x18\0\0\0": "a Panasonic raw file",
    b"IIRO\x08\0\0\0": "an Olympus raw file",
}


@pytest.fixture(scope="module")
def taken(exif_block):
    """taken(orientation): an EXIF block with a time and a place."""

    def build(orientation):
        gps = {1: (2, b"S\0"), 2: (5, [12, 1, 30, 1, 0, 1]), 3: (2, b"W\0"), 4: (5, [69, 1, 15, 1, 0, 1])}
        return exif_block({0x112: (3, [orientation])}, {0x9003: (2, b"2024:05:06 07:08:09\0")}, gps)

    return build


def heic(rgb, exif=None, **options):
    pytest.importorskip("pillow_heif")
    from pillow_heif import from_bytes

    file = io.BytesIO()
    mode = "RGBA" if rgb.shape[2] == 4 else "RGB"
    image = from_bytes(mode=mode, size=(rgb.shape[1], rgb.shape[0]), data=rgb.tobytes())
    image.save(file, quality=95, exif=exif, **options)
    return file.getvalue()


def dng(tiff_file, samples, orientation, exif=None):
    """A raw file as small as LibRaw takes one: a Bayer pattern, one exposure, the EXIF block's directory behind it."""
    pytest.importorskip("rawpy")
    unit = [1, 1, 0, 1, 0, 1, 0, 1, 1, 1, 0, 1, 0, 1, 0, 1, 1, 1]
    return tiff_file(
        samples,
        {
            254: (4, [0]),
            262: (3, [32803]),
            271: (2, b"Test\0"),
            272: (2, b"Raw\0"),
            274: (3, [orientation]),
            33421: (3, [2, 2]),
            33422: (1, [0, 1, 1, 2]),
            50706: (1, [1, 4, 0, 0]),
            50708: (2, b"Test Raw\0"),
            50717: (4, [65535]),
            50721: (5, unit),
            50728: (5, [1] * 6),
            **(exif or {}),
        },
    )


def corners(rgb):
    return [tuple(rgb[y, x].round(-1)) for y, x in ((3, 3), (3, -4), (-4, 3), (-4, -4))]


def test_a_heic_photo_is_read_with_its_time_and_place(taken):
    photo = decode_photo(heic(SCENE, taken(1)), "a.heic")
    assert (photo.width, photo.height, photo.taken_at) == (80, 48, "2024-05-06T07:08:09")
    assert (photo.latitude, photo.longitude, photo.warnings) == (-12.5, -69.25, ())
    # Measured 1.3 at quality 95 with halved chroma.
    assert np.abs(photo.rgb.astype(int) - SCENE).mean() < 4


def test_a_turned_heic_photo_is_upright_once(taken):
    # pillow-heif writes the orientation both ways, as phones do: into the file's own structure, and into EXIF.
    turned = decode_photo(heic(SCENE, taken(6)), "a.heic")
    assert (turned.width, turned.height) == (48, 80)
    assert np.abs(turned.rgb.astype(int) - np.rot90(SCENE, -1)).mean() < 4


def test_transparent_parts_of_a_heic_photo_become_grey():
    see_through = np.dstack([SCENE, np.full(SCENE.shape[:2], 255, np.uint8)])
    see_through[:, :30, 3] = 0
    photo = decode_photo(heic(see_through), "a.heic")
    assert np.abs(photo.rgb[:, :24].astype(int) - 128).max() < 12
    assert "grey" in photo.warnings[0]


def bayer(rgb):
    mosaic = np.empty(rgb.shape[:2], np.uint16)
    for y, x, channel in ((0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 2)):
        mosaic[y::2, x::2] = rgb[y::2, x::2, channel].astype(np.uint16) * 200
    return mosaic


@pytest.mark.parametrize(("orientation", "turns"), [(1, 0), (6, -1), (3, 2), (8, 1)])
def test_a_raw_file_is_developed_at_full_size_and_upright(tiff_file, orientation, turns):
    photo = decode_photo(dng(tiff_file, bayer(SCENE), orientation), "a.dng")
    wanted = np.rot90(SCENE, turns)
    assert photo.rgb.shape == wanted.shape
    grey, bright = photo.rgb.mean(axis=2), wanted[..., 1] > 100  # green is bright in the upper half only
    assert grey[bright].mean() > 1.5 * grey[~bright].mean()
    red = photo.rgb[..., 0].astype(int) - photo.rgb[..., 2]
    assert red[wanted[..., 0] == 255].mean() > 40 > np.abs(red[(wanted[..., 0] != 255)].mean())


def test_the_time_of_a_raw_file_is_kept(tiff_file):
    # DateTimeOriginal stands in a directory of its own behind the pixels.
    data = bytearray(dng(tiff_file, bayer(SCENE), 1, {0x8769: (4, [0])}))
    directory = struct.pack("<HHHII", 1, 0x9003, 2, 20, len(data) + 18) + b"\0\0\0\0" + b"2024:05:06 07:08:09\0"
    at = data.index(struct.pack("<HHII", 0x8769, 4, 1, 0))
    data[at + 8 : at + 12] = struct.pack("<I", len(data))
    photo = decode_photo(bytes(data) + directory, "a.dng")
    assert photo.taken_at == "2024-05-06T07:08:09"


def test_limits_are_kept_before_anything_is_decoded(tiff_file):
    for data in (heic(SCENE), dng(tiff_file, bayer(SCENE), 1)):
        with pytest.raises(PhotoError, match="is too large: it has 80 x 48"):
            decode_photo(data, "a", limits=DecodeLimits(max_pixels=80 * 48 - 1))


def test_a_cut_off_or_altered_file_is_refused_in_one_sentence(tiff_file):
    for data in (heic(SCENE), dng(tiff_file, bayer(SCENE), 1)):
        for size in range(16, len(data), 97):
            with pytest.raises(PhotoError) as refused:
                decode_photo(data[:size], "a.x")
            assert refused.value.hint


@pytest.mark.parametrize("start", FIRST_BYTES)
@pytest.mark.parametrize("package", ["pillow_heif", "rawpy"])
def test_without_its_package_a_file_is_named_with_what_to_install(monkeypatch, start, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(PhotoError) as refused:
        read_header(start, "a.jpg")
    assert refused.value.message.startswith(f"a.jpg is {FIRST_BYTES[start]}")
    if (package == "rawpy") == ("raw" in FIRST_BYTES[start]):
        assert f"the package {package.replace('_', '-')} is not installed" in refused.value.message
        assert "pip install '.[formats]'" in refused.value.hint


def test_folders_list_what_can_be_read_here_and_what_cannot(tmp_path):
    for name in ("a.jpg", "b.HEIC", "c.dng", "d.avif"):
        (tmp_path / name).touch()
    pytest.importorskip("pillow_heif")
    pytest.importorskip("rawpy")
    assert [path.name for path in list_photos(tmp_path)] == ["a.jpg", "b.HEIC", "c.dng"]
    assert [path.name for path in list_photos_to_convert(tmp_path)] == ["d.avif"]


def test_a_folder_of_heic_photos_is_enrolled_like_any_other(tmp_path):
    (tmp_path / "Zoe").mkdir()
    (tmp_path / "Zoe" / "IMG_1.HEIC").write_bytes(heic(SCENE))
    ((path, identity),) = [(enrolment.path, enrolment.identity) for enrolment in read_source(tmp_path)]
    assert (read_photo(path).width, identity) == (80, "Zoe")
