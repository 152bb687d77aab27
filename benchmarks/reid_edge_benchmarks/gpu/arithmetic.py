"""How far a matcher is from the arithmetic limit of its device: what a pair takes, and what large matrix products reach there."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from reid_edge.engines.contract import Engine

_RUNS = 5


def lightglue_operations(points: int, layers: int, width: int) -> float:
    """Floating-point operations of one pair with `points` keypoints in each image, two for each multiplication and addition.

    A layer has a self-attention and a cross-attention on each image: projections (3 and 2 of width x width), products of queries with
    keys and of weights with values (points x points x width each), and a feed-forward block of 2 width x 2 width and 2 width x width.
    The projection of descriptors, the last similarity and all that grows with points x width alone are left out.
    """
    projections = 2 * points * width**2 * (3 + 2)
    attention = 2 * 2 * (2 * points**2 * width)
    feed_forward = 2 * (2 * points * (4 + 2) * width**2)
    return float(2 * layers * (projections + attention + feed_forward))


def matrix_product(side: int, dtype: str) -> bytes:
    """An ONNX file with one product of two matrices, both `side` x `side`: input ``x``, output ``y``. The other is a constant."""
    from onnx import TensorProto, helper, numpy_helper

    kind = TensorProto.FLOAT if dtype == "float32" else TensorProto.FLOAT16
    factor = np.random.default_rng(0).normal(size=(side, side)).astype(dtype) / np.asarray(side**0.5, dtype)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "product",
        [helper.make_tensor_value_info("x", kind, [side, side])],
        [helper.make_tensor_value_info("y", kind, [side, side])],
        [numpy_helper.from_array(np.asarray(factor, dtype), "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8).SerializeToString()


def operations_a_second(open_engine: Callable[[bytes], Engine], side: int, dtype: str) -> float:
    """What a device reaches in one large product, its input and output copied as those of a network are.

    Raises:
        EngineError: the product cannot be run there.
    """
    engine = open_engine(matrix_product(side, dtype))
    inputs = {"x": np.ones((side, side), dtype)}
    engine.run(inputs)
    begin = time.perf_counter()
    for _ in range(_RUNS):
        engine.run(inputs)
    return _RUNS * 2.0 * side**3 / (time.perf_counter() - begin)
