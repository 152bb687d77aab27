"""A network that is prompted with a box gets the middle of the photo, whatever part of its input the photo fills."""

from __future__ import annotations

import numpy as np
import onnx.parser
import pytest

from reid_edge.describe.segmentation import find_animals
from reid_edge.engines import Device, open_engine
from reid_edge.pack.manifest import Preprocessing
from reid_edge.photo import Photo
from reid_edge.recipe import Segment

SIZE = 96
LETTERBOX = Preprocessing("letterbox", SIZE, SIZE, "rgb", 1 / 255, (0.0,), (1.0,), "linear")
SETTINGS = Segment("inside", 0.5, min_contrast=0.5, min_area=0.01, min_relative_area=0.3, max_animals=3, margin=0.0)


@pytest.fixture(scope="module")
def inside():
    """A network whose saliency is 1 inside the box of its prompt: cells are numbered along x and y and held against the corners."""
    text = f"""<ir_version: 8, opset_import: ["" : 18]>
    inside (float[1, 3, {SIZE}, {SIZE}] image, float[1, 4] box) => (float[1, 1, {SIZE}, {SIZE}] saliency)
    <float start = {{0.5}}, float end = {{{SIZE}.5}}, float step = {{1.0}},
     int64[4] wide = {{1, 1, 1, -1}}, int64[4] tall = {{1, 1, -1, 1}}>
    {{
        along = Range (start, end, step)
        columns = Reshape (along, wide)
        rows = Reshape (along, tall)
        x0, y0, x1, y1 = Split <axis = 1, num_outputs = 4> (box)
        right = Greater (columns, x0)
        left = Less (columns, x1)
        below = Greater (rows, y0)
        above = Less (rows, y1)
        across = And (left, right)
        down = And (above, below)
        both = And (across, down)
        saliency = Cast <to = 1> (both)
    }}"""
    model = onnx.parser.parse_model(text)
    onnx.checker.check_model(model)
    return open_engine(model.SerializeToString(), "inside", Device("cpu", "CPUExecutionProvider", 0, 1))


@pytest.mark.parametrize(("width", "height"), [(960, 480), (480, 960), (500, 500), (640, 427)])
def test_the_box_covers_nine_tenths_of_the_photo_on_both_sides(inside, width, height):
    photo = Photo(np.zeros((height, width, 3), np.uint8), "0" * 64, "drawn.png")
    (animal,) = find_animals(photo, inside, LETTERBOX, SETTINGS)
    assert animal.found
    cell = max(width, height) / SIZE
    np.testing.assert_allclose(animal.box, (0.05 * width, 0.05 * height, 0.95 * width, 0.95 * height), atol=cell / 2 + 1)
    assert animal.area == pytest.approx(0.81, abs=0.03)
