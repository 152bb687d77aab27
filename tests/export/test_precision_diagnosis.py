from __future__ import annotations

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from reid_edge_export.precision.diagnosis import blame  # noqa: E402

X = np.linspace(0.5, 1, 8, dtype=np.float32)[None]


def chain(factors: list[float], element: int) -> onnx.ModelProto:
    """y = x * factors[0] * factors[1] ..., computed in this type between float32 inputs and outputs."""
    dtype = helper.tensor_dtype_to_np_dtype(element)
    nodes = [helper.make_node("Cast", ["x"], ["v0"], name="Cast_in", to=element)]
    constants = []
    for index, factor in enumerate(factors):
        with np.errstate(over="ignore"):  # what lies beyond float16 becomes infinite, as in a conversion
            constants.append(numpy_helper.from_array(np.array([factor], np.float32).astype(dtype), f"factor{index}"))
        nodes.append(helper.make_node("Mul", [f"v{index}", f"factor{index}"], [f"v{index + 1}"], name=f"Mul_{index}"))
    nodes.append(helper.make_node("Cast", [f"v{len(factors)}"], ["y"], name="Cast_out", to=TensorProto.FLOAT))
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 8]) for name in ("x", "y")]
    graph = helper.make_graph(nodes, "chain", values[:1], values[1:], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def test_the_first_node_that_overflows_float16_is_named_with_how_far_it_reaches() -> None:
    factors = [2.0, 6e4, 1e-3, 6e4, 1e-3]
    told = blame(chain(factors, TensorProto.FLOAT), chain(factors, TensorProto.FLOAT16), {"x": X})
    assert told == "Mul_1 (of factor1) overflows: in fp32 its output reaches 1.2e+05"


def test_without_an_overflow_the_node_is_named_at_which_the_error_grows_most() -> None:
    exact, wrong = [2.0, 3.0, 0.5, 1.5], [2.0, 3.0, 0.75, 1.5]
    told = blame(chain(exact, TensorProto.FLOAT), chain(wrong, TensorProto.FLOAT), {"x": X})
    assert told == "the error grows most at Mul_2 (of factor2), to 0.5 of its output"


def test_equal_graphs_have_nothing_to_blame() -> None:
    assert blame(chain([2.0], TensorProto.FLOAT), chain([2.0], TensorProto.FLOAT), {"x": X}) == ""
