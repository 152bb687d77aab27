"""Labels from what people confirmed: queries among the other photos of the catalogue."""

from __future__ import annotations

import hashlib

import pytest

from reid_edge.errors import UsageError
from reid_edge.gallery import Gallery, NewReview, NewSighting, SightingToEnrol
from reid_edge_calibration.labels.label_formats import read_labels


@pytest.fixture
def gallery(tmp_path):
    with Gallery.create(tmp_path / "gallery.sqlite") as made:
        yield made


@pytest.fixture
def photo(tmp_path):
    """photo(number, identity): a sighting whose file is there."""

    def make(number, identity, animal=0):
        path = tmp_path / f"{number}.jpg"
        path.write_bytes(f"photo {number}".encode())
        return NewSighting(
            photo_sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
            identity=identity,
            photo_name=path.name,
            photo_path=str(path),
            species="zebra",
            animal_index=animal,
        )

    return make


def confirm(gallery, seen, kind="confirmed"):
    new = NewReview(photo_sha256=seen.photo_sha256, kind=kind, person="Ana", identity=seen.identity)
    gallery.review(new, enrol=SightingToEnrol(seen, {}, "0" * 16))


def test_confirmed_photos_are_queries_and_the_others_the_database(gallery, photo, tmp_path):
    for number, name in enumerate(("Zoe", "Anna")):
        gallery.add_sighting(photo(number, name), {}, "", gallery.new_batch())
    confirm(gallery, photo(2, "Zoe"))
    confirm(gallery, photo(3, "Bea"), "new")
    gallery.add_sighting(photo(4, "Zoe", animal=1), {}, "", gallery.new_batch())
    gone = photo(5, "Zoe")
    gallery.add_sighting(gone, {}, "", gallery.new_batch())
    (tmp_path / "5.jpg").unlink()
    source = read_labels(gallery.path)
    found = {label.enrolment.path.name: (label.enrolment.identity, label.split) for label in source.photos}
    assert found == {
        "0.jpg": ("Zoe", "database"),
        "1.jpg": ("Anna", "database"),
        "2.jpg": ("Zoe", "query"),
        "3.jpg": ("Bea", "query"),
    }
    assert [note for note in source.notes if "5.jpg" in note and "no longer" in note]
    assert [note for note in source.notes if "4.jpg" in note and "largest" in note]


def test_a_gallery_in_which_nobody_confirmed_anything_has_no_labels(gallery, photo):
    gallery.add_sighting(photo(1, "Zoe"), {}, "", gallery.new_batch())
    with pytest.raises(UsageError, match="Nobody confirmed"):
        read_labels(gallery.path)
