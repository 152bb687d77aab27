"""A small grey picture of the animal, as matchers that look at pixels want it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reid_edge.describe.orientation import Chip
from reid_edge.describe.picture import take_picture
from reid_edge.describe.segmentation import Animal
from reid_edge.recipe import Extract


def animal(rgb: np.ndarray, mask: np.ndarray) -> Animal:
    return Animal(0, (0, 0, rgb.shape[1], rgb.shape[0]), rgb, mask, 1.0, True)


def settings(size: int, mask: bool = False, margin: float = 0.0) -> Extract:
    return Extract("small", mask, margin, detector="picture", size=size)


@given(
    colour=st.tuples(*[st.integers(0, 255)] * 3), width=st.integers(1, 90), height=st.integers(1, 90), size=st.integers(16, 64)
)
def test_a_plain_chip_of_any_shape_is_a_plain_square_of_its_mean_colour(colour, width, height, size):
    rgb = np.full((height, width, 3), colour, np.uint8)
    picture = take_picture(Chip.of(animal(rgb, np.ones((height, width), bool))), settings(size))
    assert picture.shape == (size, size)
    assert picture.dtype == np.uint8
    assert np.unique(picture).tolist() == [np.rint(np.float32(sum(colour) / 3))]


@given(seed=st.integers(0, 99), turn=st.sampled_from([0, 90, 180, -90]))
def test_the_picture_of_a_turned_chip_is_the_turned_picture(seed, turn):
    random = np.random.default_rng(seed)
    whole = animal(random.integers(0, 255, (64, 96, 3), dtype=np.uint8), random.random((64, 96)) < 0.5)
    upright, turned = (take_picture(Chip.of(whole, each), settings(32, mask=True)) for each in (0, turn))
    # The mean of a fractional area is summed in another order.
    assert np.abs(np.rot90(upright, turn // 90).astype(int) - turned).max() <= 1


def test_what_is_not_the_animal_is_black_where_the_recipe_says_so():
    rgb, mask = np.full((64, 64, 3), 200, np.uint8), np.zeros((64, 64), bool)
    mask[:, :32] = True
    chip = Chip.of(animal(rgb, mask))
    assert (take_picture(chip, settings(16)) == 200).all()
    assert take_picture(chip, settings(16, mask=True))[0].tolist() == [200] * 8 + [0] * 8
    # A margin of an eighth of the long side: 8 pixels, 2 of the picture.
    assert take_picture(chip, settings(16, mask=True, margin=0.125))[0].tolist() == [200] * 10 + [0] * 6
    assert (rgb == 200).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (16, 16)])
def test_a_tiny_chip_is_no_error(size):
    rgb = np.random.default_rng(0).integers(0, 255, (*size, 3), dtype=np.uint8)
    assert take_picture(Chip.of(animal(rgb, np.ones(size, bool))), settings(16, mask=True)).shape == (16, 16)
