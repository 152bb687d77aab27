"""Preprocessing: sizes, colours and numbers are those that a pack states, whatever the photo's shape."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reid_edge.engines.network_input import content_size, input_size, resize, to_network_input
from reid_edge.pack.manifest import Preprocessing

STRETCH = Preprocessing("stretch", 40, 24, "rgb", 1 / 255, (0.5, 0.4, 0.3), (0.2, 0.25, 0.5), "area")
LONG_SIDE = Preprocessing("long-side", 512, 512, "grey", 1 / 255, (0.0,), (1.0,), "area", multiple=32)
LETTERBOX = replace(STRETCH, resize="letterbox")
side = st.integers(1, 20_000)


@given(width=side, height=side, multiple=st.sampled_from([1, 8, 32]), long=st.sampled_from([96, 512, 1024]))
def test_the_long_side_is_as_stated_and_the_other_keeps_the_shape_to_half_a_multiple(width, height, multiple, long):
    preprocessing = replace(LONG_SIDE, width=long, height=long, multiple=multiple)
    size = input_size(width, height, preprocessing)
    assert max(size) == long
    for got, had in zip(size, (width, height), strict=True):
        assert got % multiple == 0
        exact = had * long / max(width, height)
        assert abs(got - exact) <= multiple / 2 + 1e-6 or (got == multiple and exact < multiple)


@given(width=side, height=side)
def test_a_turned_photo_has_a_turned_input(width, height):
    assert input_size(width, height, LONG_SIDE) == input_size(height, width, LONG_SIDE)[::-1]


@given(width=side, height=side)
def test_stretching_gives_the_stated_size_for_every_shape(width, height):
    assert input_size(width, height, STRETCH) == (40, 24)


@given(width=side, height=side)
def test_a_letterboxed_photo_keeps_its_shape_and_fills_the_input_on_one_side(width, height):
    assert input_size(width, height, LETTERBOX) == (40, 24)
    content = content_size(width, height, LETTERBOX)
    fit = min(40 / width, 24 / height)
    assert content[0] == 40 or content[1] == 24
    for got, had, most in zip(content, (width, height), (40, 24), strict=True):
        assert got <= most
        assert abs(got - had * fit) <= 0.5 or (got == 1 and had * fit < 0.5)


@given(width=st.integers(1, 90), height=st.integers(1, 90))
def test_a_letterbox_has_the_photo_at_its_upper_left_and_zeros_elsewhere(width, height):
    rgb = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    made = to_network_input(rgb, LETTERBOX)
    assert made.shape == (1, 3, 24, 40)
    across, down = content_size(width, height, LETTERBOX)
    photo = to_network_input(rgb, replace(LETTERBOX, resize="stretch", width=across, height=down))
    assert np.array_equal(made[:, :, :down, :across], photo)
    assert not made[:, :, down:].any()
    assert not made[:, :, :, across:].any()


@pytest.mark.parametrize("interpolation", ["linear", "area", "cubic"])
@given(width=st.integers(1, 90), height=st.integers(1, 90), value=st.integers(0, 255))
def test_an_even_photo_stays_even(interpolation, width, height, value):
    rgb = np.full((height, width, 3), value, np.uint8)
    made = to_network_input(rgb, replace(STRETCH, interpolation=interpolation))
    assert made.shape == (1, 3, 24, 40)
    assert made.dtype == np.float32
    for channel in range(3):
        expected = (value / 255 - STRETCH.mean[channel]) / STRETCH.std[channel]
        assert np.allclose(made[0, channel], expected, atol=1e-5)


def test_channels_are_red_green_blue_and_each_has_its_own_mean():
    rgb = np.random.default_rng(0).integers(0, 256, (24, 40, 3), np.uint8)
    made = to_network_input(rgb, STRETCH)[0]
    expected = (rgb / 255 - np.array(STRETCH.mean)) / np.array(STRETCH.std)
    assert np.allclose(made, expected.transpose(2, 0, 1), atol=1e-5)


def test_grey_is_the_plain_mean_of_the_three_colours():
    rgb = np.random.default_rng(0).integers(0, 256, (512, 512, 3), np.uint8)
    made = to_network_input(rgb, LONG_SIDE)
    assert made.shape == (1, 1, 512, 512)
    assert np.allclose(made[0, 0], rgb.mean(axis=2) / 255, atol=1e-6)


def test_shrinking_by_area_averages_so_that_fine_noise_does_not_alias():
    checks = np.indices((480, 800)).sum(axis=0)[..., None].repeat(3, axis=2) % 2 * 255
    assert np.ptp(resize(checks.astype(np.uint8), 40, 24, "area")) <= 1


def test_a_photo_of_the_right_size_is_not_resampled():
    rgb = np.random.default_rng(0).integers(0, 256, (24, 40, 3), np.uint8)
    assert resize(rgb, 40, 24, "cubic") is rgb
