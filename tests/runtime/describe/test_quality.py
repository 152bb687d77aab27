"""A blurred, small or pale picture measures as one."""

from __future__ import annotations

import cv2
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from reid_edge.describe.quality import QUALITY, quality_of


def stripes(width=400):
    image = np.full((300, width, 3), 60, np.uint8)
    image[:, (np.arange(width) // 12) % 2 == 0] = 200
    return image


def measured(image, mask=None):
    mask = np.ones(image.shape[:2], bool) if mask is None else mask
    return dict(zip(QUALITY, quality_of(image, mask), strict=True))


def test_blur_lowers_sharpness_haze_lowers_contrast_and_size_is_the_crops():
    sharp = measured(stripes())
    assert measured(cv2.GaussianBlur(stripes(), (0, 0), 8))["sharpness"] < sharp["sharpness"] - 2
    assert measured((stripes() // 4 + 90).astype(np.uint8))["contrast"] < sharp["contrast"] / 3
    assert measured(stripes(200))["size"] == np.float32(np.log(300))


def test_only_the_animal_counts():
    image, mask = stripes(), np.zeros((300, 400), bool)
    image[:, :200] = 128
    mask[:, 20:180] = True
    assert measured(image, mask)["contrast"] < 0.01
    assert measured(image, ~mask)["contrast"] > 0.2


@given(st.integers(1, 40), st.integers(1, 40))
def test_any_crop_however_small_has_finite_measures(height, width):
    image = np.random.default_rng(height * 41 + width).integers(0, 255, (height, width, 3), np.uint8)
    assert np.isfinite(quality_of(image, np.zeros((height, width), bool))).all()
