"""Files that appear whole or not at all, and folders that are synced as far as their file system can."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from reid_edge.storage.durable import make_folder, move_into_place, replace_folder, replacing, sync_folder, write_synced


def names(folder):
    return [path.name for path in folder.iterdir()]


def test_a_replaced_file_has_the_new_content(tmp_path):
    (tmp_path / "file").write_bytes(b"old")
    with replacing(tmp_path / "file") as file:
        file.write(b"new")
        assert (tmp_path / "file").read_bytes() == b"old"
    assert (tmp_path / "file").read_bytes() == b"new"
    assert names(tmp_path) == ["file"]


def test_an_error_while_writing_leaves_the_old_file_alone(tmp_path):
    (tmp_path / "file").write_bytes(b"old")

    def fail():
        with replacing(tmp_path / "file") as file:
            file.write(b"half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert (tmp_path / "file").read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


def test_a_process_killed_while_writing_leaves_the_old_file_and_a_temporary_one(tmp_path):
    (tmp_path / "file").write_bytes(b"old")
    script = f"""
import os, signal
from pathlib import Path
from reid_edge.storage.durable import replacing
with replacing(Path({str(tmp_path / "file")!r})) as file:
    file.write(b"half")
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", script], check=False)
    assert (tmp_path / "file").read_bytes() == b"old"
    assert sorted(path.suffix for path in tmp_path.iterdir()) == ["", ".tmp"]


def test_write_synced_never_replaces_a_file(tmp_path):
    write_synced(tmp_path / "file", b"first")
    with pytest.raises(FileExistsError):
        write_synced(tmp_path / "file", b"second")
    assert (tmp_path / "file").read_bytes() == b"first"


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is a file system that cannot sync a folder")
def test_a_folder_that_its_file_system_cannot_sync_is_no_error():
    with pytest.raises(OSError, match="Invalid argument"):
        os.fsync(os.open("/proc", os.O_RDONLY))
    sync_folder(Path("/proc"))


def test_a_folder_that_is_missing_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        sync_folder(tmp_path / "absent")


def test_a_file_is_moved_into_the_place_of_another(tmp_path):
    (tmp_path / "new").write_bytes(b"new")
    (tmp_path / "file").write_bytes(b"old")
    move_into_place(tmp_path / "new", tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"new"
    assert names(tmp_path) == ["file"]


def test_a_folder_takes_the_place_of_another_which_is_kept_aside(tmp_path):
    for name in ("fresh", "folder"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    replace_folder(tmp_path / "fresh", tmp_path / "folder", aside=tmp_path / "aside")
    assert (tmp_path / "folder" / "file").read_text() == "fresh"
    assert (tmp_path / "aside" / "file").read_text() == "folder"


def test_a_folder_that_cannot_be_replaced_is_put_back(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_text("folder")
    with pytest.raises(FileNotFoundError):
        replace_folder(tmp_path / "absent", tmp_path / "folder", aside=tmp_path / "aside")
    assert (tmp_path / "folder" / "file").read_text() == "folder"
    assert names(tmp_path) == ["folder"]


def test_a_folder_is_made_with_those_above_it_and_again_after_it_was_deleted(tmp_path):
    for _ in range(2):
        make_folder(tmp_path / "a" / "b")
        assert (tmp_path / "a" / "b").is_dir()
        (tmp_path / "a" / "b").rmdir()
