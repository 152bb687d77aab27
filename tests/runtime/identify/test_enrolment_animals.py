"""Enrolment of one animal among several: by its box or its number, each once, and described again as itself."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from reid_edge.describe.query import Query
from reid_edge.describe.segmentation import overlap
from reid_edge.errors import GalleryError, PhotoError, UsageError
from reid_edge.gallery import Gallery
from reid_edge.gallery.enrolment_list import Enrolment, read_enrolments
from reid_edge.gallery.given_box import GivenBox
from reid_edge.identify.describing_again import describe_again
from reid_edge.identify.enrolment import check_names, enrol
from reid_edge.photo import read_photo


@pytest.fixture(scope="module")
def two(samples, tmp_path_factory) -> Path:
    """A photo with two animals beside each other: asha_1.jpg on the left, enzi_1.jpg on the right, 640 x 480 pixels each."""
    path = tmp_path_factory.mktemp("two") / "two.png"
    left, right = (cv2.imread(str(samples / "gallery" / name)) for name in ("Asha/asha_1.jpg", "Enzi/enzi_1.jpg"))
    cv2.imwrite(str(path), np.hstack([left, right]))
    return path


@pytest.fixture
def gallery(memory_folder):
    with Gallery.create(memory_folder / "gallery.sqlite") as made:
        yield made


LEFT, RIGHT = GivenBox(0, 0, 640, 480, False), GivenBox(0.5, 0, 1, 1, True)


def test_two_animals_of_a_photo_are_enrolled_by_their_boxes_and_a_second_run_adds_nothing(gallery, identifier, two):
    (two.parent / "metadata.csv").write_text(
        'identity,path,bbox\nAsha,two.png,"[0, 0, 640, 480]"\nEnzi,two.png,"[0.5, 0, 0.5, 1]"\n'
    )
    rows = read_enrolments(two.parent / "metadata.csv").enrolments
    assert [row.box for row in rows] == [LEFT, RIGHT]
    result = enrol(gallery, identifier, rows)
    assert (result.added, result.failed, result.conflicting) == (2, [], [])
    boxes = {seen.identity: seen.box for seen in gallery.sightings()}
    assert boxes["Asha"][0] == 0
    assert 600 <= boxes["Enzi"][0] <= 640
    assert {seen.animal_index for seen in gallery.sightings()} == {0, 1}
    again = enrol(gallery, identifier, [*rows[::-1], Enrolment(two, "Kito", box=LEFT)])
    assert (again.added, again.present, again.conflicting) == (0, 2, [(two, "Kito", "Asha")])
    # Another pack describes each animal in its own box.
    before = {seen.identity: gallery.features([seen.id], identifier.feature_key)[seen.id] for seen in gallery.sightings()}
    gallery.drop_features(keep=[])
    assert describe_again(gallery, identifier, gallery.sightings()) == []
    for seen in gallery.sightings():
        after = gallery.features([seen.id], identifier.feature_key)[seen.id]
        vectors = [name for name in after if name.startswith("embedding/")]
        assert all(float(after[name] @ before[seen.identity][name]) > 0.98 for name in vectors)


def test_a_box_outside_of_the_photo_fails_for_that_row_only(gallery, identifier, two):
    result = enrol(
        gallery, identifier, [Enrolment(two, "Asha", box=GivenBox(2000, 0, 2100, 90, False)), Enrolment(two, "Enzi", box=RIGHT)]
    )
    assert result.added == 1
    ((_, error),) = result.failed
    assert "1280 x 480 pixels" in error.hint


def test_an_animal_is_chosen_by_the_number_that_identify_gives_it(gallery, identifier, two):
    animals = identifier.describe(read_photo(two))
    assert len(animals) == 2
    first, second = (described.animal for described in animals)
    (chosen,) = identifier.describe(read_photo(two), Query(animal=2))
    assert (chosen.animal.index, chosen.animal.box) == (second.index, second.box)
    result = enrol(
        gallery, identifier, [Enrolment(two, "Two", animal=2), Enrolment(two, "One", animal=1), Enrolment(two, "Two", animal=2)]
    )
    assert (result.added, result.present) == (2, 1)
    assert {
        seen.identity: overlap(seen.box, (first if seen.identity == "One" else second).box) for seen in gallery.sightings()
    } == {
        "One": 1,
        "Two": 1,
    }
    with pytest.raises(PhotoError, match="has no animal 3: 2 were found"):
        identifier.describe(read_photo(two), Query(animal=3))


def test_a_photo_found_at_another_place_is_relinked_where_the_first_is_gone(gallery, identifier, samples, tmp_path):
    first, second = tmp_path / "a" / "1.jpg", tmp_path / "b" / "2.jpg"
    for path in (first, second):
        path.parent.mkdir()
        shutil.copy(samples / "gallery" / "Asha" / "asha_1.jpg", path)
    enrol(gallery, identifier, [Enrolment(first, "Asha")])
    assert enrol(gallery, identifier, [Enrolment(second, "Asha")]).relinked == []
    first.unlink()
    result = enrol(gallery, identifier, [Enrolment(second, "asha")])
    assert (result.present, result.relinked, result.respelled) == (1, [second], {"asha": "Asha"})
    assert gallery.sightings()[0].photo_path == str(second)
    gallery.undo()
    assert gallery.sightings()[0].photo_path == str(first)


def test_a_photo_without_a_species_gets_that_of_its_individual_and_an_unclear_one_is_reported(own_gallery, identifier, samples):
    photos = [samples / "photos" / f"trail_{number}.jpg" for number in (3, 5)]
    with Gallery.open(own_gallery) as gallery:
        result = enrol(gallery, identifier, [Enrolment(photos[0], "ASHA"), Enrolment(photos[1], "Kito")])
        assert gallery.has_photo(read_photo(photos[0]).sha256).species == "spotted sample animal"
        assert gallery.individual("Kito").species == ""
    assert result.inherited_species == {"spotted sample animal": 1}
    assert result.respelled == {"ASHA": "Asha"}
    ((path, between),) = result.unclear_species
    assert (path, len(between)) == (photos[1], 2)


def test_two_commands_that_enrol_the_same_photos_at_once_both_end_well(gallery, identifier, samples, monkeypatch):
    photos = [samples / "gallery" / "Asha" / f"asha_{number}.jpg" for number in (1, 2)]
    other = Gallery.open(gallery.path)
    add = Gallery.add_sighting

    def late(self, *arguments):
        monkeypatch.setattr(Gallery, "add_sighting", add)
        enrol(other, identifier, [Enrolment(photos[0], "Asha")])  # the other command was a moment earlier
        return add(self, *arguments)

    monkeypatch.setattr(Gallery, "add_sighting", late)
    with other:
        result = enrol(gallery, identifier, [Enrolment(photo, "Asha") for photo in photos])
    assert (result.added, result.present, result.failed) == (1, 1, [])
    assert gallery.individual("Asha").sightings == 2


def test_a_slip_in_a_name_or_a_viewpoint_is_refused_before_anything_is_enrolled(gallery, identifier, samples):
    photo = samples / "gallery" / "Asha" / "asha_1.jpg"
    enrol(gallery, identifier, [Enrolment(photo, "Beads", viewpoint="left")])
    with pytest.raises(GalleryError, match="but Beads"):
        check_names(gallery, "Bead", [Enrolment(photo, "Bead")])
    with pytest.raises(UsageError, match="'lefft' is no viewpoint"):
        check_names(gallery, None, [Enrolment(photo, "Beads", viewpoint="lefft")])
    check_names(gallery, "Bead", [Enrolment(photo, "Bead", viewpoint="right")], new=True)
