"""A cache keeps the rows that did not change, whatever happens to the others."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from reid_edge.gallery import Gallery, NewSighting
from reid_edge.gallery.mapped_rows import MappedRows, RowForm

KEY, NAME = "0123456789abcdef", "keypoints/test/descriptors"


def stored(number: int) -> np.ndarray:
    return np.random.default_rng(number).normal(size=(number % 4, 3)).astype(np.float16)


def add(gallery: Gallery, number: int) -> int:
    sighting = NewSighting(photo_sha256=f"{number:064x}", identity=f"animal {number % 3}")
    return gallery.add_sighting(sighting, {NAME: stored(number)}, KEY, gallery.new_batch())


def form(made: list[int]) -> RowForm:
    def make(array: np.ndarray) -> np.ndarray:
        made.append(len(array))
        row = np.zeros((2, 3), np.float32)
        row[: len(array[:2])] = array[:2]
        return row

    return RowForm(NAME, f"{NAME}-2", "<f4", make)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["add", "remove", "replace", "open"]), st.integers(1, 30)), max_size=25))
def test_after_any_changes_the_rows_are_those_of_a_gallery_without_a_cache(tmp_path_factory, changes) -> None:
    with Gallery.create(tmp_path_factory.mktemp("rows") / "gallery.sqlite") as gallery:
        add(gallery, 1)
        for change, number in changes:
            ids = [seen.id for seen in gallery.sightings()]
            if change == "add" and f"{number:064x}" not in {seen.photo_sha256 for seen in gallery.sightings()}:
                add(gallery, number)
            elif change == "remove" and len(ids) > 1:
                gallery.remove_sightings([ids[number % len(ids)]])
            elif change == "replace":
                gallery.put_features(ids[number % len(ids)], KEY, {NAME: stored(number + 100)})
            elif change == "open":
                MappedRows.open(gallery, KEY, form([]))
        cached = MappedRows.open(gallery, KEY, form([]))
        for file in gallery.path.with_name("gallery.sqlite.cache").iterdir():
            file.unlink()
        anew = MappedRows.open(gallery, KEY, form([]))
        np.testing.assert_array_equal(cached.ids, anew.ids)
        np.testing.assert_array_equal(cached.rows, anew.rows)
        assert [anew.row_of[int(sighting)] for sighting in anew.ids] == list(range(len(anew.ids)))


def test_one_more_photo_costs_one_more_row(gallery: Gallery) -> None:
    for number in range(1, 9):
        add(gallery, number)
    made: list[int] = []
    MappedRows.open(gallery, KEY, form(made))
    made.clear()
    add(gallery, 9)
    MappedRows.open(gallery, KEY, form(made))
    assert len(made) == 2  # the first photo's tells the shape
