"""Keypoints lie on the animal, in the photo's own pixels, each with a descriptor of length 1."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from reid_edge.describe.keypoints import extract_keypoints
from reid_edge.describe.orientation import Chip
from reid_edge.describe.segmentation import Animal, find_animals
from reid_edge.engines import open_engine, select_device
from reid_edge.pack.manifest import Preprocessing
from reid_edge.photo import read_photo
from reid_edge.recipe import Extract


@pytest.fixture(scope="module")
def extract(identifier):
    """extract(animal, settings...): with the bundled pack."""
    settings = identifier.recipe.extract[0]
    network = identifier.networks[settings.network]

    def do(animal, **changed):
        return extract_keypoints(Chip.of(animal), network.engine, network.preprocessing, replace(settings, **changed))

    return do


@pytest.fixture(scope="module")
def animal(identifier, samples):
    segment = identifier.recipe.segment
    network = identifier.networks[segment.network]
    photo = read_photo(samples / "photos" / "trail_1.jpg")
    return find_animals(photo, network.engine, network.preprocessing, segment)[0]


def on_mask(keypoints, animal):
    column, row = (np.rint(keypoints.xy) - animal.box[:2]).astype(int).T
    return animal.mask[row.clip(0, animal.mask.shape[0] - 1), column.clip(0, animal.mask.shape[1] - 1)]


def test_keypoints_lie_on_the_animal_in_pixels_of_the_photo(extract, animal):
    keypoints = extract(animal, mask_margin=0.0)
    assert len(keypoints) > 200
    x0, y0, x1, y1 = animal.box
    assert keypoints.region.tolist() == [x0, y0, x1, y1]
    assert (keypoints.xy >= (x0 - 0.5, y0 - 0.5)).all()
    assert (keypoints.xy <= (x1 - 0.5, y1 - 0.5)).all()
    assert (
        on_mask(keypoints, animal).mean() > 0.98
    )  # the mask is resampled to the network's input, which costs the outline a pixel


def test_without_the_mask_the_background_has_keypoints_too(extract, animal):
    assert on_mask(extract(animal, mask=False), animal).mean() < 0.9


def test_a_wider_margin_takes_the_outline_in(extract, animal):
    off = [int((~on_mask(extract(animal, mask_margin=margin), animal)).sum()) for margin in (0.0, 0.05)]
    assert off[1] > off[0]


def test_they_come_best_first_with_descriptors_of_length_one(extract, animal):
    keypoints = extract(animal)
    assert (np.diff(keypoints.scores) <= 0).all()
    assert (keypoints.scores > 0).all()
    assert keypoints.descriptors.shape == (len(keypoints), 64)
    assert np.allclose(np.linalg.norm(keypoints.descriptors, axis=1), 1, atol=1e-4)


def test_the_place_of_the_crop_in_the_photo_moves_the_keypoints_and_nothing_else(extract, animal):
    x0, y0, x1, y1 = animal.box
    here, there = extract(animal), extract(replace(animal, box=(x0 + 1000, y0 + 500, x1 + 1000, y1 + 500)))
    assert np.allclose(there.xy - here.xy, (1000, 500), atol=1e-3)
    assert np.array_equal(here.descriptors, there.descriptors)


def test_an_animal_without_a_pixel_has_no_keypoints(extract, animal):
    keypoints = extract(replace(animal, mask=np.zeros_like(animal.mask)))
    assert len(keypoints) == 0
    assert keypoints.descriptors.shape == (0, 64)


@pytest.mark.parametrize("size", [(1, 1), (3, 500), (40, 30)])
def test_a_tiny_crop_is_no_error(extract, animal, size):
    width, height = size
    crop = np.ascontiguousarray(animal.crop[:height, :width])
    keypoints = extract(replace(animal, crop=crop, mask=np.ones(crop.shape[:2], bool), box=(0, 0, crop.shape[1], crop.shape[0])))
    assert (keypoints.xy <= (crop.shape[1], crop.shape[0])).all()


def found_in_the_corner(with_frames=True):
    """A network that finds one keypoint, three pixels right of and one below the upper left corner, in any photo."""
    given = {"keypoints": [[[3.0, 1.0]]], "scores": [[0.5]], "descriptors": [[[0.6, 0.8]]]}
    if with_frames:
        given["frames"] = [[[[2.0, 1.0], [0.0, 1.0]]]]
    nodes = [
        helper.make_node("Constant", [], [name], value=numpy_helper.from_array(np.array(values, np.float32)))
        for name, values in given.items()
    ]
    value = helper.make_tensor_value_info
    inputs = [value(name, TensorProto.FLOAT, [1, planes, 16, 16]) for name, planes in (("image", 3), ("mask", 1))]
    outputs = [value(name, TensorProto.FLOAT, np.array(values).shape) for name, values in given.items()]
    graph = helper.make_graph(nodes, "corner", inputs, outputs)
    content = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8).SerializeToString()
    return open_engine(content, "corner", select_device("cpu", content, 1, []), {})


STRETCHED = Preprocessing("stretch", 16, 16, "rgb", 1.0, (0.0,) * 3, (1.0,) * 3, "area")


@pytest.mark.parametrize("turn", [0, 90, 180, -90])
def test_affine_frames_come_back_to_the_photo_with_their_keypoints(turn):
    tall, wide = (48, 32) if turn in (0, 180) else (32, 48)  # the turned chip is 32 x 48, each pixel of the network 2 x 3 of it
    whole = Animal(
        0, (100, 50, 100 + wide, 50 + tall), np.zeros((tall, wide, 3), np.uint8), np.ones((tall, wide), bool), 1.0, True
    )
    extraction = Extract("corner", True, 0.0, "corner")
    chip = Chip.of(whole, turn)
    found = extract_keypoints(chip, found_in_the_corner(), STRETCHED, extraction)
    np.testing.assert_allclose(found.chip_xy, [[6.5, 4]])  # the middle of columns 6 and 7, and of rows 3 to 5
    np.testing.assert_allclose(found.chip_frames, [[[4, 2], [0, 3]]])
    np.testing.assert_allclose(chip.to_photo(found.chip_xy + found.chip_frames[:, :, 0]), found.xy + found.frames[:, :, 0])
    corner = {0: (106.5, 54), 90: (100 + 47 - 4, 56.5), 180: (100 + 31 - 6.5, 50 + 47 - 4), -90: (104, 50 + 31 - 6.5)}[turn]
    np.testing.assert_allclose(found.xy, [corner])
    plain = extract_keypoints(chip, found_in_the_corner(with_frames=False), STRETCHED, extraction)
    assert plain.frames is None
    assert plain.chip_frames is None
    assert np.array_equal(plain.xy, found.xy)
