"""Small JPEGs keep the shape of what they show, and are never larger than asked for."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from reid_edge.photo.jpeg import small_jpeg


@pytest.mark.parametrize(("shape", "expected"), [((300, 600), (100, 200)), ((600, 2), (200, 1)), ((40, 50), (40, 50))])
def test_the_longer_side_is_as_long_as_asked_for_and_what_is_smaller_stays(shape, expected):
    rgb = np.zeros((*shape, 3), np.uint8)
    rgb[..., 0] = 200
    decoded = cv2.imdecode(np.frombuffer(small_jpeg(rgb, 200, 90), np.uint8), cv2.IMREAD_COLOR)
    assert decoded.shape[:2] == expected
    assert abs(decoded[..., 2].astype(int) - 200).max() < 10  # red is red: OpenCV reads blue first
