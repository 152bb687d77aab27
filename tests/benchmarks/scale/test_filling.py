"""A gallery that is filled in bulk is the one that the product would have made, but for the history."""

from __future__ import annotations

import pytest

from reid_edge.errors import UsageError
from reid_edge.gallery import Gallery, NewSighting
from reid_edge.gallery.check import check
from reid_edge_benchmarks.scale.filling import KEY, VECTOR, copy_content, fill, measure_adding, remove_added
from reid_edge_benchmarks.scale.vectors import PHOTOS_OF_ONE, MadeUpPhotos, made_up_models

SIZE = 130


@pytest.fixture(scope="module")
def photos() -> MadeUpPhotos:
    return MadeUpPhotos(made_up_models(4, 16))


def plain(items, *_):
    return items


def added_through_the_product(place, photos):
    with Gallery.create(place) as gallery:
        with Gallery.create(place.with_name("bulk.sqlite")) as bulk:
            fill(bulk, photos, SIZE, "", plain)
            seen, batch = bulk.sightings(), gallery.new_batch()
            facts = NewSighting.__dataclass_fields__.keys() - {"thumbnail"}
            with gallery.transaction():
                for one in sorted(seen, key=lambda each: each.id):
                    new = NewSighting(**{name: getattr(one, name) for name in facts})
                    gallery.add_sighting(new, bulk.features([one.id], KEY)[one.id], KEY, batch)
        return gallery.content_hash()


@pytest.mark.parametrize("store", ["file", "server"])
def test_a_gallery_filled_in_bulk_has_the_content_that_adding_one_by_one_gives(photos, tmp_path, request, store):
    place = tmp_path / "gallery.sqlite" if store == "file" else request.getfixturevalue("new_schema")()
    with Gallery.create(place) as gallery:
        fill(gallery, photos, SIZE, "", plain)
        assert gallery.content_hash() == added_through_the_product(tmp_path / "one-by-one.sqlite", photos)
        assert not [finding for finding in check(gallery) if finding.severity != "info"]
        assert len(gallery.individuals()) == -(-SIZE // PHOTOS_OF_ONE)
        found, _ = gallery.vector_index(KEY, VECTOR).search(photos.vectors(7, 8)[0], 1)
        assert found.tolist() == [8]


def test_what_was_stopped_is_continued_what_is_beyond_goes_and_what_is_something_else_is_refused(photos, tmp_path):
    with Gallery.create(tmp_path / "a.sqlite") as gallery, Gallery.create(tmp_path / "b.sqlite") as whole:
        fill(gallery, photos, 60, "", plain)
        fill(gallery, photos, SIZE, "", plain)
        fill(whole, photos, SIZE, "", plain)
        assert gallery.content_hash() == whole.content_hash()
        fill(gallery, photos, 60, "", plain)
        assert len(gallery.sightings()) == 60
    with Gallery.create(tmp_path / "other.sqlite") as other:
        other.add_sighting(NewSighting(photo_sha256="f" * 64, identity="Zoe"), {}, KEY, other.new_batch())
        with pytest.raises(UsageError, match="another gallery"):
            fill(other, photos, SIZE, "", plain)


@pytest.mark.parametrize("store", ["file", "server"])
def test_photos_that_were_added_to_measure_that_are_taken_out_again(photos, tmp_path, request, store):
    place = tmp_path / "gallery.sqlite" if store == "file" else request.getfixturevalue("new_schema")()
    with Gallery.create(place) as gallery:
        fill(gallery, photos, SIZE, "", plain)
        before = gallery.content_hash()
        for _ in range(2):  # what was taken out may be added again
            added = measure_adding(gallery, photos, SIZE, known=5, new=2)
            assert (len(added["known"]), len(added["new"])) == (5, 2)
            assert len(gallery.sightings()) == SIZE + 7
            assert len(gallery.individuals()) == -(-SIZE // PHOTOS_OF_ONE) + 2
            remove_added(gallery, SIZE)
            assert (gallery.content_hash(), gallery.history()) == (before, [])


def test_the_content_of_a_file_is_copied_to_a_server(photos, tmp_path, new_schema):
    with Gallery.create(tmp_path / "gallery.sqlite") as file, Gallery.create(new_schema()) as server:
        fill(file, photos, SIZE, "", plain)
        copy_content(file, server, "", plain)
        assert server.content_hash() == file.content_hash()
        sighting = NewSighting(photo_sha256="f" * 64, identity="somebody else")
        assert server.add_sighting(sighting, {}, KEY, "batch") == SIZE + 1
