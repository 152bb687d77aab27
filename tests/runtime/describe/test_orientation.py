"""Animals are turned by quarters, and what is found on the turned chip comes back to the pixel of the photo that it was found on."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reid_edge.compare.candidates import GalleryCandidates
from reid_edge.compare.matching.lightglue import normalise
from reid_edge.describe.description import Describer
from reid_edge.describe.orientation import NOT_TURNED, Chip, lacks_viewpoint, turn_frames, turn_of, turn_picture, turn_points
from reid_edge.describe.query import Query
from reid_edge.describe.segmentation import Animal
from reid_edge.gallery import Gallery
from reid_edge.gallery.enrolment_list import Enrolment
from reid_edge.identify.describing_again import describe_again
from reid_edge.identify.enrolment import enrol
from reid_edge.photo import read_photo
from reid_edge.recipe import Orient
from reid_edge.timings import Timings

TURNS = st.sampled_from([0, 90, 180, -90])
SIDES = st.integers(1, 12)
SALAMANDERS = Orient({"right": -90, "left": 90}, ("salamander",))


def numbered(width: int, height: int, x0: int = 0, y0: int = 0) -> Animal:
    """An animal whose pixels are all different, and its mask a stripe."""
    crop = np.arange(width * height * 3, dtype=np.uint8).reshape(height, width, 3)
    return Animal(0, (x0, y0, x0 + width, y0 + height), crop, crop[..., 0] % 2 == 0, 1.0, True)


@given(width=SIDES, height=SIDES)
def test_four_quarters_are_none(width, height):
    picture = numbered(width, height).crop
    once = turn_picture(picture, 90)
    assert np.array_equal(turn_picture(turn_picture(turn_picture(once, 90), 90), 90), picture)
    assert np.array_equal(turn_picture(once, 90), turn_picture(picture, 180))
    assert np.array_equal(turn_picture(once, -90), picture)
    assert turn_picture(picture, 0) is picture


def test_a_turn_is_counter_clockwise():
    assert turn_picture(np.array([[1, 2], [3, 4]], np.uint8), 90).tolist() == [[2, 4], [1, 3]]


@given(width=SIDES, height=SIDES, turn=TURNS, corner=st.tuples(st.integers(0, 3000), st.integers(0, 3000)))
def test_every_pixel_of_the_turned_chip_comes_back_to_its_own(width, height, turn, corner):
    animal = numbered(width, height, *corner)
    chip = Chip.of(animal, turn)
    rows, columns = np.indices(chip.mask.shape).reshape(2, -1)
    on_chip = np.stack((columns, rows), axis=1).astype(np.float32)
    on_photo = chip.to_photo(on_chip)
    x, y = (on_photo - np.float32(corner)).astype(int).T
    assert np.array_equal(animal.crop[y, x], chip.rgb[rows, columns])
    assert np.array_equal(animal.mask[y, x], chip.mask[rows, columns])
    assert np.array_equal(turn_points(on_photo - np.float32(corner), (width, height), turn), on_chip)


@given(turn=TURNS, seed=st.integers(0, 99))
def test_a_frame_turns_with_the_points_around_its_keypoint(turn, seed):
    random = np.random.default_rng(seed)
    centre, frame = random.uniform(0, 99, (1, 2)).astype(np.float32), random.normal(size=(1, 2, 2)).astype(np.float32)
    on_circle = np.float32([0.6, 0.8])
    tip = turn_points(centre + frame @ on_circle, (100, 60), turn)
    turned = turn_points(centre, (100, 60), turn) + turn_frames(frame, turn) @ on_circle
    np.testing.assert_allclose(turned, tip, atol=1e-4)  # of up to 100 pixels in float32
    assert np.array_equal(turn_frames(turn_frames(frame, turn), -turn), frame)


def test_only_the_viewpoints_and_species_that_are_named_are_turned():
    assert turn_of(SALAMANDERS, "Right", "Salamander") == -90
    assert turn_of(SALAMANDERS, "left", "salamander") == 90
    assert (
        turn_of(SALAMANDERS, "top", "salamander") == turn_of(SALAMANDERS, "left", "lynx") == turn_of(SALAMANDERS, "left", "") == 0
    )
    assert turn_of(replace(SALAMANDERS, species=()), "left", "") == 90
    assert turn_of(None, "left", "salamander") == 0
    asked = [("", "salamander"), ("left", "salamander"), ("", "lynx")]
    assert [lacks_viewpoint(SALAMANDERS, *each) for each in asked] == [True, False, False]
    assert not lacks_viewpoint(None, "", "")


@pytest.fixture(scope="module")
def whole_frame_recipe(identifier):
    """The bundled recipe on whole frames, which turn without a segmentation that looks different."""
    return replace(identifier.recipe, segment=None)


@pytest.mark.parametrize("turn", [90, 180, -90])
def test_a_photo_that_lies_on_its_side_is_described_as_the_upright_one(identifier, whole_frame_recipe, as_photo, samples, turn):
    upright = read_photo(samples / "photos" / "trail_1.jpg")
    lying = replace(upright, rgb=turn_picture(upright.rgb, -turn))
    oriented = replace(whole_frame_recipe, orient=Orient({"left": turn}))
    (expected,) = Describer(whole_frame_recipe, identifier.networks).describe(upright, Query(), Timings())
    (found,) = Describer(oriented, identifier.networks).describe(lying, Query(viewpoint="left"), Timings())
    for name, vector in expected.features.vectors.items():
        assert np.array_equal(found.features.vectors[name], vector)
    had, has = expected.features.keypoints["xfeat"], found.features.keypoints["xfeat"]
    assert np.array_equal(has.descriptors, had.descriptors)
    assert has.turn == turn
    np.testing.assert_allclose(normalise(has), normalise(had), atol=1e-5)  # measured 2e-7
    height, width = lying.rgb.shape[:2]
    np.testing.assert_allclose(turn_points(has.xy, (width, height), turn), had.xy, atol=1e-3)
    assert has.region.tolist() == [0, 0, width, height]


def test_an_animal_that_ought_to_be_turned_is_not_silently_left(identifier, whole_frame_recipe, samples):
    photo, oriented = read_photo(samples / "photos" / "trail_1.jpg"), replace(whole_frame_recipe, orient=Orient({"left": 90}))
    said = {}
    for viewpoint in ("left", "right", ""):
        (described,) = Describer(oriented, identifier.networks).describe(photo, Query(viewpoint=viewpoint), Timings())
        said[viewpoint] = described.warnings
    assert said == {"left": (), "right": (), "": (NOT_TURNED,)}


def test_enrolment_and_question_turn_by_what_people_said(identifier, whole_frame_recipe, samples, jpeg, memory_folder):
    photo = read_photo(samples / "photos" / "trail_1.jpg")
    path = memory_folder / "lying.jpg"
    path.write_bytes(jpeg(turn_picture(photo.rgb, -90)))
    turning = copy.copy(identifier)
    turning.recipe = replace(whole_frame_recipe, orient=Orient({"left": 90}, ("zebra",)))
    with Gallery.create(memory_folder / "gallery.sqlite") as gallery:
        enrol(gallery, turning, [Enrolment(path, "Zoe", "zebra", "left")])
        candidates = GalleryCandidates(gallery, turning.feature_key)
        ids = np.array([sighting.id for sighting in gallery.sightings()])
        enrolled = candidates.keypoints("xfeat", ids)[0]
        assert enrolled.turn == 90
        # The species is the gallery's, where the question does not say it.
        (decision,) = turning.identify(read_photo(path), candidates, Query(viewpoint="left"))
        assert max(score.raw or 0 for score in decision.ranking[0].scores) > 0.9 * len(enrolled)
        assert describe_again(gallery, turning, gallery.sightings()) == []
        assert GalleryCandidates(gallery, turning.feature_key).keypoints("xfeat", ids)[0].turn == 90
