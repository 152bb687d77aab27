"""Writing packs: what is written opens, the same pack gives the same bytes, and a failure leaves what was there."""

from __future__ import annotations

import hashlib
import os
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from reid_edge.errors import PackError, StorageError
from reid_edge.pack import NewFile, open_pack, write_pack, write_zip


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_written_pack_opens_as_itself(parts, tmp_path):
    made = parts()
    written = write_pack(tmp_path / "deep" / "tiny", replace(made.manifest, files=()), made.new_files)
    assert written == open_pack(tmp_path / "deep" / "tiny")
    assert written.manifest == made.manifest
    assert written.sha256 == hashlib.sha256((tmp_path / "deep/tiny/pack.toml").read_bytes()).hexdigest()
    assert names(tmp_path / "deep") == {"tiny"}


def test_a_pack_is_recalibrated_in_place(parts, tmp_path):
    made = parts()
    old = write_pack(tmp_path / "tiny", made.manifest, made.new_files)
    kept = [
        NewFile(f.path, old.read_bytes(f.path), f.licence, f.origin) for f in old.manifest.files if not f.path.endswith(".json")
    ]
    fitted = NewFile("calibration/zebra.json", b"{}", "Apache-2.0", "fitted on the tests")
    new = write_pack(tmp_path / "tiny", replace(old.manifest, version="2"), [*kept, fitted])
    assert new.read_json("calibration/zebra.json") == {}
    assert not (tmp_path / "tiny/calibration/e.json").exists()
    assert names(tmp_path) == {"tiny"}


@pytest.mark.parametrize("path", ["weights.pkl", "../out.json", "tiny.onnx.json/../x.json"])
def test_a_file_that_would_not_open_is_refused_and_the_old_pack_stays(parts, tmp_path, path):
    made = parts()
    old = write_pack(tmp_path / "tiny", made.manifest, made.new_files)
    with pytest.raises(PackError):
        write_pack(tmp_path / "tiny", replace(made.manifest, version="2"), [*made.new_files, NewFile(path, b"{}", "MIT", "x")])
    assert open_pack(tmp_path / "tiny") == old
    assert names(tmp_path) == {"tiny"}


def test_a_network_that_would_not_open_is_refused_and_nothing_is_left(parts, network, tmp_path):
    made = parts(network(opset=17))
    with pytest.raises(PackError, match="opset 17"):
        write_pack(tmp_path / "tiny", made.manifest, made.new_files)
    random = parts(network(stamp="random"), weights="random")
    with pytest.raises(PackError, match="random weights"):
        write_pack(tmp_path / "tiny", random.manifest, random.new_files)
    assert not names(tmp_path)
    assert write_pack(tmp_path / "tiny", random.manifest, random.new_files, allow_random=True).manifest == random.manifest


def test_a_directory_that_is_no_pack_is_never_replaced(parts, tmp_path):
    made = parts()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/diary.txt").write_text("keep me")
    for place in (tmp_path / "mine", tmp_path / "mine/diary.txt"):
        with pytest.raises(StorageError, match="is not a pack"):
            write_pack(place, made.manifest, made.new_files)
    assert (tmp_path / "mine/diary.txt").read_text() == "keep me"


def test_a_place_that_cannot_be_written_is_a_storage_error(parts, tmp_path):
    made = parts()
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="Could not write the pack"):
        write_pack(tmp_path / "file" / "tiny", made.manifest, made.new_files)


def test_a_zip_has_the_same_bytes_whenever_and_from_wherever_it_is_made(parts, tmp_path):
    made = parts()
    first = made.lay(tmp_path / "a")
    second = replace(made, contents=dict(reversed(made.contents.items()))).lay(tmp_path / "b")
    os.utime(second / "tiny.onnx", (time.time() - 1e6, time.time() - 1e6))
    (second / "tiny.onnx").chmod(0o600)
    write_zip(first, tmp_path / "a.zip")
    write_zip(second, tmp_path / "b.zip")
    write_zip(tmp_path / "a.zip", tmp_path / "c.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes() == (tmp_path / "c.zip").read_bytes()


def test_a_written_zip_opens_as_the_same_pack(parts, tmp_path):
    directory = parts().lay(tmp_path / "tiny")
    write_zip(directory, tmp_path / "tiny.zip")
    assert open_pack(tmp_path / "tiny.zip").sha256 == open_pack(directory).sha256
    names = zipfile.ZipFile(tmp_path / "tiny.zip").namelist()
    assert names == ["NOTICE.txt", "calibration/e.json", "pack.toml", "tiny.onnx"]


def test_a_broken_pack_is_not_zipped(parts, tmp_path):
    directory = parts().lay(tmp_path / "tiny")
    (directory / "NOTICE.txt").unlink()
    with pytest.raises(PackError, match="missing"):
        write_zip(directory, tmp_path / "tiny.zip")
    assert names(tmp_path) == {"tiny"}


def test_a_zip_that_cannot_be_written_is_a_storage_error_and_leaves_nothing(parts, tmp_path):
    directory = parts().lay(tmp_path / "tiny")
    (tmp_path / "there").mkdir()
    with pytest.raises(StorageError, match="Could not write"):
        write_zip(directory, tmp_path / "there")
    assert names(tmp_path) == {"there", "tiny"}
