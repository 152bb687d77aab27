"""A zip from elsewhere is read within its limits or refused; packs and galleries test the rest with real ones."""

from __future__ import annotations

import zipfile

import pytest

from reid_edge.storage.zip_archive import ArchiveError, BoundedZip, ZipLimits

LIMITS = ZipLimits(table_bytes=1 << 20, entries=5)


def write(path, contents, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return path


def test_files_are_listed_with_their_sizes_and_read(tmp_path):
    with BoundedZip(write(tmp_path / "a.zip", {"folder/": b"", "folder/a": b"abc", "b": b""}), LIMITS) as archive:
        assert archive.sizes == {"folder/a": 3, "b": 0}
        assert archive.read("folder/a") == b"abc"


def test_more_entries_than_the_limit_are_refused(tmp_path):
    with pytest.raises(ArchiveError, match="more than 5 files"):
        BoundedZip(write(tmp_path / "a.zip", {str(number): b"" for number in range(6)}), LIMITS)


def test_many_small_bombs_are_refused_together(tmp_path):
    contents = {str(number): bytes(1 << 20) for number in range(5)}
    with pytest.raises(ArchiveError, match="unpacks to 5242880 bytes"):
        BoundedZip(write(tmp_path / "a.zip", contents), LIMITS)


@pytest.mark.parametrize("name", ["../a", "/a", "a\\b", "C:a", "a/../b"])
def test_a_path_that_leaves_the_archive_is_refused(tmp_path, name):
    with pytest.raises(ArchiveError, match="leads out of the archive"):
        BoundedZip(write(tmp_path / "a.zip", {name: b""}), LIMITS)


def test_a_file_that_is_no_zip_is_refused_and_a_missing_one_is_an_error_of_the_system(tmp_path):
    (tmp_path / "a.zip").write_bytes(b"hello")
    with pytest.raises(ArchiveError, match="it is not a zip"):
        BoundedZip(tmp_path / "a.zip", LIMITS)
    with pytest.raises(FileNotFoundError):
        BoundedZip(tmp_path / "absent.zip", LIMITS)
