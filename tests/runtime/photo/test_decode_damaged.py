"""Laws of damage: whatever happens to the bytes of a photo, it decodes to pixels or is refused by PhotoError."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reid_edge.errors import PhotoError
from reid_edge.photo import DecodeLimits, decode_photo

SMALL = DecodeLimits(max_pixels=500_000)


def noisy_scene():
    noise = np.random.default_rng(1).integers(0, 256, (24, 32, 3)).astype(np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 1.5)


FILES = {
    "JPEG": cv2.imencode(".jpg", noisy_scene())[1].tobytes(),
    "progressive JPEG": cv2.imencode(".jpg", noisy_scene(), [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes(),
    "PNG": cv2.imencode(".png", noisy_scene())[1].tobytes(),
    "TIFF": cv2.imencode(".tiff", noisy_scene())[1].tobytes(),
    "BMP": cv2.imencode(".bmp", noisy_scene())[1].tobytes(),
    "WebP": cv2.imencode(".webp", noisy_scene())[1].tobytes(),
}


def decodes_or_is_refused(data):
    try:
        photo = decode_photo(data, "damaged", limits=SMALL)
    except PhotoError as error:
        refused = error
    else:
        refused = None
    if refused:
        assert refused.message.startswith("damaged ")
        assert refused.message.endswith(".")
        assert refused.hint
    else:
        assert photo.rgb.dtype == np.uint8
        assert photo.rgb.ndim == 3
        assert photo.rgb.shape[2] == 3
        assert 0 < photo.width * photo.height <= SMALL.max_pixels


@pytest.mark.parametrize("kind", FILES)
@given(data=st.data())
@settings(deadline=None)
def test_changed_bytes_decode_or_are_refused(kind, data):
    damaged = bytearray(FILES[kind])
    # Half of the changes fall into the header, where they do most.
    position = st.one_of(st.integers(0, min(200, len(damaged) - 1)), st.integers(0, len(damaged) - 1))
    for at, value in data.draw(st.lists(st.tuples(position, st.integers(0, 255)), min_size=1, max_size=8)):
        damaged[at] = value
    decodes_or_is_refused(bytes(damaged))


@pytest.mark.parametrize("kind", FILES)
@given(data=st.data())
@settings(deadline=None)
def test_a_part_cut_out_of_the_middle_decodes_or_is_refused(kind, data):
    whole = FILES[kind]
    start = data.draw(st.integers(0, len(whole)))
    decodes_or_is_refused(whole[:start] + whole[start + data.draw(st.integers(1, 200)) :])


@pytest.mark.parametrize("kind", FILES)
@given(data=st.data())
@settings(deadline=None)
def test_a_file_that_stops_early_is_always_refused(kind, data):
    whole = FILES[kind]
    decode_photo(whole, "whole")
    with pytest.raises(PhotoError):
        decode_photo(whole[: data.draw(st.integers(0, len(whole) - 1))], "damaged")


@given(data=st.binary(max_size=400), start=st.sampled_from([b"", *(whole[:12] for whole in FILES.values())]))
@settings(deadline=None)
def test_random_bytes_decode_or_are_refused(data, start):
    decodes_or_is_refused(start + data)
