"""Whatever happens to the file, the disk or the process: one clear error, and nothing that was acknowledged is lost."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from reid_edge.errors import GalleryError, StorageError
from reid_edge.gallery import Gallery, store
from reid_edge.gallery.check import check
from reid_edge.gallery.schema import GALLERY
from reid_edge.gallery.search import VectorIndex
from reid_edge.storage import sqlite_opening
from reid_edge.storage.database import sql_script

pytestmark = pytest.mark.file_only

KEY = "0123456789abcdef0123456789abcdef"
KILLS = int(os.environ.get("REID_EDGE_KILLS", "12"))


def damage(gallery):
    return [finding for finding in check(gallery) if finding.severity == "damage"]


def test_a_missing_gallery_says_how_to_make_one(folder):
    with pytest.raises(GalleryError, match="no gallery at") as missing:
        Gallery.open(folder / "gallery.sqlite")
    assert "gallery init" in missing.value.hint
    assert list(folder.iterdir()) == []


def test_a_folder_a_device_and_other_files_are_no_gallery(folder):
    (folder / "photo.jpg").write_bytes(b"\xff\xd8\xff" + bytes(5000))
    (folder / "empty").touch()
    with sqlite3.connect(folder / "other.sqlite") as other:
        other.execute("CREATE TABLE individual (name TEXT)")
    other.close()
    os.mkfifo(folder / "pipe")
    for path in (folder, folder / "photo.jpg", folder / "empty", folder / "other.sqlite", folder / "pipe", Path("/dev/zero")):
        with pytest.raises(GalleryError, match=r"not a gallery|is not a regular file"):
            Gallery.open(path)


def test_create_never_touches_what_is_there(folder, gallery, add):
    add(gallery, 1, "Zoe")
    (folder / "notes.txt").write_text("notes")
    for path in (gallery.path, folder / "notes.txt", folder, folder / "absent" / "gallery.sqlite"):
        with pytest.raises(GalleryError):
            Gallery.create(path)
    assert (folder / "notes.txt").read_text() == "notes"
    assert gallery.individual("Zoe").sightings == 1


def test_an_empty_file_that_a_killed_creation_left_becomes_a_gallery(folder):
    (folder / "gallery.sqlite").touch()
    with Gallery.create(folder / "gallery.sqlite") as gallery:
        assert gallery.individuals() == []


def test_a_gallery_of_a_newer_version_is_refused_untouched(gallery):
    gallery.database.execute("INSERT INTO migration VALUES ('tables of the future', '2031-01-01')")
    gallery.close()
    before = gallery.path.read_bytes()
    for writable in (True, False):
        with pytest.raises(GalleryError, match="newer version"):
            Gallery.open(gallery.path, writable)
    assert gallery.path.read_bytes() == before


def test_a_gallery_of_an_older_version_is_brought_up_to_date(gallery, monkeypatch, add):
    add(gallery, 1, "Zoe")
    gallery.close()
    notes = ("notes", sql_script("CREATE TABLE note (text TEXT);\nINSERT INTO note VALUES ('a; b');\n"))
    monkeypatch.setattr(store, "GALLERY", replace(GALLERY, migrations=(*GALLERY.migrations, notes)))
    for _ in range(2):
        with Gallery.open(gallery.path, writable=False) as newer:
            assert newer.database.rows("SELECT text FROM note") == [("a; b",)]
            assert newer.individual("Zoe").sightings == 1


def test_a_cut_off_file_is_damage_and_not_a_traceback(gallery, add):
    for number in range(30):
        add(gallery, number, "Zoe")
    gallery.close()
    data = gallery.path.read_bytes()
    for length in (50, 4096, len(data) // 2):
        gallery.path.write_bytes(data[:length])
        try:
            with Gallery.open(gallery.path) as cut:
                said = [finding.what for finding in damage(cut)]
        except GalleryError as error:
            said = [error.message]
        assert any(word in what for what in said for word in ("damaged", "not a gallery", "SQLite"))


def test_a_gallery_locked_by_another_process_is_named_and_can_still_be_read(gallery, add, monkeypatch):
    monkeypatch.setattr(sqlite_opening, "BUSY_SECONDS", 0.2)
    add(gallery, 1, "Zoe")
    script = f"""
import sqlite3, sys
other = sqlite3.connect({str(gallery.path)!r}, isolation_level=None)
other.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.read()
"""
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "locked\n"
        with Gallery.open(gallery.path) as second:
            with pytest.raises(GalleryError, match="in use by another process"):
                second.rename("Zoe", "Anna")
            assert second.individual("Zoe").sightings == 1
        holder.stdin.close()
    gallery.rename("Zoe", "Anna")


def test_a_gallery_opened_for_reading_refuses_every_change(gallery, add):
    add(gallery, 1, "Zoe")
    with Gallery.open(gallery.path, writable=False) as reader:
        with pytest.raises(GalleryError, match="reading only"):
            reader.rename("Zoe", "Anna")
        with pytest.raises(StorageError):
            reader.database.execute("DELETE FROM sighting")


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_a_gallery_on_a_read_only_disk_is_read_and_searched_but_not_changed(small_disk, tmp_path, add, arrays, mode):
    path = tmp_path / "disk" / "gallery.sqlite"
    with Gallery.create(path) as gallery:
        add(gallery, 1, "Zoe")
        before = gallery.content_hash()
    raw = sqlite3.connect(path)
    raw.execute(f"PRAGMA journal_mode = {mode}")
    raw.close()
    small_disk("ro")
    with Gallery.open(path, writable=False) as reader:
        assert reader.content_hash() == before
        assert damage(reader) == []
        ids, _ = VectorIndex.open(reader, KEY, "embedding/test").search(arrays(1)["embedding/test"], 1)
        assert ids.tolist() == [1]
        with pytest.raises(GalleryError, match="reading only"):
            reader.undo()
    with pytest.raises(StorageError, match="read-only"):
        Gallery.open(path)
    with pytest.raises(StorageError):
        Gallery.create(tmp_path / "disk" / "another.sqlite")


def test_a_half_written_gallery_on_a_read_only_disk_is_not_guessed_at(small_disk, tmp_path, add):
    path = tmp_path / "disk" / "gallery.sqlite"
    Gallery.create(path).close()
    with subprocess.Popen([sys.executable, "-c", HALF_WRITER, str(path)], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout.readline() == "half\n"
        writer.kill()
    assert path.with_name("gallery.sqlite-journal").stat().st_size
    copy = tmp_path / "copy.sqlite"
    shutil.copy(path, copy)
    shutil.copy(path.with_name("gallery.sqlite-journal"), tmp_path / "copy.sqlite-journal")
    small_disk("ro")
    with pytest.raises(StorageError, match="interrupted while it was written") as refused:
        Gallery.open(path, writable=False)
    assert "gallery.sqlite-journal" in refused.value.hint
    with Gallery.open(copy, writable=False) as repaired:  # a reader repairs it where the disk lets it
        assert damage(repaired) == []
        assert repaired.individuals() == []


# Spills changed pages to the file before its transaction ends, as a long import does, and waits to be killed there.
HALF_WRITER = """
import sqlite3, sys, time
raw = sqlite3.connect(sys.argv[1], isolation_level=None)
raw.execute("PRAGMA journal_mode = delete")
raw.execute("PRAGMA cache_size = 5")
raw.execute("BEGIN IMMEDIATE")
for number in range(2000):
    raw.execute("INSERT INTO individual (name) VALUES (?)", (f"{number} " + "x" * 100,))
print("half", flush=True)
time.sleep(60)
"""


def test_on_a_full_disk_every_acknowledged_photo_stays_and_the_rest_is_refused(small_disk, tmp_path, add):
    path = tmp_path / "disk" / "gallery.sqlite"
    kept = []
    with Gallery.create(path) as gallery:

        def add_without_end():
            for number in range(10_000):
                kept.append(add(gallery, number, f"animal {number}", thumbnail=bytes(20_000)))

        with pytest.raises(StorageError, match="the disk is full") as full:
            add_without_end()
        assert "acknowledged" in full.value.hint
        assert len(kept) > 5
        assert [one.id for one in gallery.sightings_of(kept)] == kept
        assert len(gallery.sightings()) == len(kept)
    with Gallery.open(path) as again:
        assert damage(again) == []
        assert len(again.individuals()) == len(kept)
    small_disk("size=4m")
    with Gallery.open(path) as roomy:
        add(roomy, 99_999, "after", thumbnail=bytes(20_000))
        assert len(roomy.sightings()) == len(kept) + 1


def test_a_gallery_waits_for_the_disk_and_holds_its_rows_together(gallery):
    # A kill cannot show what a power cut would: that each commit waited until its bytes were on the disk.
    journal = "wal" if sqlite3.sqlite_version_info >= (3, 51, 3) else "delete"
    expected = {"synchronous": 3, "foreign_keys": 1, "journal_mode": journal}
    assert {name: gallery.database.rows(f"PRAGMA {name}")[0][0] for name in expected} == expected


def test_a_database_that_may_not_grow_is_a_full_disk(gallery, add):
    (pages,) = gallery.database.rows("PRAGMA page_count")[0]
    gallery.database.rows(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StorageError, match="is full"):
        add(gallery, 1, "Zoe", thumbnail=bytes(100_000))
    assert gallery.sightings() == []


ADDER = """
import sys
import numpy as np
from reid_edge.gallery import Gallery, NewSighting

path, start = sys.argv[1], int(sys.argv[2])
with Gallery.open(path) as gallery:
    print("open", flush=True)
    batch = gallery.new_batch()
    for number in range(start, start + 100_000):
        seen = NewSighting(photo_sha256=f"{number:064x}", identity=f"animal {number % 7}", thumbnail=bytes(5000))
        features = {"embedding/test": np.full(64, number, np.float32), "keypoints/test/xy": np.full((500, 2), number, np.float32)}
        gallery.add_sighting(seen, features, "0123456789abcdef", batch)
        print(number, flush=True)
"""


def test_a_kill_at_any_moment_of_adding_loses_nothing_that_was_acknowledged(tmp_path):
    # On the real disk, not in memory; REID_EDGE_KILLS=200 for the full run.
    path = tmp_path / "gallery.sqlite"
    Gallery.create(path).close()
    moments = random.Random(0)
    acknowledged = []
    for kill in range(KILLS):
        start = kill * 100_000
        with subprocess.Popen([sys.executable, "-c", ADDER, str(path), str(start)], stdout=subprocess.PIPE, text=True) as adder:
            assert adder.stdout.readline() == "open\n"
            if kill % 2:
                acknowledged.append(int(adder.stdout.readline()))  # on a busy machine nothing may be added in the time below
            time.sleep(moments.uniform(0, 0.25))
            adder.send_signal(signal.SIGKILL)
            acknowledged += [int(line) for line in adder.stdout.read().splitlines()]
        assert adder.returncode == -signal.SIGKILL
        with Gallery.open(path, writable=False) as gallery:
            assert damage(gallery) == []
            stored = [int(sighting.photo_sha256, 16) for sighting in gallery.sightings()]
            assert set(acknowledged) <= set(stored)
            assert len(stored) <= len(acknowledged) + kill + 1  # at most the one it was about to acknowledge
            ids = [sighting.id for sighting in gallery.sightings()]
            assert all(len(arrays) == 2 for arrays in gallery.features(ids, "0123456789abcdef").values())
    assert len(acknowledged) >= KILLS // 2
