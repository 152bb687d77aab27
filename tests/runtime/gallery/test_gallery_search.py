"""Search is exact, the same whoever came first, and its cache may be lost, stale or broken at any time."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reid_edge.errors import GalleryError
from reid_edge.gallery import Gallery, NewSighting
from reid_edge.gallery.search import VectorIndex

pytestmark = pytest.mark.file_only  # many galleries of 1,200 vectors; test_gallery_postgres.py searches on a server
KEY = "0123456789abcdef"
NAME = "embedding/test"
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def unit(number, dimension=16):
    vector = np.random.default_rng(number).normal(size=dimension).astype(np.float32)
    return vector / np.linalg.norm(vector)


def fill(gallery, numbers, vector=unit):
    batch = gallery.new_batch()
    with gallery.database.transaction():
        for number in numbers:
            sighting = NewSighting(photo_sha256=f"{number:064x}", identity=f"animal {number % 5}")
            gallery.add_sighting(sighting, {NAME: vector(number)}, KEY, batch)


def photos(gallery, ids):
    return [int(gallery.sighting(int(one)).photo_sha256, 16) for one in ids]


@pytest.fixture
def filled(gallery):
    fill(gallery, range(1200))
    return gallery


@pytest.mark.parametrize("k", [1, 10, 1200, 5000])
def test_the_nearest_are_those_of_a_full_sort(filled, k):
    index = VectorIndex.open(filled, KEY, NAME)
    query = unit(77_777)
    ids, cosine = index.search(query, k)
    scores = np.array([unit(number) for number in range(1200)]) @ query
    assert photos(filled, ids) == np.argsort(-scores)[:k].tolist()
    np.testing.assert_allclose(cosine, np.sort(scores)[::-1][:k], atol=1e-6)
    assert ids.dtype == np.int64
    assert cosine.dtype == np.float32


def test_only_allowed_sightings_are_found(filled):
    index = VectorIndex.open(filled, KEY, NAME)
    allowed = [sighting.id for sighting in filled.sightings(individual="animal 3")]
    ids, cosine = index.search(unit(3), 5, allowed)
    assert set(ids.tolist()) <= set(allowed)
    assert photos(filled, ids[:1]) == [3]
    assert cosine[0] == pytest.approx(1, abs=1e-6)
    everything, scores = index.search(unit(3), 1200)
    places = [everything.tolist().index(one) for one in ids]
    np.testing.assert_array_equal(scores[places], cosine)  # a restriction changes no score
    assert len(index.search(unit(3), 5, [])[0]) == 0
    assert len(index.search(unit(3), 5, np.array([10**9]))[0]) == 0


def test_a_query_of_another_length_is_refused(filled):
    with pytest.raises(GalleryError, match="query vector"):
        VectorIndex.open(filled, KEY, NAME).search(unit(1, dimension=8), 1)


def test_an_empty_gallery_finds_nothing(gallery):
    ids, cosine = VectorIndex.open(gallery, KEY, NAME).search(unit(1), 5)
    assert len(ids) == len(cosine) == 0


@settings(max_examples=15, deadline=None)
@given(st.permutations(range(43)))
def test_the_order_of_addition_does_not_change_the_answer_even_between_equal_scores(order):
    answers = []
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        for number, numbers in enumerate((range(43), order)):
            with Gallery.create(Path(folder) / f"{number}.sqlite") as gallery:
                fill(gallery, numbers, vector=lambda photo: unit(photo % 3, dimension=33))  # 14 or 15 photos share each vector
                ids, cosine = VectorIndex.open(gallery, KEY, NAME).search(unit(1, dimension=33), 20)
                answers.append((photos(gallery, ids), cosine.tolist()))
    assert answers[0] == answers[1]
    assert answers[0][0][:14] == list(range(1, 43, 3))


def test_the_vectors_are_mapped_from_a_cache_that_a_second_opening_reuses(filled):
    first = VectorIndex.open(filled, KEY, NAME)
    cache = filled.path.with_name("gallery.sqlite.cache")
    made = {file.name: file.stat().st_mtime_ns for file in cache.iterdir()}
    assert sorted(made) == [f"{KEY}-embedding+test{end}" for end in (".ids.npy", ".json", ".npy")]
    second = VectorIndex.open(filled, KEY, NAME)
    assert isinstance(first.vectors, np.memmap)
    assert isinstance(second.vectors, np.memmap)
    assert {file.name: file.stat().st_mtime_ns for file in cache.iterdir()} == made


@pytest.mark.parametrize(
    "change",
    [
        lambda gallery: fill(gallery, [5000]),
        lambda gallery: gallery.remove_sightings([1]),
        lambda gallery: gallery.put_features(1, KEY, {NAME: unit(8)}),
        lambda gallery: gallery.put_features(1, KEY, {}),
        lambda gallery: gallery.undo(),
    ],
    ids=["added", "removed", "replaced", "dropped", "undone"],
)
def test_a_stale_cache_is_rebuilt(filled, change):
    fill(filled, [4999])
    old = VectorIndex.open(filled, KEY, NAME)
    change(filled)
    assert filled.revision() != old.revision
    fresh = VectorIndex.open(filled, KEY, NAME)
    shutil.rmtree(filled.path.with_name("gallery.sqlite.cache"))
    from_nothing = VectorIndex.open(filled, KEY, NAME)
    np.testing.assert_array_equal(fresh.ids, from_nothing.ids)
    np.testing.assert_array_equal(fresh.vectors, from_nothing.vectors)
    assert not (np.array_equal(old.ids, fresh.ids) and np.array_equal(old.vectors, fresh.vectors))


def test_a_cache_of_a_gallery_that_was_then_restored_from_a_backup_is_not_believed(filled, folder):
    backup = folder / "backup.sqlite"
    shutil.copy(filled.path, backup)
    fill(filled, [6000])
    VectorIndex.open(filled, KEY, NAME)
    filled.close()
    backup.replace(filled.path)
    with Gallery.open(filled.path) as restored:
        fill(restored, [7000])  # as many changes as the other history had
        ids, _ = VectorIndex.open(restored, KEY, NAME).search(unit(6000), 1)
        assert photos(restored, ids) != [6000]
        ids, _ = VectorIndex.open(restored, KEY, NAME).search(unit(7000), 1)
        assert photos(restored, ids) == [7000]


@pytest.mark.parametrize("end", [".npy", ".ids.npy", ".json"])
@pytest.mark.parametrize("harm", ["missing", "empty", "cut", "flipped", "another"])
def test_a_broken_cache_is_rebuilt(filled, end, harm):
    whole = VectorIndex.open(filled, KEY, NAME)
    expected = whole.search(unit(5), 9)
    file = filled.path.with_name("gallery.sqlite.cache") / f"{KEY}-embedding+test{end}"
    data = bytearray(file.read_bytes())
    file.unlink()  # a new file, as the index above still maps the old one
    data[-3] ^= 1
    contents = {"empty": b"", "cut": bytes(data[: len(data) // 2]), "flipped": bytes(data), "another": b"[1, 2]"}
    if harm in contents:
        file.write_bytes(contents[harm])
    ids, cosine = VectorIndex.open(filled, KEY, NAME).search(unit(5), 9)
    np.testing.assert_array_equal(ids, expected[0])
    np.testing.assert_array_equal(cosine, expected[1])


def test_where_the_cache_cannot_be_written_the_vectors_are_held_in_memory(filled):
    filled.path.with_name("gallery.sqlite.cache").write_text("a file where the folder should be")
    index = VectorIndex.open(filled, KEY, NAME)
    assert not isinstance(index.vectors, np.memmap)
    assert photos(filled, index.search(unit(9), 1)[0]) == [9]


def test_where_the_cache_does_not_fit_on_the_disk_the_vectors_are_held_in_memory(small_disk, tmp_path):
    with Gallery.create(tmp_path / "disk" / "gallery.sqlite") as gallery:
        fill(gallery, range(100), vector=lambda number: unit(number, dimension=1500))  # 600 kB of 1 MB, so no room for a copy
        index = VectorIndex.open(gallery, KEY, NAME)
        assert not isinstance(index.vectors, np.memmap)
        assert photos(gallery, index.search(unit(9, dimension=1500), 1)[0]) == [9]
        assert list(gallery.path.with_name("gallery.sqlite.cache").iterdir()) == []


def test_equal_vectors_have_exactly_equal_scores(gallery):
    fill(gallery, range(43), vector=lambda photo: unit(0, dimension=257))  # a BLAS product rounds the last 3 rows differently
    index = VectorIndex.open(gallery, KEY, NAME)
    for query in range(1, 6):
        ids, cosine = index.search(unit(query, dimension=257), 43)
        assert len(set(cosine.tolist())) == 1
        assert photos(gallery, ids) == list(range(43))


def test_vectors_of_two_lengths_under_one_name_are_refused(gallery):
    fill(gallery, range(3))
    fill(gallery, [3], vector=lambda number: unit(number, dimension=8))
    with pytest.raises(GalleryError, match="has shape"):
        VectorIndex.open(gallery, KEY, NAME)
