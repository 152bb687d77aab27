"""A damaged database is read past what is broken, and nobody changes it meanwhile."""

from __future__ import annotations

import contextlib
import sqlite3

import pytest

from reid_edge.errors import GalleryError
from reid_edge.gallery.schema import GALLERY
from reid_edge.storage import sqlite_opening
from reid_edge.storage.salvage import DamagedDatabase
from reid_edge.storage.sqlite_opening import create_database, open_database


@pytest.fixture
def path(tmp_path):
    create_database(GALLERY, tmp_path / "gallery.sqlite")
    with contextlib.closing(open_database(GALLERY, tmp_path / "gallery.sqlite")) as opened, opened.transaction():
        for number in range(300):
            opened.insert("event", batch="b", at="now", kind="add", payload="x" * 200, changes="", sequence=number)
    return tmp_path / "gallery.sqlite"


def test_the_rows_of_a_whole_database_are_all_read(path):
    with DamagedDatabase(GALLERY, path) as damaged:
        assert [row[0] for row in damaged.rows("event", ["id"])] == list(range(1, 301))
        assert (damaged.unreadable, damaged.last_id("event"), damaged.last_id("sighting")) == (set(), 300, 0)


def test_a_broken_page_costs_its_rows_and_its_table_is_noted(path):
    data = bytearray(path.read_bytes())
    page = data.index(b"x" * 200) // 4096
    data[page * 4096 : page * 4096 + 4096] = b"\xaa" * 4096
    path.write_bytes(data)
    with DamagedDatabase(GALLERY, path) as damaged:
        ids = [row[0] for row in damaged.rows("event", ["id", "payload"])]
        assert damaged.unreadable == {"event"}
    # A page holds about 17 of these rows.
    assert 260 <= len(ids) < 300


def test_nobody_else_can_write_while_it_is_read(path, monkeypatch):
    monkeypatch.setattr(sqlite_opening, "BUSY_SECONDS", 0.1)
    with DamagedDatabase(GALLERY, path), pytest.raises(GalleryError, match="in use by another process"):
        open_database(GALLERY, path)
    open_database(GALLERY, path).close()


def test_another_file_is_refused(tmp_path):
    with contextlib.closing(sqlite3.connect(tmp_path / "other.sqlite")) as other:
        other.execute("CREATE TABLE a (b)")
    with pytest.raises(GalleryError, match="not a gallery"):
        DamagedDatabase(GALLERY, tmp_path / "other.sqlite")
    with pytest.raises(GalleryError, match="There is no gallery at"):
        DamagedDatabase(GALLERY, tmp_path / "absent.sqlite")
