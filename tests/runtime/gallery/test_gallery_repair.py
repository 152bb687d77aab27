"""Repair: what can be read is kept, what cannot be is counted, and the damaged file is never thrown away."""

from __future__ import annotations

import random
import sqlite3

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reid_edge.errors import GalleryError, StorageError
from reid_edge.gallery import Gallery
from reid_edge.gallery.check import check
from reid_edge.gallery.repair import Repair

pytestmark = pytest.mark.file_only

KEY = "0123456789abcdef0123456789abcdef"


def damage_of(path):
    with Gallery.open(path, writable=False) as gallery:
        return [finding.what for finding in check(gallery) if finding.severity == "damage"]


def repaired(path):
    with Repair(path) as repair:
        kept = repair.finish()
    assert damage_of(path) == []
    assert not list(path.parent.glob("*.tmp*"))
    return repair.salvage, kept


def test_a_whole_gallery_stays_what_it_is(gallery, add):
    for number in range(30):
        add(gallery, number, f"Zoe {number % 5}", thumbnail=b"jpeg", box=(1, 2, 3, 4))
    gallery.merge(["Zoe 1"], "Zoe 0")
    gallery.remove_sightings([3])
    gallery.undo()
    before, history = gallery.content_hash(), gallery.history()
    gallery.close()
    salvage, _ = repaired(gallery.path)
    with Gallery.open(gallery.path) as new:
        assert new.content_hash() == before
        assert new.history() == history
        new.undo()  # the decisions can still be taken back
    assert (salvage.sightings, salvage.lost_sightings, salvage.undescribed, salvage.unreadable) == (30, 0, 0, False)


def test_damaged_features_are_left_out_and_described_anew(gallery, add, folder):
    photo = folder / "1.jpg"
    photo.touch()
    ids = [add(gallery, number, "Zoe", photo_path=str(photo) if number else "/gone.jpg") for number in range(4)]
    gallery.database.execute(
        "UPDATE feature SET data = zeroblob(length(data)) WHERE sighting_id = ? AND name LIKE 'embed%'", (ids[0],)
    )
    gallery.database.execute("UPDATE feature SET shape = 'many' WHERE sighting_id = ?", (ids[1],))
    gallery.close()
    salvage, _ = repaired(gallery.path)
    assert (salvage.undescribed, salvage.unphotographed) == (2, 1)
    with Gallery.open(gallery.path) as new:
        assert [sighting.id for sighting in new.sightings_without(KEY)] == sorted(
            ids[:2], key=lambda i: new.sighting(i).photo_sha256
        )
        assert len(new.features(ids, KEY)) == 2


def test_sightings_keep_an_individual(gallery, add):
    add(gallery, 1, "Zoe")
    add(gallery, 2, "Anna")
    add(gallery, 3, "Bea")
    gallery.database.execute("PRAGMA foreign_keys = OFF")
    gallery.database.execute("DELETE FROM individual WHERE name = 'Zoe'")
    gallery.database.execute("UPDATE individual SET live = 0 WHERE name = 'Anna'")
    gallery.close()
    salvage, _ = repaired(gallery.path)
    assert salvage.recovered == ("recovered 1", "Anna")
    with Gallery.open(gallery.path) as new:
        assert [one.name for one in new.individuals()] == ["Anna", "Bea", "recovered 1"]


def test_two_of_one_name_or_of_one_photo_become_one_and_another(gallery, add):
    add(gallery, 1, "Zoe")
    add(gallery, 2, "Anna")
    for index in ("individual_name", "sighting_photo"):
        gallery.database.execute(f"DROP INDEX {index}")
    gallery.database.execute("UPDATE individual SET name = 'Zoe'")
    gallery.database.execute("UPDATE sighting SET photo_sha256 = (SELECT photo_sha256 FROM sighting WHERE id = 1)")
    gallery.close()
    salvage, _ = repaired(gallery.path)
    assert (salvage.recovered, salvage.hidden) == (("Zoe (2)",), 1)


@pytest.mark.parametrize("seed", range(6))
def test_broken_pages_cost_what_was_on_them_and_nothing_else(gallery, add, seed):
    for number in range(300):
        add(gallery, number, f"Zoe {number % 9}", thumbnail=bytes(random.Random(number).randbytes(300)))
    features = {i: sorted(gallery.feature_names(i)) for i in range(1, 301)}
    gallery.close()
    before = gallery.path.read_bytes()
    data = bytearray(before)
    chance = random.Random(seed)
    pages = chance.sample(range(30, len(data) // 4096), 4)  # those before describe the tables
    for page in pages:
        data[page * 4096 : page * 4096 + 4096] = chance.choice([bytes(4096), b"\xaa" * 4096, chance.randbytes(4096)])
    gallery.path.write_bytes(data)
    salvage, kept = repaired(gallery.path)
    assert kept.read_bytes() == bytes(data)
    with Gallery.open(gallery.path, writable=False) as new:
        there = {sighting.id for sighting in new.sightings()}
        assert len(there) == salvage.sightings
        assert salvage.lost_sightings == 300 - len(there) - salvage.hidden
        assert all(new.feature_names(number) in ([], features[number]) for number in there)
    # A page holds about nine sightings. Measured with four broken pages of about 150: 273 to 300 kept.
    assert len(there) >= 250


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(places=st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=40)), min_size=1, max_size=8))
def test_whatever_is_overwritten_the_end_is_a_whole_gallery_or_the_file_as_it_was(gallery, add, places, folder):
    if not gallery.individuals():
        for number in range(25):
            add(gallery, number, f"Zoe {number % 3}")
    path = folder / "copy.sqlite"
    data = bytearray(gallery.path.read_bytes())
    for share, patch in places:
        at = int(share * (len(data) - len(patch)))
        data[at : at + len(patch)] = patch
    path.write_bytes(data)
    refused = None
    try:
        with Repair(path) as repair:
            kept = repair.finish()
    except (GalleryError, StorageError) as error:
        refused = error
    if refused:
        assert refused.hint
        assert path.read_bytes() == bytes(data)
    else:
        assert damage_of(path) == []
        assert kept.read_bytes() == bytes(data)
        kept.unlink()
    assert not list(folder.glob("*.tmp*"))


def test_left_without_finishing_nothing_has_changed(gallery, add, folder):
    add(gallery, 1, "Zoe")
    gallery.close()
    before = gallery.path.read_bytes()
    with Repair(gallery.path):
        pass
    assert [path.name for path in folder.iterdir()] == [gallery.path.name]
    assert gallery.path.read_bytes() == before


def test_a_gallery_in_wal_mode_and_one_in_use(gallery, add):
    add(gallery, 1, "Zoe")
    gallery.database.rows("PRAGMA journal_mode = wal")
    add(gallery, 2, "Anna")
    reading = sqlite3.connect(gallery.path)
    reading.execute("SELECT count(*) FROM sighting").fetchone()
    with pytest.raises(GalleryError, match="in use by another process"):
        Repair(gallery.path)
    reading.close()
    gallery.close()
    salvage, _ = repaired(gallery.path)
    assert salvage.sightings == 2


def test_a_full_disk_leaves_the_gallery(gallery, add, small_disk, tmp_path):
    path = tmp_path / "disk" / "gallery.sqlite"
    for number in range(60):
        add(gallery, number, "Zoe", thumbnail=bytes(5_000))
    gallery.close()
    small_disk("size=700k")
    path.write_bytes(gallery.path.read_bytes())
    with pytest.raises(StorageError, match="full"), Repair(path) as repair:
        repair.finish()
    assert [each.name for each in path.parent.iterdir()] == ["gallery.sqlite"]
    assert path.read_bytes() == gallery.path.read_bytes()
