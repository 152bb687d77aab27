"""Raw heads become animals: the classes that count, double boxes, masks inside their boxes, and where they lie in the photo.

The network gives drawn instances whatever the photo shows: rectangles as prototypes, each the mask of one instance.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from reid_edge.describe.segmentation import find_animals
from reid_edge.describe.segmentation.instances import OVERLAP, animal_scores, decode_masks, suppress
from reid_edge.engines import Device, open_engine
from reid_edge.pack.manifest import Preprocessing
from reid_edge.photo import Photo
from reid_edge.recipe import Segment

SIZE = 128
LETTERBOX = Preprocessing("letterbox", SIZE, SIZE, "rgb", 1 / 255, (0.0,), (1.0,), "linear")
SETTINGS = Segment("drawn", 0.5, min_contrast=0.25, min_area=0.005, min_relative_area=0.1, max_animals=5, margin=0.0)
ZEBRA, CAR = 22, 2


def network(instances: list[tuple[tuple[int, int, int, int], int, float]], classes: int = 80):
    """A network that finds these instances: box in pixels of the input, class, score. Its mask fills the box and 8 pixels more."""
    prototypes = np.full((1, 32, SIZE // 4, SIZE // 4), -9, np.float32)
    scores = np.zeros((1, len(instances), classes), np.float32)
    for index, ((x0, y0, x1, y1), kind, score) in enumerate(instances):
        prototypes[0, index, max(0, y0 // 4 - 2) : y1 // 4 + 2, max(0, x0 // 4 - 2) : x1 // 4 + 2] = 9
        scores[0, index, kind] = score
    outputs = {
        "boxes": np.array([[box for box, _, _ in instances]], np.float32).reshape(1, -1, 4),
        "scores": scores,
        "coefficients": np.eye(32, dtype=np.float32)[None, : len(instances)],
        "prototypes": prototypes,
    }
    graph = helper.make_graph(
        [helper.make_node("Identity", [f"{name}.drawn"], [name]) for name in outputs],
        "drawn",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, SIZE, SIZE])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, array.shape) for name, array in outputs.items()],
        [numpy_helper.from_array(array, f"{name}.drawn") for name, array in outputs.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    return open_engine(model.SerializeToString(), "drawn", Device("cpu", "CPUExecutionProvider", 0, 1))


def photo(width: int, height: int) -> Photo:
    return Photo(np.zeros((height, width, 3), np.uint8), "0" * 64, "drawn.png")


@pytest.mark.parametrize(("width", "height"), [(1280, 640), (640, 1280), (640, 640), (333, 250), (64, 48)])
def test_an_instance_is_where_its_box_lies_in_the_letterboxed_photo(width, height):
    scale = max(width, height) / SIZE
    (animal,) = find_animals(photo(width, height), network([((16, 8, 48, 40), ZEBRA, 0.9)]), LETTERBOX, SETTINGS)
    assert animal.found
    np.testing.assert_allclose(animal.box, np.array((16, 8, 48, 40)) * scale, atol=1)
    assert animal.mask.shape == animal.crop.shape[:2]
    assert animal.mask.mean() > 0.9  # the mask is cut off at the box, and rounded at its corners
    shown = 128 * 128 * min(width, height) / max(width, height)
    assert animal.area == pytest.approx(32 * 32 / shown, rel=0.05)


def test_instances_come_largest_first_and_each_is_an_animal_of_its_own_where_they_touch():
    found = find_animals(
        photo(SIZE, SIZE),
        network([((8, 8, 40, 40), ZEBRA, 0.9), ((40, 8, 120, 88), ZEBRA, 0.5), ((8, 40, 40, 56), ZEBRA, 0.7)]),
        LETTERBOX,
        SETTINGS,
    )
    assert [animal.box for animal in found] == [(40, 8, 120, 88), (8, 8, 40, 40)]  # the third is too small beside the first
    assert [animal.index for animal in found] == [0, 1]
    most = replace(SETTINGS, min_relative_area=0.0)
    engine = network([((8, 8, 40, 40), ZEBRA, 0.9), ((40, 8, 120, 88), ZEBRA, 0.5), ((8, 40, 40, 56), ZEBRA, 0.7)])
    assert len(find_animals(photo(SIZE, SIZE), engine, LETTERBOX, most)) == 3
    assert len(find_animals(photo(SIZE, SIZE), engine, LETTERBOX, replace(most, max_animals=2))) == 2


@pytest.mark.parametrize(
    "instances",
    [
        pytest.param([], id="nothing"),
        pytest.param([((8, 8, 100, 100), ZEBRA, 0.2)], id="unsure"),
        pytest.param([((8, 8, 100, 100), CAR, 0.9)], id="a car"),
        pytest.param([((8, 100, 100, 127), ZEBRA, 0.9)], id="on the bar below the photo"),
        pytest.param([((50, 10, 50, 40), ZEBRA, 0.9)], id="a box of no width"),
    ],
)
def test_where_no_animal_is_found_it_is_the_whole_frame(instances):
    instances = instances or [((0, 0, 0, 0), ZEBRA, 0.0)]
    (animal,) = find_animals(photo(1280, 640), network(instances), LETTERBOX, SETTINGS)
    assert not animal.found
    assert animal.box == (0, 0, 1280, 640)
    assert animal.mask.all()


def test_of_cocos_classes_the_animals_count_and_of_a_fine_tuned_network_all():
    scores = np.zeros((80, 80), np.float32)
    np.fill_diagonal(scores, 1.0)
    assert np.flatnonzero(animal_scores(scores)).tolist() == list(range(14, 24))
    assert animal_scores(np.array([[0.1, 0.7], [0.4, 0.2]], np.float32)).tolist() == pytest.approx([0.7, 0.4])


corner = st.integers(0, 40)
box = st.tuples(corner, corner, st.integers(1, 40), st.integers(1, 40)).map(lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3]))


def overlap(a, b) -> float:
    wide, tall = (min(a[i + 2], b[i + 2]) - max(a[i], b[i]) for i in (0, 1))
    common = max(wide, 0) * max(tall, 0)
    return common / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common)


@settings(deadline=None)
@given(st.lists(st.tuples(box, st.floats(0, 1, width=32)), max_size=12))
def test_suppression_keeps_the_best_of_every_heap(found):
    boxes = np.array([b for b, _ in found], np.float32).reshape(-1, 4)
    scores = np.array([s for _, s in found], np.float32)
    kept = suppress(boxes, scores, 0.25).tolist()
    assert scores[kept].tolist() == sorted(scores[kept].tolist(), reverse=True)
    for row in range(len(found)):
        heap = [other for other in kept if other != row and overlap(boxes[row], boxes[other]) > OVERLAP]
        if row in kept:
            assert scores[row] >= 0.25
            assert not heap
        elif scores[row] >= 0.25:
            assert any(scores[other] >= scores[row] for other in heap)


def test_a_mask_is_the_sigmoid_of_coefficients_times_prototypes_inside_its_box():
    random = np.random.default_rng(0)
    prototypes = random.standard_normal((32, 20, 24)).astype(np.float32)
    coefficients = random.standard_normal((3, 32)).astype(np.float32)
    boxes = np.array([[2.2, 3, 10, 12], [0, 0, 24, 20], [5, 5, 5, 5]], np.float32)
    masks = decode_masks(boxes, coefficients, prototypes)
    expected = 1 / (1 + np.exp(-np.einsum("nk,kyx->nyx", coefficients.astype(np.float64), prototypes)))
    np.testing.assert_allclose(masks[1], expected[1], atol=1e-5)
    np.testing.assert_allclose(masks[0, 3:12, 2:10], expected[0, 3:12, 2:10], atol=1e-5)
    masks[0, 3:12, 2:10] = 0
    assert not masks[0].any()
    assert not masks[2].any()
