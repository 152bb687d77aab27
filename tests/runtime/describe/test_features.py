"""Features survive the gallery: what is stored comes back, descriptors to half precision."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reid_edge.describe.features import Features, keypoint_arrays, keypoints_from_arrays, picture_array, to_arrays, vector_array
from reid_edge.describe.keypoints import Keypoints
from reid_edge.gallery.arrays import from_stored, to_stored


def drawn(seed: int, dimension: int, count: int) -> Features:
    random = np.random.default_rng(seed)

    def units(*shape: int) -> np.ndarray:
        values = random.normal(size=shape).astype(np.float32)
        return values / np.linalg.norm(values, axis=-1, keepdims=True)

    xy = random.uniform(0, 6000, (count, 2)).astype(np.float32)
    keypoints = Keypoints(xy, random.uniform(0.01, 1, count).astype(np.float32), units(count, 64), np.float32([3, 4, 5000, 6000]))
    return Features({"one": units(dimension), "two": units(8)}, {"xfeat": keypoints})


def stored_and_back(features: Features) -> dict[str, np.ndarray]:
    stored = {name: to_stored(name, array) for name, array in to_arrays(features).items()}
    return {name: from_stored(array) for name, array in stored.items()}


@given(seed=st.integers(0, 1000), dimension=st.integers(1, 1500), count=st.integers(0, 300))
def test_stored_features_come_back(seed, dimension, count):
    features = drawn(seed, dimension, count)
    back = stored_and_back(features)
    for name, vector in features.vectors.items():
        assert np.array_equal(back[vector_array(name)], vector)
        assert back[vector_array(name)].dtype == np.float32
    had, has = features.keypoints["xfeat"], keypoints_from_arrays(back, "xfeat")
    assert len(has) == count
    assert np.array_equal(has.xy, had.xy)
    assert np.array_equal(has.region, had.region)
    assert np.abs(has.descriptors - had.descriptors).max(initial=0) <= 2**-11
    assert np.allclose(has.scores, had.scores, rtol=2**-10, atol=0)
    assert {array.dtype for array in (has.xy, has.scores, has.descriptors)} == {np.dtype(np.float32)}


def test_an_array_that_is_not_there_is_not_made_up():
    arrays = to_arrays(drawn(0, 4, 3))
    del arrays["keypoints/xfeat/region"]
    with pytest.raises(KeyError):
        keypoints_from_arrays(arrays, "xfeat")


@given(
    seed=st.integers(0, 99),
    count=st.integers(0, 40),
    with_frames=st.booleans(),
    turn=st.sampled_from([0, 90, 180, -90]),
    long_side=st.sampled_from([0, 512]),
    sides=st.lists(st.integers(1, 40), max_size=2),
)
def test_what_only_some_keypoints_have_comes_back_and_is_not_there_otherwise(seed, count, with_frames, turn, long_side, sides):
    random = np.random.default_rng(seed)
    made = drawn(seed, 8, count)
    frames = random.normal(size=(count, 2, 2)).astype(np.float32) if with_frames else None
    keypoints = replace(made.keypoints["xfeat"], frames=frames, turn=turn, long_side=long_side)
    pictures = {f"p{number}": random.integers(0, 256, (side, side), np.uint8) for number, side in enumerate(sides)}
    back = stored_and_back(replace(made, keypoints={"xfeat": keypoints}, pictures=pictures))
    has = keypoints_from_arrays(back, "xfeat")
    assert (has.turn, has.long_side) == (turn, long_side)
    assert (has.frames is None) == (frames is None)
    if frames is not None:
        assert np.array_equal(has.frames, frames)
    for name, picture in pictures.items():
        assert back[picture_array(name)].dtype == np.uint8
        assert np.array_equal(back[picture_array(name)], picture)
    optional = [with_frames, bool(turn), bool(long_side)]
    assert len(back) == 2 + 4 + sum(optional) + len(pictures)
    assert [name in back for name in keypoint_arrays("xfeat")] == [True] * 4 + optional
