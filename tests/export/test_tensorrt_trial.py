"""The table of TensorRT builds: what was built, what was refused and why. Made with TensorRT-RTX, without a GPU."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time

import numpy as np
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper, numpy_helper

from reid_edge.errors import UsageError
from reid_edge_export.tensorrt_table import build, main

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


def test_a_row_says_how_long_and_how_large_and_a_refusal_why(tmp_path):
    write_network(tmp_path / "a.onnx", "Relu", network="tiny", precision="fp16", weights="trained")
    write_network(tmp_path / "b.onnx", "Det")
    write_network(tmp_path / "c.onnx", "Abs", network="tiny", precision="fp16", weights="trained")
    done = CliRunner().invoke(main, [str(tmp_path), "--for", "SM86"])
    assert done.exit_code == 1
    built, _ = (line for line in done.stdout.splitlines() if line.startswith("| tiny"))
    network, precision, weights, cell = built.strip("| ").split(" | ")
    assert (network, precision, weights) == ("tiny", "fp16", "trained")
    seconds, size = cell.split(", ")
    assert float(seconds.removesuffix(" s")) >= 0
    assert float(size.removesuffix(" MB")) >= 0
    assert "| b | ? | ? | refused |" in done.stdout
    assert "- b ?, SM86: " in done.stdout
    assert "Det last" in done.stdout
    assert "tensorrt_rtx" in done.stdout


def test_nothing_refused_is_said_and_is_exit_code_0(tmp_path):
    path = write_network(tmp_path / "a.onnx", "Relu")
    done = CliRunner().invoke(main, [str(path), "--for", "SM86,SM120"])
    assert done.exit_code == 0
    assert "| network | precision | weights | SM86 | SM120 |" in done.stdout
    assert done.stdout.endswith("Nothing was refused.\n")


def test_a_build_that_dies_is_a_line_and_not_the_end(tmp_path):
    path = write_network(tmp_path / "a.onnx", "Relu")

    def kill() -> None:
        while not (children := multiprocessing.active_children()):
            time.sleep(0.001)
        os.kill(children[0].pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    made = build(path, "SM86")
    killer.join()
    assert (made.size, made.refused) == (0, "its process died with exit code -9")


def test_a_folder_without_networks_is_a_mistake_of_the_caller(tmp_path):
    assert isinstance(CliRunner().invoke(main, [str(tmp_path)]).exception, UsageError)
