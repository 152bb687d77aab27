"""The reference's evaluator of trained graphs gathers as ONNX specifies, however many values there are to choose from."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("onnx")

from onnx import TensorProto, helper

from reid_edge_benchmarks.parity.graphs import graph_evaluator


@pytest.mark.parametrize("columns", [5, 40, 3000])
@pytest.mark.parametrize("rows", [1, 3])
def test_every_row_is_gathered_by_its_own_indices(rows: int, columns: int) -> None:
    rng = np.random.default_rng(columns)
    data = rng.normal(size=(rows, columns)).astype(np.float32)
    index = rng.integers(columns, size=(rows, 35))
    node = helper.make_node("GatherElements", ["data", "index"], ["out"], axis=1)
    graph = helper.make_graph(
        [node],
        "gather",
        [
            helper.make_tensor_value_info("data", TensorProto.FLOAT, ["n", columns]),
            helper.make_tensor_value_info("index", TensorProto.INT64, ["n", 35]),
        ],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, ["n", 35])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    (found,) = graph_evaluator(model).run(["out"], {"data": data, "index": index})
    expected = np.array([[data[row, column] for column in index[row]] for row in range(rows)])
    assert found.dtype == np.float32
    assert np.array_equal(found, expected)
