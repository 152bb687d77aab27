"""Databases of every kind are opened, brought up to date, locked and refused in the same way."""

from __future__ import annotations

import dataclasses
import sqlite3
import threading
from datetime import datetime, timezone
from pathlib import Path

import pytest

from reid_edge.errors import GalleryError, StorageError
from reid_edge.storage import sqlite_opening
from reid_edge.storage.database import DatabaseKind, sql_script
from reid_edge.storage.sqlite_opening import create_database, open_database


def _note_the_old_rows(opened):
    opened.execute("INSERT INTO thing (name) VALUES ('made by a migration')")


KIND = DatabaseKind(
    noun="notebook",
    error=GalleryError,
    application_id=0x4E4F5445,
    migrations=(("first tables", sql_script("CREATE TABLE thing (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);\n")),),
    rollback_journal="delete",
    missing="Make {path}.",
    wrong_file="Name a notebook.",
    damaged="Restore it.",
    in_use="Wait.",
    conflict="Look.",
)
NEWER = dataclasses.replace(KIND, migrations=(*KIND.migrations, ("old rows", _note_the_old_rows)))


@pytest.fixture
def path(tmp_path):
    create_database(KIND, tmp_path / "notes.sqlite")
    return tmp_path / "notes.sqlite"


def names(opened):
    return [name for (name,) in opened.rows("SELECT name FROM thing ORDER BY id")]


def test_migrations_are_functions_that_run_once_in_their_order_and_are_noted(path):
    for _ in range(2):
        opened = open_database(NEWER, path)
        assert names(opened) == ["made by a migration"]
        assert opened.rows("SELECT name FROM migration") == [("first tables",), ("old rows",)]
        opened.close()
    with pytest.raises(GalleryError, match="newer version"):
        open_database(KIND, path)


def test_nothing_is_written_into_a_file_that_another_one_took_the_place_of(path):
    opened = open_database(KIND, path)
    for put_aside in (lambda: path.rename(path.with_name("aside")), lambda: create_database(KIND, path)):
        put_aside()
        with pytest.raises(GalleryError, match="no longer the file that was opened"), opened.transaction():
            opened.insert("thing", name="lost")
    assert names(opened) == []
    opened.close()


def test_a_relative_path_is_that_of_the_folder_where_the_database_was_opened(path, tmp_path, monkeypatch):
    monkeypatch.chdir(path.parent)
    opened = open_database(KIND, Path(path.name))
    monkeypatch.chdir("/")
    with opened.transaction():
        opened.insert("thing", name="kept")
    assert not opened.replaced()
    opened.close()


def test_a_migration_that_fails_leaves_the_database_as_it_was(path):
    def fail(opened):
        opened.execute("INSERT INTO thing (name) VALUES ('half')")
        raise StorageError("The disk fails.")

    with pytest.raises(StorageError):
        open_database(dataclasses.replace(KIND, migrations=(*KIND.migrations, ("failing", fail))), path)
    opened = open_database(KIND, path)
    assert names(opened) == []
    opened.close()


def test_a_reader_that_does_not_migrate_reads_an_older_database_as_it_is(path):
    reader = open_database(NEWER, path, writable=False, migrate=False)
    assert names(reader) == []
    with pytest.raises(GalleryError, match="open for reading only"), reader.transaction():
        pass
    with pytest.raises(StorageError):
        reader.execute("DELETE FROM thing")
    reader.close()


def test_times_are_those_of_the_clock_that_was_given(tmp_path):
    opened = open_database(
        KIND, tmp_path / "notes.sqlite", create=True, clock=lambda: datetime(2024, 5, 6, 7, 8, 9, 10, tzinfo=timezone.utc)
    )
    assert opened.now() == "2024-05-06T07:08:09+00:00"
    assert opened.rows("SELECT applied_at FROM migration") == [("2024-05-06T07:08:09+00:00",)]
    opened.close()


def test_another_kind_of_database_is_refused(path):
    other = dataclasses.replace(KIND, noun="ledger", application_id=1)
    with pytest.raises(GalleryError, match="is a SQLite file but not a ledger"):
        open_database(other, path)
    with pytest.raises(GalleryError, match="There is no notebook at") as missing:
        open_database(KIND, path.with_name("absent"))
    assert missing.value.hint == f"Make {path.with_name('absent')}."


def test_every_commit_waits_for_the_disk_in_either_journal_mode(tmp_path):
    for journal in ("delete", "persist"):
        opened = open_database(dataclasses.replace(KIND, rollback_journal=journal), tmp_path / f"{journal}.sqlite", create=True)
        expected = "wal" if sqlite3.sqlite_version_info >= sqlite_opening.WAL_SINCE else journal
        assert opened.rows("PRAGMA journal_mode") == [(expected,)]
        assert opened.rows("PRAGMA synchronous") == [(3,)]
        opened.close()


def test_a_row_that_a_constraint_refuses_is_reported_and_other_errors_are_raised(path):
    opened = open_database(KIND, path)
    assert opened.try_insert("thing", name="one")
    assert not opened.try_insert("thing", name="one")
    assert not opened.try_insert("thing", name=None)
    with pytest.raises(GalleryError, match="Another process has just added the same entry"):
        opened.insert("thing", name="one")
    with pytest.raises(GalleryError, match="no such table"):
        opened.try_insert("absent", name="one")
    opened.close()


def test_a_transaction_of_one_thread_holds_back_the_statements_of_others(path):
    opened = open_database(KIND, path)
    seen = []
    reading = threading.Thread(target=lambda: seen.append(names(opened)))
    with opened.transaction():
        opened.insert("thing", name="one")
        reading.start()
        opened.insert("thing", name="two")
    reading.join()
    assert seen == [["one", "two"]]
    opened.close()


def test_a_transaction_inside_another_joins_it(path):
    opened = open_database(KIND, path)

    def fail():
        with opened.transaction():
            with opened.transaction():
                opened.insert("thing", name="one")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert names(opened) == []
    opened.close()


def test_what_is_held_for_the_database_is_released_once_when_it_is_closed(path):
    opened, released = open_database(KIND, path), []
    opened.on_close(lambda: released.append(path.exists()))
    opened.close()
    opened.close()
    assert released == [True]
