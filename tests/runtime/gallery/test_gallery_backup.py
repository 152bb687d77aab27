"""Backups: checked before they have a name, taken while a writer writes, kept in rings, and never lost to a failure."""

from __future__ import annotations

import sqlite3
import threading
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reid_edge.errors import GalleryError, StorageError
from reid_edge.gallery import Gallery
from reid_edge.gallery.backup import Backup, RetentionPolicy, back_up, backups, kept
from reid_edge.gallery.check import check

pytestmark = pytest.mark.file_only

START = datetime(2024, 5, 6, 7, 8, 9, tzinfo=timezone.utc)


def test_a_backup_is_the_gallery(gallery, add, folder):
    add(gallery, 1, "Zoe")
    made = back_up(gallery.path, folder / "backups", now=START)
    assert made.path.name == "gallery-000001-20240506T070809Z.sqlite"
    with Gallery.open(made.path, writable=False) as copy:
        assert copy.content_hash() == gallery.content_hash()
        assert all(finding.severity != "damage" for finding in check(copy))
    assert [path.name for path in (folder / "backups").iterdir()] == [made.path.name]


def test_what_did_not_change_is_not_backed_up_again_and_every_kind_of_change_is(gallery, add, folder):
    add(gallery, 1, "Zoe")
    assert back_up(gallery.path, folder / "b") is not None
    assert back_up(gallery.path, folder / "b") is None
    gallery.rename("Zoe", "Anna")
    assert back_up(gallery.path, folder / "b") is not None
    gallery.undo()
    assert back_up(gallery.path, folder / "b") is not None
    gallery.drop_features([])
    assert back_up(gallery.path, folder / "b") is not None
    assert back_up(gallery.path, folder / "b") is None


def test_a_backup_taken_while_another_connection_writes_is_whole(gallery, add, folder):
    for number in range(30):
        add(gallery, number, "Zoe")
    stop = threading.Event()

    def write():
        with Gallery.open(gallery.path) as writer:
            number = 100
            while not stop.is_set():
                add(writer, number, "Anna")
                number += 1

    thread = threading.Thread(target=write)
    thread.start()
    try:
        made = [back_up(gallery.path, folder / "b", RetentionPolicy(last=100)) for _ in range(15)]
    finally:
        stop.set()
        thread.join()
    for backup in filter(None, made):
        with Gallery.open(backup.path, writable=False) as copy:
            assert not [finding for finding in check(copy) if finding.severity == "damage"]


def test_a_damaged_gallery_is_not_backed_up_and_its_backups_stay(gallery, add, folder):
    for number in range(20):
        add(gallery, number, "Zoe")
    for _ in range(3):
        gallery.rename("Zoe", "Anna")
        back_up(gallery.path, folder / "b", RetentionPolicy(1, 0, 0, 0))
        gallery.rename("Anna", "Zoe")
    before = backups(folder / "b", "gallery")
    assert len(before) == 1
    gallery.close()
    data = bytearray(gallery.path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 4096] = b"\xaa" * 4096
    gallery.path.write_bytes(data)
    with pytest.raises(GalleryError, match="damaged"):
        back_up(gallery.path, folder / "b", RetentionPolicy(1, 0, 0, 0))
    assert backups(folder / "b", "gallery") == before
    assert len(list((folder / "b").iterdir())) == 1


def test_a_full_disk_leaves_the_earlier_backups(gallery, add, small_disk, tmp_path):
    for number in range(40):
        add(gallery, number, "Zoe", thumbnail=bytes(10_000))
    disk = tmp_path / "disk"
    small_disk("size=900k")
    first = back_up(gallery.path, disk / "b", RetentionPolicy(1, 0, 0, 0))
    add(gallery, 50, "Anna")
    with pytest.raises(StorageError, match="full"):
        back_up(gallery.path, disk / "b", RetentionPolicy(1, 0, 0, 0))
    assert [path.name for path in (disk / "b").iterdir()] == [first.path.name]
    small_disk("size=8m")
    second = back_up(gallery.path, disk / "b", RetentionPolicy(1, 0, 0, 0))
    assert [path.name for path in (disk / "b").iterdir()] == [second.path.name]


def test_leftovers_of_a_kill_are_taken_away_and_other_files_are_not(gallery, add, folder):
    add(gallery, 1, "Zoe")
    (folder / "b").mkdir()
    for name in (
        "gallery-000001-20240506T070809Z.sqlite.17.tmp",
        "gallery-x.tmp-journal",
        "other-000001-20240506T070809Z.sqlite",
        "notes.tmp",
    ):
        (folder / "b" / name).touch()
    made = back_up(gallery.path, folder / "b")
    assert {path.name for path in (folder / "b").iterdir()} == {
        made.path.name,
        "other-000001-20240506T070809Z.sqlite",
        "notes.tmp",
    }


def test_a_backup_that_cannot_be_read_any_more_is_followed_by_a_new_one(gallery, add, folder):
    add(gallery, 1, "Zoe")
    made = back_up(gallery.path, folder / "b")
    made.path.write_bytes(b"broken")
    assert back_up(gallery.path, folder / "b").number == 2


def test_a_file_that_is_no_gallery_is_refused(folder):
    with pytest.raises(GalleryError):
        back_up(folder / "no.sqlite", folder / "b")
    sqlite3.connect(folder / "other.sqlite").execute("CREATE TABLE a (b)").connection.close()
    with pytest.raises(GalleryError, match="not a gallery"):
        back_up(folder / "other.sqlite", folder / "b")


def hourly(count, path, step=timedelta(hours=1)):
    return [Backup(path / str(number), number, START + number * step) for number in range(count)]


def test_rings_keep_hours_days_and_weeks(folder):
    there = hourly(24 * 30, folder)
    keeping = sorted(kept(there, RetentionPolicy(last=3, hourly=24, daily=7, weekly=4)), key=lambda backup: backup.number)
    newest = there[-1]
    assert keeping[-24:] == there[-24:]
    assert {backup.made_at.date() for backup in keeping} >= {newest.made_at.date() - timedelta(days=days) for days in range(7)}
    assert len({backup.made_at.isocalendar()[:2] for backup in keeping}) == 4
    # 24 hours; 6 days before today, one of which the hours have; 3 weeks before this one, one of which the days have: counted 30 to 33.
    assert 30 <= len(keeping) <= 33


@settings(max_examples=60)
@given(
    steps=st.lists(st.integers(-10_000, 10_000), min_size=1, max_size=60),
    rings=st.builds(RetentionPolicy, *[st.integers(0, 6)] * 4),
)
def test_however_the_clock_jumps_the_newest_ones_are_kept_and_the_number_stays_bounded(tmp_path_factory, steps, rings):
    when, there, everything = START, [], []
    for number, minutes in enumerate(steps):
        when += timedelta(minutes=minutes)
        made = Backup(tmp_path_factory.getbasetemp() / str(number), number, when)
        everything.append(made)
        there = sorted(kept([*there, made], rings), key=lambda backup: backup.number)
        assert there[-max(1, rings.last) :] == everything[-max(1, rings.last) :][-len(there) :]
        assert len(there) <= max(1, rings.last) + rings.hourly + rings.daily + rings.weekly
