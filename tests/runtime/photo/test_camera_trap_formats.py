"""The camera trap files of every kind: each decodes to what it shows, or is refused for what it is."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from reid_edge.errors import PhotoError
from reid_edge.photo import list_photos, read_photo

# width, height, taken at
DECODED = {
    "african_elephants.jpg": (2048, 1536, "2010-08-04T08:43:15"),
    "african_elephants_bw.jpg": (2048, 1536, None),
    "african_elephants_cmyk.jpg": (2048, 1536, None),
    "african_elephants_with_exif_orientation.jpg": (2048, 1536, "2010-08-04T08:43:15"),
    "american_black_bear.jpg": (2048, 1536, None),
    "blank.jpg": (2048, 1536, "2016-09-25T18:35:10"),
    "blank2.jpg": (3264, 2448, "2016-07-31T15:16:34"),
    "blank3.jpg": (3264, 2448, "2016-05-03T19:14:10"),
    "domestic_cattle.jpg": (2048, 1536, "2014-09-26T14:21:04"),
    "ocelot.jpg": (1046, 802, "2006-02-10T17:06:43"),
    "vehicle.jpg": (2048, 1536, "2015-11-30T15:55:56"),
}
REFUSED = {
    "african_elephants_truncated_file.jpg": "is cut off: the JPEG ends before its end marker.",
    "zero_bytes.jpg": "is empty: it holds 0 bytes.",
}


@pytest.fixture(scope="module")
def formats(shared) -> Path:
    folder = shared / "data" / "camera_trap" / "formats"
    if not folder.is_dir():
        pytest.skip("the camera trap files are not among the real photos")
    return folder


def test_every_file_of_the_folder_has_its_outcome_stated_here(formats):
    assert {path.name for path in list_photos(formats)} == DECODED.keys() | REFUSED.keys()


@pytest.mark.parametrize("name", DECODED)
def test_a_sound_file_decodes_upright_with_its_time(formats, name):
    photo = read_photo(formats / name)
    assert (photo.width, photo.height, photo.taken_at) == DECODED[name]
    assert photo.warnings == ()
    assert photo.rgb.std() > 10


@pytest.mark.parametrize("name", REFUSED)
def test_a_broken_file_is_refused_in_one_sentence(formats, name):
    with pytest.raises(PhotoError) as refused:
        read_photo(formats / name)
    assert refused.value.message == f"{name} {REFUSED[name]}"
    assert refused.value.hint == "Copy the file again from the card."


# Mean absolute difference from the same scene as plain RGB; measured: CMYK 1.44, grey 1.11, turned 1.73. Inverted CMYK gives 153.
@pytest.mark.parametrize(
    ("name", "most"),
    [("african_elephants_cmyk.jpg", 3), ("african_elephants_bw.jpg", 3), ("african_elephants_with_exif_orientation.jpg", 3)],
)
def test_the_same_scene_looks_the_same_in_cmyk_in_grey_and_turned(formats, name, most):
    plain, other = (read_photo(formats / file).rgb for file in ("african_elephants.jpg", name))
    if name.endswith("_bw.jpg"):
        plain = np.repeat(cv2.cvtColor(plain, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
    assert np.abs(plain.astype(np.int16) - other).mean() < most
