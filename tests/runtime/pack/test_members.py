"""Paths in a pack: plain, relative, and one file each on every disk."""

from __future__ import annotations

from pathlib import PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reid_edge.errors import PackError
from reid_edge.pack.members import check_collisions, check_path


@pytest.mark.parametrize("path", ["a.onnx", "calibration/generic.json", "LICENSE.txt", "a-b_c+1.2.onnx", "a/b/c/d.md", "_x.toml"])
def test_a_plain_path_is_accepted(path):
    assert check_path(path) == path


@pytest.mark.parametrize(
    "path",
    [
        "/etc/x.json",
        "../x.json",
        "a/../x.json",
        "..",
        "a\\b.json",
        "\\\\host\\x.json",
        "C:x.json",
        "c:/x.json",
        "a/..",
        "//x.json",
    ],
)
def test_a_path_out_of_the_pack_is_refused(path):
    with pytest.raises(PackError, match="leads out of the pack"):
        check_path(path)


@pytest.mark.parametrize(
    "path",
    [
        "",
        ".",
        "./x.json",
        "a//x.json",
        "a/",
        "a/.x.json",
        ".x.json",
        "a\0.json",
        "x.json\0",
        "é.json",
        "a b.json",
        "a./x.json",
        "x.json\n",
        "a:b.json",
        "~/x.json",
        "$x.json",
        "-x.json",
        "a/-x.json",
        "x\u202egpj.json",
        "\ud800.json",
    ],
)
def test_an_odd_character_or_an_empty_part_is_refused(path):
    with pytest.raises(PackError):
        check_path(path)


def test_a_very_long_path_is_refused():
    with pytest.raises(PackError, match="longer than 200"):
        check_path("a" * 300 + ".json")


@pytest.mark.parametrize(
    ("paths", "why"),
    [
        (["a.json", "A.json"], "differ only in case"),
        (["Calibration/a.json", "calibration/b.json"], "differ only in case"),
        (["a.json", "a.json"], "there twice"),
        (["a.json/b.json", "a.json"], "both a file and the folder"),
        (["a.json", "a.json/b.json"], "both a file and the folder"),
    ],
)
def test_paths_that_collide_are_refused(paths, why):
    with pytest.raises(PackError, match=why):
        check_collisions(paths)


def test_paths_in_one_folder_do_not_collide():
    check_collisions(["a/b.json", "a/c.json", "a/b/c.json", "d.json"])


pieces = st.sampled_from(["..", ".", "/", "\\", "C:", "a", "B", "b.json", "\0", " ", "~", "x", "é", "-", ""])


@settings(max_examples=400, deadline=None)
@given(st.lists(pieces, max_size=6).map("".join) | st.text(max_size=20), st.sampled_from(["", ".json", ".onnx"]))
def test_a_path_is_either_refused_or_stays_in_the_pack_on_every_system(stem, ending):
    path = stem + ending
    try:
        check_path(path)
    except PackError:
        return
    for flavour in (PurePosixPath, PureWindowsPath):
        parsed = flavour(path)
        assert not parsed.is_absolute()
        assert not parsed.drive
        assert ".." not in parsed.parts
        assert parsed.as_posix() == path
