"""What TensorRT-RTX makes of a file, without a GPU: built, or refused and why."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from reid_edge_export.tensorrt_trial import build

pytest.importorskip("tensorrt_rtx", reason="engines are built with TensorRT-RTX: pip install 'reid-edge[tensorrt-rtx]'")


def write_network(path, operator: str, **facts: str):
    """y = operator(w @ x) over [batch, 8, 8]."""
    weights = numpy_helper.from_array(np.eye(8, dtype=np.float32)[None], "w")
    nodes = [helper.make_node("MatMul", ["w", "x"], ["wx"]), helper.make_node(operator, ["wx"], ["y"], name="last")]
    shape = ["batch"] if operator == "Det" else ["batch", 8, 8]
    values = [helper.make_tensor_value_info(*value) for value in (("x", TensorProto.FLOAT, ["batch", 8, 8]),)]
    graph = helper.make_graph(nodes, "tiny", values, [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)], [weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    helper.set_model_props(model, facts)
    path.write_bytes(model.SerializeToString())
    return path


def test_a_build_says_how_long_it_took_and_how_large_the_engine_is(tmp_path):
    made = build(write_network(tmp_path / "a.onnx", "Relu"), "SM86")
    assert made.refused == ""
    assert made.seconds >= 0
    assert made.size > 0


def test_a_refusal_says_which_node_and_why(tmp_path):
    made = build(write_network(tmp_path / "a.onnx", "Det"), "SM86")
    assert made.size == 0
    assert "Det last" in made.refused


def test_a_build_that_dies_is_a_line_and_not_the_end(tmp_path):
    path = write_network(tmp_path / "a.onnx", "Relu")

    def kill() -> None:
        deadline = time.monotonic() + 60
        while not (children := multiprocessing.active_children()) and time.monotonic() < deadline:
            time.sleep(0.001)
        os.kill(children[0].pid, signal.SIGKILL)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    made = build(path, "SM86")
    killer.join()
    assert (made.size, made.refused) == (0, "its process died with exit code -9")
