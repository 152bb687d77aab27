from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from reid_edge_export.photos import LARGEST_SIDE, read_image


def test_a_large_photo_is_shrunk_and_a_small_one_is_left_as_it_is(tmp_path: Path) -> None:
    for name, shape in (("large", (30, 3000, 3)), ("small", (30, 40, 3))):
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.full(shape, 90, np.uint8))
    assert read_image(tmp_path / "large.png").shape == (20, LARGEST_SIDE, 3)
    assert read_image(tmp_path / "small.png").shape == (30, 40, 3)
