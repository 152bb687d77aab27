"""A locator finds the boxes on the frame, the network outlines inside them; a camera's banner is no animal.

The networks call every bright pixel animal, so that a drawn photo says what is to be found.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from reid_edge.describe.segmentation import find_animals, locate_animals, overlap
from reid_edge.describe.segmentation.banner import find_banner
from reid_edge.describe.segmentation.finding import find_regions
from reid_edge.engines import Device, open_engine
from reid_edge.errors import PackError
from reid_edge.pack.manifest import Preprocessing
from reid_edge.photo import Photo, read_photo
from reid_edge.recipe import Segment

FINE, COARSE = 64, 16
SETTINGS = Segment("bright", 0.5, 0.5, 0.01, 0.3, 3, 0.0, locator="coarse", locator_score=0.3, locator_margin=0.2)
CPU = Device("cpu", "CPUExecutionProvider", 0, 1)


def pixels(size: int) -> Preprocessing:
    return Preprocessing("stretch", size, size, "rgb", 1 / 255, (0.0,), (1.0,), "area")


def brightness(size: int) -> bytes:
    graph = helper.make_graph(
        [helper.make_node("ReduceMean", ["image", "axes"], ["saliency"], keepdims=1)],
        "bright",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, size, size])],
        [helper.make_tensor_value_info("saliency", TensorProto.FLOAT, [1, 1, size, size])],
        [numpy_helper.from_array(np.array([1], np.int64), "axes")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10).SerializeToString()


def detector(boxes: list[list[float]], scores: list[list[float]], size: int) -> bytes:
    """Gives these boxes and scores whatever the photo."""
    constants = [
        helper.make_node("Constant", [], [name], value=numpy_helper.from_array(np.array([values], np.float32), name))
        for name, values in (("boxes", boxes), ("scores", scores))
    ]
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("boxes", "scores")]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, size, size])
    graph = helper.make_graph(constants, "detector", [image], outputs)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10).SerializeToString()


@pytest.fixture(scope="module")
def fine():
    return open_engine(brightness(FINE), "bright", CPU), pixels(FINE)


@pytest.fixture(scope="module")
def coarse():
    return open_engine(brightness(COARSE), "coarse", CPU), pixels(COARSE)


def drawn(*rectangles: tuple[int, int, int, int], width: int = 640, height: int = 480) -> Photo:
    rgb = np.zeros((height, width, 3), np.uint8)
    for x0, y0, x1, y1 in rectangles:
        rgb[y0:y1, x0:x1] = 255
    return Photo(rgb, "0" * 64, "drawn.png")


def test_a_box_of_few_pixels_is_drawn_anew_around_the_outline_inside_it(coarse, fine):
    photo = drawn((105, 77, 331, 263), (450, 300, 611, 443))
    located = locate_animals(photo, coarse, fine, SETTINGS)
    directly = find_animals(photo, *coarse, SETTINGS)
    assert [animal.index for animal in located] == [0, 1]
    for animal, wanted in zip(located, ((105, 77, 331, 263), (450, 300, 611, 443)), strict=True):
        assert overlap(animal.box, wanted) > 0.93
        assert animal.crop.shape[:2] == animal.mask.shape == (animal.box[3] - animal.box[1], animal.box[2] - animal.box[0])
        assert animal.area == pytest.approx((wanted[2] - wanted[0]) * (wanted[3] - wanted[1]) / (640 * 480), rel=0.05)
        assert animal.crop[animal.mask].mean() > 240
    assert overlap(directly[0].box, (105, 77, 331, 263)) < overlap(located[0].box, (105, 77, 331, 263))


def test_a_box_of_a_detector_stays_and_is_outlined_inside(fine):
    photo = drawn((100, 100, 200, 200), (400, 100, 440, 160))
    # On the 64 x 64 input: the first animal twice and loosely, a weak box, one of another class than an animal, and the second animal.
    boxes = [[8, 10, 24, 32], [8, 10, 24, 31], [30, 30, 60, 60], [0, 0, 64, 64], [40, 13, 44, 22]]
    scores = np.zeros((5, 80))
    scores[0, 22], scores[1, 15], scores[2, 22], scores[3, 0], scores[4, 14] = 0.9, 0.6, 0.2, 0.95, 0.5
    engine = open_engine(detector(boxes, scores.tolist(), FINE), "detector", CPU)
    settings = replace(SETTINGS, locator_margin=0.0, min_area=0.001, min_relative_area=0.0)
    animals = locate_animals(photo, (engine, pixels(FINE)), fine, settings)
    assert [animal.box for animal in animals] == [(80, 75, 240, 240), (400, 97, 440, 165)]
    first = animals[0]
    y0, y1, x0, x1 = 100 - 75, 200 - 75, 100 - 80, 200 - 80
    assert first.mask[y0 + 3 : y1 - 3, x0 + 3 : x1 - 3].all()
    assert first.area == pytest.approx(100 * 100 / (640 * 480), rel=0.1)


def test_where_the_locator_finds_nothing_the_animal_is_the_whole_frame_and_where_nothing_is_outlined_the_box(coarse, fine):
    (animal,) = locate_animals(drawn(), coarse, fine, SETTINGS)
    assert (animal.found, animal.box) == (False, (0, 0, 640, 480))
    grey = drawn((100, 100, 300, 300))
    grey.rgb[100:300, 100:300] = 110
    (animal,) = locate_animals(grey, coarse, fine, replace(SETTINGS, threshold=0.3))
    assert animal.found
    assert animal.mask.all()


@pytest.mark.parametrize("extra", [{"locator": "coarse"}, {"locator_score": 0.5}, {"locator_margin": 0.2}])
def test_keys_about_a_locator_go_together(extra):
    with pytest.raises(PackError, match="locator"):
        Segment("bright", 0.5, 0.5, 0.01, 0.3, 3, 0.0, **extra)


@pytest.mark.parametrize("edge", ["upper", "lower"])
@pytest.mark.parametrize("colour", [0, 255])
def test_a_strip_with_a_sign_and_text_at_an_edge_is_a_banner_and_what_lies_in_it_no_animal(fine, samples, edge, colour):
    photo = read_photo(samples / "photos" / "trail_1.jpg")
    rgb = photo.rgb.copy()
    strip = rgb[-24:] if edge == "lower" else rgb[:24]
    strip[:] = colour
    strip[:, 10:60] = (230, 120, 20)  # the maker's sign
    cv2.putText(strip, "07-07-2014 20:14:03", (350, 18), cv2.FONT_HERSHEY_PLAIN, 1.1, (255 - colour,) * 3)
    _, encoded = cv2.imencode(".jpg", rgb, [cv2.IMWRITE_JPEG_QUALITY, 80])
    rgb = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
    banner = find_banner(rgb, 0.1)
    assert banner is not None
    assert (banner.top if edge == "upper" else banner.bottom) == pytest.approx(24 / 480, abs=0.01)
    assert (banner.bottom if edge == "upper" else banner.top) == 0
    assert find_banner(photo.rgb, 0.1) is None


def test_a_bright_sign_in_a_banner_does_not_hide_the_animal(fine):
    photo = drawn((0, 450, 640, 480), (0, 430, 60, 480), (200, 200, 320, 300))
    settings = replace(SETTINGS, banner=0.1)
    (region,) = find_regions(photo, *fine, settings)
    assert region.box[1] * 480 / FINE == pytest.approx(200, abs=8)
    assert len(find_regions(photo, *fine, replace(settings, banner=0.0))) == 2
    assert find_regions(drawn((0, 450, 640, 480)), *fine, settings) == []


def test_night_snow_and_sky_that_go_on_are_no_banner():
    assert find_banner(drawn().rgb, 0.1) is None
    assert find_banner(drawn((0, 0, 640, 300)).rgb, 0.1) is None


def test_the_banner_of_a_real_camera_is_found(shared):
    banner = find_banner(read_photo(shared / "data/camera_trap/peru/SDZG-1_EK000049.JPG").rgb, 0.1)
    assert banner is not None
    assert 0.02 < banner.bottom < 0.08
    assert banner.top == 0
