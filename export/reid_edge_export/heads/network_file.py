"""A trained head as an ONNX file: plain operators, the weights inside, the same bytes for the same head."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any, Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

import reid_edge
from reid_edge_export.catalogue import OPSET
from reid_edge_export.graph import check_operators, write_metadata

_IR_VERSION = 8
ENDS = {"head": ("features", "probabilities"), "projection": ("vector", "embedding")}
"""By task: the names of input and output."""


def network_file(
    name: str,
    task: Literal["head", "projection"],
    nodes: Sequence[NodeProto],
    constants: Mapping[str, NDArray[Any]],
    widths: tuple[int, int],
    parameters: Mapping[str, Any],
    licence: str,
) -> bytes:
    """The bytes of an ONNX file with one input float32 [batch, F] and one output float32 [batch, C].

    Args:
        name: of the network.
        task: whose names input and output bear.
        nodes, constants: the graph.
        widths: F and C.
        parameters: as in the pack's manifest.
        licence: of the file, SPDX.

    Raises:
        EngineError: the graph holds an operator that some engine refuses.
    """
    given, answer = (
        helper.make_tensor_value_info(end, TensorProto.FLOAT, ["batch", width])
        for end, width in zip(ENDS[task], widths, strict=True)
    )
    initializers = [numpy_helper.from_array(np.ascontiguousarray(value), key) for key, value in sorted(constants.items())]
    model = helper.make_model(
        helper.make_graph(list(nodes), name, [given], [answer], initializers),
        producer_name="reid-edge",
        ir_version=_IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET)],
    )
    facts = {
        "exporter": json.dumps({"onnx": version("onnx"), "reid-edge": reid_edge.__version__}),
        "licence": licence,
        "network": name,
        "outputs": json.dumps([ENDS[task][1]]),
        "parameters": json.dumps(dict(parameters), sort_keys=True),
        "precision": "fp32",
        "storage": "fp32",
        "task": task,
        "weights": "trained",
    }
    write_metadata(model, facts)
    check_operators(model, name)
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))


def run_network(content: bytes, task: Literal["head", "projection"], rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """What ONNX Runtime answers, row by row as the runtime asks: float32 [N, F] to float32 [N, C]."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    given, answer = ENDS[task]
    return np.concatenate([session.run([answer], {given: row[None]})[0] for row in rows])
