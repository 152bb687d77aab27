"""Near-copies: other files and other pixels, the same moment of the same animal."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from reid_edge.gallery.enrolment_list import Enrolment
from reid_edge.photo import read_photo
from reid_edge_benchmarks.trust.near_copies import near_copy, write_near_copies

GREY = np.full((60, 80, 3), 128, np.uint8)


def test_a_near_copy_is_cut_closer_and_darker_or_brighter_and_the_same_each_time() -> None:
    copies = [near_copy(GREY, seed) for seed in range(20)]
    for rgb, quality in copies:
        assert 51 <= rgb.shape[0] <= 59
        assert 68 <= rgb.shape[1] <= 79
        assert 96 <= rgb.mean() <= 167
        assert 1 <= quality <= 100
    assert len({(rgb.shape, int(rgb[0, 0, 0]), quality) for rgb, quality in copies}) == 20
    again, quality = near_copy(GREY, 3)
    assert np.array_equal(again, copies[3][0])
    assert quality == copies[3][1]


def test_copies_are_made_of_the_photos_in_turn_with_their_labels_and_are_made_once(tmp_path: Path) -> None:
    photos = []
    for number, level in enumerate((60, 200)):
        path = tmp_path / f"{number}.png"
        cv2.imwrite(str(path), np.full((60, 80, 3), level, np.uint8))
        photos.append(Enrolment(path, "A", "zebra", ("left", "right")[number]))
    made = write_near_copies(photos, 5, tmp_path / "copies", lambda items, what: items)
    assert [(copy.identity, copy.species, copy.viewpoint) for copy in made] == [
        ("A", "zebra", side) for side in ("left", "right", "left", "right", "left")
    ]
    assert [read_photo(copy.path).rgb.mean() > 130 for copy in made] == [False, True, False, True, False]
    assert len({read_photo(copy.path).sha256 for copy in made}) == 5
    written = [copy.path.stat().st_mtime_ns for copy in made]
    assert write_near_copies(photos, 5, tmp_path / "copies", lambda items, what: items) == made
    assert [copy.path.stat().st_mtime_ns for copy in made] == written
