"""Paths in tables that are spelt otherwise than the files."""

from __future__ import annotations

from pathlib import Path

from reid_edge.photo.spelling import find_file


def test_a_path_is_matched_where_exactly_one_file_fits(tmp_path: Path) -> None:
    (tmp_path / "Images").mkdir()
    photo = tmp_path / "Images" / "a.jpg"
    umlaut = tmp_path / "Images" / "Lo\u0308we.JPG"
    for path in (photo, umlaut):
        path.write_bytes(b"")
    assert find_file(tmp_path, "Images/a.jpg") == photo
    assert find_file(tmp_path, "images\\a.JPG") == photo
    assert find_file(tmp_path, ".\\IMAGES\\..\\images\\a.jpg ").resolve() == photo
    assert find_file(tmp_path, "Images/l\u00f6we.jpg") == umlaut
    assert find_file(tmp_path, str(photo).replace("a.jpg", "A.jpg")) == photo
    assert find_file(tmp_path, "images/c.jpg") == tmp_path / "images" / "c.jpg"
    assert find_file(tmp_path, "x" * 5000) == tmp_path / ("x" * 5000)
    (tmp_path / "Images" / "A.jpg").write_bytes(b"another")
    assert find_file(tmp_path, "Images/A.JPG") == tmp_path / "Images" / "A.JPG"  # two fit: as it is written
    assert find_file(tmp_path, "images/a.jpg") in (photo, tmp_path / "images" / "a.jpg")


def test_a_backslash_that_is_part_of_a_name_is_kept(tmp_path: Path) -> None:
    odd = tmp_path / "a\\b.jpg"
    odd.write_bytes(b"")
    assert find_file(tmp_path, "a\\b.jpg") == odd
