"""Perceptual hashes find copies and tell pictures apart."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from reid_edge_calibration.labels.photo_print import MOST_BITS, nearest_prints, photo_print

Draw = Callable[..., Path]
Picture = Callable[[int], np.ndarray]


def bits(path: Path) -> np.ndarray:
    found = photo_print(path).bits
    assert found is not None
    assert found.shape == (127,)
    return found


def test_a_recompressed_smaller_brighter_copy_has_nearly_the_same_print(tmp_path: Path, draw: Draw, picture: Picture) -> None:
    original = bits(draw("a.jpg", 1))
    copies = {
        "recompressed": cv2.imdecode(cv2.imencode(".jpg", picture(1), [cv2.IMWRITE_JPEG_QUALITY, 30])[1], cv2.IMREAD_COLOR),
        "smaller": cv2.resize(picture(1), None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA),
        "brighter": np.clip(picture(1) * 1.2 + 10, 0, 255).astype(np.uint8),
    }
    for name, pixels in copies.items():
        cv2.imwrite(str(tmp_path / f"{name}.png"), pixels)
        assert (bits(tmp_path / f"{name}.png") != original).sum() <= MOST_BITS, name


def test_other_pictures_have_other_prints(draw: Draw) -> None:
    prints = np.stack([bits(draw(f"{seed}.jpg", seed)) for seed in range(20)])
    distances = (prints[:, None] != prints[None]).sum(2)[np.triu_indices(20, 1)]
    assert distances.min() > 2 * MOST_BITS  # measured: 43 of 127


def test_the_nearest_print_is_the_one_with_the_fewest_other_bits() -> None:
    rng = np.random.default_rng(0)
    database = rng.random((30, 127)) < 0.5
    queries = database[[4, 9, 11]].copy()
    queries[0, :MOST_BITS] ^= True
    queries[1, : MOST_BITS + 1] ^= True
    assert nearest_prints(queries, database).tolist() == [4, -1, 11]


@pytest.mark.parametrize("content", [b"", b"no photo", b"\xff\xd8\xff\xe0 cut off"])
def test_what_is_no_photo_has_no_print_but_its_bytes(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.jpg").write_bytes(content)
    (tmp_path / "b.jpg").write_bytes(content)
    assert photo_print(tmp_path / "a.jpg").bits is None
    assert photo_print(tmp_path / "a.jpg").sha256 == photo_print(tmp_path / "b.jpg").sha256
    assert photo_print(tmp_path / "gone.jpg").bits is None


def test_on_real_photos_no_two_individuals_share_a_print(shared: Path) -> None:
    from reid_edge_calibration.labels.label_formats import read_labels

    photos = read_labels(shared / "data" / "zebra", "calibrate").photos
    prints = np.stack([bits(photo.enrolment.path) for photo in photos])
    who = np.array([photo.enrolment.identity for photo in photos])
    near = (prints[:, None] != prints[None]).sum(2) <= MOST_BITS
    assert not (near & (who[:, None] != who[None])).any()
