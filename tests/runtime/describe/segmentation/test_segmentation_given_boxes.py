"""Given boxes: cut out as they are given, outlined inside by the pack's own network, and answered like any other animal."""

from __future__ import annotations

import numpy as np
import pytest

from reid_edge.describe.query import Query
from reid_edge.describe.segmentation import animals_in_boxes
from reid_edge.photo import read_photo


@pytest.fixture(scope="module")
def photo(samples):
    return read_photo(sorted((samples / "photos").glob("*.jpg"))[0])


@pytest.fixture(scope="module")
def network(identifier):
    found = identifier.networks[identifier.recipe.segment.network]
    return found.engine, found.preprocessing


def test_boxes_are_widened_by_the_margin_cut_at_the_edge_and_ordered_by_size(photo, network, identifier):
    width, height = photo.width, photo.height
    small, large = (10.0, 20.0, 110.0, 120.0), (-5.0, 0.0, width + 9.0, height / 2)
    animals = animals_in_boxes(photo, [small, large], network, identifier.recipe.segment)
    assert [animal.index for animal in animals] == [0, 1]
    assert animals[0].box == (0, 0, width, int(np.ceil(height / 2 * (1 + identifier.recipe.segment.margin))))
    assert animals[1].box == (4, 14, 116, 126)  # margin 0.06
    for animal in animals:
        x0, y0, x1, y1 = animal.box
        assert animal.mask.shape == animal.crop.shape[:2] == (y1 - y0, x1 - x0)
        assert np.array_equal(animal.crop, photo.rgb[y0:y1, x0:x1])
        assert animal.found


def test_the_animal_in_its_box_is_outlined_as_in_the_whole_photo(photo, identifier):
    ((own),) = identifier.describe(photo)
    x0, y0, x1, y1 = own.animal.box
    margin = identifier.recipe.segment.margin
    side_x, side_y = (x1 - x0) * margin / (1 + 2 * margin), (y1 - y0) * margin / (1 + 2 * margin)
    (given,) = identifier.describe(photo, Query(boxes=[(x0 + side_x, y0 + side_y, x1 - side_x, y1 - side_y)]))
    both = np.zeros((2, photo.height, photo.width), bool)
    for plane, animal in zip(both, (own.animal, given.animal), strict=True):
        plane[animal.box[1] : animal.box[3], animal.box[0] : animal.box[2]] = animal.mask
    # Measured on the six photos: 0.952 to 0.989 of the outline in common, because the network sees the crop larger than the photo,
    # and embeddings with a cosine of 0.9967 or more.
    assert (both[0] & both[1]).sum() / (both[0] | both[1]).sum() > 0.9
    assert given.animal.area == pytest.approx(own.animal.area, rel=0.1)
    vectors = [next(iter(described.features.vectors.values())) for described in (own, given)]
    assert float(vectors[0] @ vectors[1]) > 0.98


def test_a_box_with_nothing_to_outline_is_the_animal_as_a_whole(photo, network, identifier):
    import dataclasses

    blank = dataclasses.replace(photo, rgb=np.full_like(photo.rgb, 120))
    (animal,) = animals_in_boxes(blank, [(50, 50, 150, 150)], network, identifier.recipe.segment)
    assert animal.found
    assert animal.mask.all()
    (unsegmented,) = animals_in_boxes(photo, [(50, 50, 150, 150)], None, None)
    assert unsegmented.box == (50, 50, 150, 150)
    assert unsegmented.mask.all()


def test_boxes_too_small_to_show_anything_and_more_than_the_recipe_takes_are_left_out(photo, network, identifier):
    most = identifier.recipe.segment.max_animals
    boxes = [(10.0 * n, 5, 10.0 * n + 60, 90) for n in range(most + 3)] + [(5, 5, 6, 400), (900_000, 0, 900_100, 100)]
    assert len(animals_in_boxes(photo, boxes, network, identifier.recipe.segment)) == most


def test_no_box_means_no_animal(photo, identifier):
    assert identifier.describe(photo, Query(boxes=[]), skip_empty=True) == []
    (described,) = identifier.describe(photo, Query(boxes=[]))
    assert not described.animal.found
