"""A copy of a database is whole and checked, or there is none."""

from __future__ import annotations

import contextlib

import pytest

from reid_edge.errors import GalleryError
from reid_edge.gallery.schema import GALLERY
from reid_edge.storage import database_copy
from reid_edge.storage.database_copy import copy_database, delete_database
from reid_edge.storage.sqlite_opening import create_database, open_database


@pytest.fixture
def source(tmp_path):
    create_database(GALLERY, tmp_path / "source.sqlite")
    with contextlib.closing(open_database(GALLERY, tmp_path / "source.sqlite")) as opened, opened.transaction():
        for number in range(500):
            opened.insert("individual", name=f"animal {number} {'x' * 100}")
    return tmp_path / "source.sqlite"


def test_a_copy_has_the_content_of_a_database_that_is_in_use(source, tmp_path):
    with contextlib.closing(open_database(GALLERY, source)) as writer:
        copy_database(GALLERY, source, tmp_path / "copy.sqlite")
        rows = writer.rows("SELECT * FROM individual")
    with contextlib.closing(open_database(GALLERY, tmp_path / "copy.sqlite", writable=False)) as copy:
        assert copy.rows("SELECT * FROM individual") == rows
    assert {path.name for path in tmp_path.iterdir()} == {"source.sqlite", "copy.sqlite"}


def test_a_damaged_database_is_not_copied_and_the_earlier_copy_stays(source, tmp_path):
    (tmp_path / "copy.sqlite").write_bytes(b"earlier")
    data = bytearray(source.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 4096] = b"\xaa" * 4096
    source.write_bytes(data)
    with pytest.raises(GalleryError, match="is damaged, so it was not copied"):
        copy_database(GALLERY, source, tmp_path / "copy.sqlite")
    assert (tmp_path / "copy.sqlite").read_bytes() == b"earlier"
    assert {path.name for path in tmp_path.iterdir()} == {"source.sqlite", "copy.sqlite"}


def test_a_deleted_database_leaves_no_file_beside_it(source):
    for suffix in ("-journal", "-wal", "-shm"):
        source.with_name(source.name + suffix).touch()
    delete_database(source)
    assert list(source.parent.iterdir()) == []


def test_a_copy_ends_although_another_connection_writes_between_all_its_parts(source, tmp_path, monkeypatch):
    monkeypatch.setattr(database_copy, "_PAGES", 1)
    count = database_copy._Restarts.count
    with contextlib.closing(open_database(GALLERY, source)) as writer:

        def write_and_count(self, *progress):
            with writer.transaction():
                writer.insert("individual", name=f"late {len(writer.rows('SELECT id FROM individual'))}")
            count(self, *progress)

        monkeypatch.setattr(database_copy._Restarts, "count", write_and_count)
        copy_database(GALLERY, source, tmp_path / "copy.sqlite")
        rows = writer.rows("SELECT * FROM individual")
    with contextlib.closing(open_database(GALLERY, tmp_path / "copy.sqlite", writable=False)) as copy:
        assert copy.rows("SELECT * FROM individual") == rows
    assert len(rows) > 500
