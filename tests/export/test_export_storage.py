from __future__ import annotations

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

import onnxruntime  # noqa: E402

from reid_edge_export.storage import store_as_float16  # noqa: E402


def model_of(weight: np.ndarray) -> onnx.ModelProto:
    """y = x @ weight + bias, opset 18."""
    width, outputs = weight.shape
    bias = np.linspace(-1, 1, outputs).astype(np.float32)
    nodes = [onnx.helper.make_node("MatMul", ["x", "weight"], ["xw"]), onnx.helper.make_node("Add", ["xw", "bias"], ["y"])]
    values = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [None, size])
        for name, size in (("x", width), ("y", outputs))
    ]
    constants = [onnx.numpy_helper.from_array(weight, "weight"), onnx.numpy_helper.from_array(bias, "bias")]
    graph = onnx.helper.make_graph(nodes, "linear", values[:1], values[1:], constants)
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=8)


def run(model: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


def test_large_weights_take_half_the_bytes_and_compute_in_float32() -> None:
    weight = np.random.default_rng(0).standard_normal((64, 64)).astype(np.float32)
    x = np.random.default_rng(1).standard_normal((5, 64)).astype(np.float32)
    model = model_of(weight)
    before = model.ByteSize()
    assert store_as_float16(model) == 1
    onnx.checker.check_model(model, full_check=True)
    assert model.ByteSize() < 0.6 * before
    rounded = run(model_of(weight.astype(np.float16).astype(np.float32)), x)
    np.testing.assert_array_equal(run(model, x), rounded)


def test_small_weights_stay_as_they_are() -> None:
    assert store_as_float16(model_of(np.ones((32, 32), np.float32))) == 0


def test_a_weight_beyond_the_range_of_float16_stays_as_it_is() -> None:
    weight = np.ones((64, 64), np.float32)
    weight[3, 4] = 1e5
    model = model_of(weight)
    assert store_as_float16(model) == 0
    assert run(model, np.eye(64, dtype=np.float32))[3, 4] > 9e4


def test_a_sensitive_weight_stays_as_it_is() -> None:
    assert store_as_float16(model_of(np.ones((64, 64), np.float32)), sensitive=("wei",)) == 0
