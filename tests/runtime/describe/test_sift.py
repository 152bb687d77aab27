"""SIFT on the host: on the animal, the strongest first, in the same order always, and as LightGlue's weights for SIFT want it."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from reid_edge.compare.matching import match_lightglue, match_mutual_nearest
from reid_edge.compare.matching.lightglue import places
from reid_edge.describe.orientation import Chip, turn_picture
from reid_edge.describe.segmentation import Animal
from reid_edge.describe.sift import extract_sift
from reid_edge.engines import open_engine, select_device
from reid_edge.errors import UsageError
from reid_edge.photo import read_photo
from reid_edge.recipe import Extract

SIFT = Extract("sift", True, 0.0, detector="sift", keypoints=256, size=512)


def animal(rgb: np.ndarray, mask: np.ndarray | None = None, corner: tuple[int, int] = (0, 0)) -> Animal:
    height, width = rgb.shape[:2]
    box = (*corner, corner[0] + width, corner[1] + height)
    return Animal(0, box, rgb, np.ones((height, width), bool) if mask is None else mask, 1.0, True)


@pytest.fixture(scope="module")
def photo(samples) -> np.ndarray:
    """512 x 384 pixels, so that SIFT at 512 sees the pixels themselves."""
    rgb = read_photo(samples / "photos" / "trail_1.jpg").rgb
    return cv2.resize(rgb, (512, 384), interpolation=cv2.INTER_AREA)


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 999), turn=st.sampled_from([0, 90, 180, -90]), corner=st.tuples(st.integers(0, 900), st.integers(0, 900))
)
def test_every_keypoint_is_on_the_mask(seed, turn, corner):
    random = np.random.default_rng(seed)
    rgb = cv2.resize(random.integers(0, 255, (24, 32, 3), dtype=np.uint8), (128, 96), interpolation=cv2.INTER_CUBIC)
    mask = cv2.resize(random.integers(0, 2, (3, 4), dtype=np.uint8), (128, 96), interpolation=cv2.INTER_NEAREST) > 0
    keypoints = extract_sift(Chip.of(animal(rgb, mask, corner), turn), replace(SIFT, size=128, keypoints=64))
    column, row = np.floor(keypoints.chip_xy + 0.5).astype(int).T
    assert turn_picture(mask, turn)[row, column].all()
    # Back in the photo, up to the last digit of a place that lies between two pixels.
    near = cv2.dilate(mask.astype(np.uint8), np.ones((3, 3), np.uint8))
    column, row = (np.rint(keypoints.xy).astype(int) - corner).T
    assert near[row, column].all()
    assert len(keypoints) <= 64
    assert len(keypoints) > 0 or mask.sum() < mask.size / 4


def test_they_are_those_of_opencv_the_strongest_first_and_one_in_a_pixel(photo):
    keypoints = extract_sift(Chip.of(animal(photo)), replace(SIFT, mask=False))
    assert 150 < len(keypoints) <= 256
    assert (np.diff(keypoints.scores) <= 0).all()
    assert keypoints.scores[-1] > 0
    pixels = {tuple(pixel) for pixel in np.rint(keypoints.xy - 0.5).tolist()}
    assert len(pixels) == len(keypoints)
    detector = cv2.SIFT.create(nOctaveLayers=4, contrastThreshold=0.0066667, edgeThreshold=10)
    found, descriptors = detector.detectAndCompute(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY), None)
    facts = np.array([(*point.pt, point.size, np.deg2rad(point.angle)) for point in found])
    known = places(keypoints, 4)
    known[:, :2] = known[:, :2] * 256 + (256, 192)
    nearest = np.abs(facts[None] - known[:, None]).max(axis=2).argmin(axis=1)
    np.testing.assert_allclose(known, facts[nearest], atol=1e-3)  # pixels and radians; measured 6e-5
    assert min(keypoints.scores) >= sorted((point.response for point in found), reverse=True)[255]
    rooted = np.sqrt(np.maximum(descriptors[nearest] / descriptors[nearest].sum(axis=1, keepdims=True), 1e-6))
    rooted /= np.linalg.norm(rooted, axis=1, keepdims=True)
    np.testing.assert_allclose(keypoints.descriptors, rooted, atol=1e-5)
    assert keypoints.descriptors.dtype == np.float32


def test_the_order_is_the_same_with_any_number_of_threads(photo):
    before, sets = cv2.getNumThreads(), []
    try:
        for threads in (1, 2, 3):
            cv2.setNumThreads(threads)
            sets.append(extract_sift(Chip.of(animal(photo)), SIFT))
    finally:
        cv2.setNumThreads(before)
    for one in sets[1:]:
        assert np.array_equal(one.xy, sets[0].xy)
        assert np.array_equal(one.descriptors, sets[0].descriptors)


def test_frames_are_turned_circles_of_the_keypoints_own_size_in_pixels_of_the_photo(photo):
    large = cv2.resize(photo, (1024, 768), interpolation=cv2.INTER_NEAREST)  # averaged over areas it is `photo` again
    small, keypoints = (extract_sift(Chip.of(animal(each)), SIFT) for each in (photo, large))
    np.testing.assert_allclose(keypoints.frames, 2 * small.frames, atol=1e-4)
    np.testing.assert_allclose(keypoints.xy, 2 * small.xy + 0.5, atol=1e-3)
    np.testing.assert_allclose(places(keypoints, 4)[:, 2:], places(small, 4)[:, 2:], atol=1e-4)
    gram = keypoints.frames.transpose(0, 2, 1) @ keypoints.frames
    np.testing.assert_allclose(gram[:, 0, 1], 0, atol=1e-2)
    np.testing.assert_allclose(gram[:, 0, 0], gram[:, 1, 1], rtol=1e-5)


def test_a_turned_chip_gives_the_matcher_what_the_turned_photo_gives(photo):
    lying = extract_sift(Chip.of(animal(turn_picture(photo, -90)), 90), SIFT)
    upright = extract_sift(Chip.of(animal(photo)), SIFT)
    for numbers in (2, 4, 6):
        np.testing.assert_allclose(places(lying, numbers), places(upright, numbers), atol=1e-3)  # measured 2e-5
    assert (lying.turn, lying.long_side) == (90, 512)


def test_affine_places_are_the_tips_of_the_frames_in_the_frame_of_the_places(photo):
    keypoints = extract_sift(Chip.of(animal(photo)), SIFT)
    six = places(keypoints, 6)
    np.testing.assert_allclose(six[:, 2:4] * 256 + (256, 192), keypoints.xy + keypoints.frames[:, :, 0], atol=1e-3)
    np.testing.assert_allclose(six[:, 4:] * 256 + (256, 192), keypoints.xy + keypoints.frames[:, :, 1], atol=1e-3)


def test_keypoints_without_frames_are_refused_by_a_matcher_that_wants_them(photo):
    keypoints = replace(extract_sift(Chip.of(animal(photo)), SIFT), long_side=0)
    with pytest.raises(UsageError, match="orientations and scales of SIFT"):
        places(keypoints, 4)
    assert places(keypoints, 6).shape == (len(keypoints), 6)
    with pytest.raises(UsageError, match="affine frames"):
        places(replace(keypoints, frames=None), 6)


@pytest.mark.parametrize("size", [(1, 1), (3, 500), (500, 2), (40, 30)])
def test_a_tiny_or_blank_chip_is_no_error(size):
    blank = extract_sift(Chip.of(animal(np.full((size[1], size[0], 3), 90, np.uint8))), SIFT)
    assert (blank.xy.shape, blank.descriptors.shape, blank.frames.shape) == ((0, 2), (0, 128), (0, 2, 2))
    assert places(blank, 4).shape == (0, 4)


def test_the_same_animal_has_more_nearest_neighbours_than_any_other(samples):
    names = ["Imara/imara_2.jpg", "Imara/imara_3.jpg", "Enzi/enzi_1.jpg", "Asha/asha_1.jpg"]
    chips = [Chip.of(animal(read_photo(samples / "gallery" / name).rgb)) for name in names]
    query, *sets = (extract_sift(chip, replace(SIFT, keypoints=512)) for chip in chips)
    same, *others = (len(matches) for matches in match_mutual_nearest(query, sets, 0.9))
    assert same > 1.5 * max(others), (same, others)


def orientation_matcher():
    """A network in place of a LightGlue for SIFT: each keypoint matches the first, with its orientation / 2 pi as confidence."""
    value = helper.make_tensor_value_info
    widths = {"keypoints": ["batch", "points", 4], "descriptors": ["batch", "points", 128], "valid": ["batch", "points"]}
    inputs = [
        value(f"{name}{side}", TensorProto.FLOAT, [shape[0], f"points{side}", *shape[2:]])
        for name, shape in widths.items()
        for side in (0, 1)
    ]
    nodes = [
        helper.make_node("Constant", [], ["last"], value=helper.make_tensor("last", TensorProto.INT64, [], [3])),
        helper.make_node("Constant", [], ["turn"], value=helper.make_tensor("turn", TensorProto.FLOAT, [], [2 * np.pi])),
        helper.make_node("Gather", ["keypoints0", "last"], ["angle"], axis=2),
        helper.make_node("Div", ["angle", "turn"], ["scores0"]),
        helper.make_node("Sub", ["valid0", "valid0"], ["none"]),
        helper.make_node("Cast", ["none"], ["matches0"], to=TensorProto.INT64),
    ]
    places0 = ["batch", "points0"]
    outputs = [value("matches0", TensorProto.INT64, places0), value("scores0", TensorProto.FLOAT, places0)]
    graph = helper.make_graph(nodes, "orientation", inputs, outputs)
    content = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8).SerializeToString()
    return open_engine(content, "orientation", select_device("cpu", content, 1, []), {})


def test_a_matcher_for_sift_is_fed_scale_and_orientation(photo):
    keypoints = extract_sift(Chip.of(animal(photo)), SIFT)
    angle = places(keypoints, 4)[:, 3] / (2 * np.pi)
    (matches,) = match_lightglue(keypoints, [keypoints], orientation_matcher(), 0.5)
    assert matches.query.tolist() == np.flatnonzero(angle > 0.5).tolist()
    np.testing.assert_allclose(matches.scores, angle[angle > 0.5], atol=1e-6)
