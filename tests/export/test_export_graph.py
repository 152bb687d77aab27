from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest

from reid_edge.errors import EngineError
from reid_edge_export.catalogue import CATALOGUE, network_named

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

from reid_edge_export import graph  # noqa: E402

# A matcher of one layer: every kind of layer of the real one, traced in seconds.
TRACE = """
import hashlib, torch
from dataclasses import replace
from reid_edge_export import graph
from reid_edge_export.catalogue import network_named
from reid_edge_export.networks import lightglue
network = replace(network_named("lighterglue"), layout={"layers": 1, "width": 32, "heads": 2, "descriptor": 64, "position": 2})
torch.manual_seed(0)
model = graph.trace(lightglue.build(**network.layout).eval(), network, {})
graph.write_metadata(model, {"weights": "random", "network": "lighterglue"})
"""


@pytest.fixture(scope="module")
def traced() -> onnx.ModelProto:
    names: dict[str, object] = {}
    exec(TRACE, names)  # the very text that the other process runs
    return names["model"]


def test_the_same_network_gives_the_same_bytes_in_another_process(traced: onnx.ModelProto) -> None:
    code = TRACE + "print(hashlib.sha256(model.SerializeToString(deterministic=True)).hexdigest())"
    environment = {**os.environ, "PYTHONHASHSEED": "77"}
    printed = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True).stdout
    assert printed.split()[-1] == hashlib.sha256(traced.SerializeToString(deterministic=True)).hexdigest()


def test_a_graph_has_the_inputs_outputs_and_dynamic_axes_of_the_catalogue(traced: onnx.ModelProto) -> None:
    network = network_named("lighterglue")
    for values, specs in ((traced.graph.input, network.inputs), (traced.graph.output, network.outputs)):
        found = [(value.name, tuple(d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim)) for value in values]
        assert found == [(spec.name, spec.shape) for spec in specs]
    assert [(entry.domain, entry.version) for entry in traced.opset_import] == [("", 18)]


def test_a_graph_carries_its_facts_and_no_trace_of_the_machine(traced: onnx.ModelProto) -> None:
    assert {entry.key: entry.value for entry in traced.metadata_props} == {"network": "lighterglue", "weights": "random"}
    assert b".py" not in traced.SerializeToString()


@pytest.mark.parametrize(
    ("node", "named"),
    [
        (onnx.helper.make_node("NonZero", ["x"], ["y"]), "NonZero"),
        (onnx.helper.make_node("NonMaxSuppression", ["x", "x"], ["y"]), "NonMaxSuppression"),
        (onnx.helper.make_node("Gelu", ["x"], ["y"], domain="com.microsoft"), "com.microsoft.Gelu"),
    ],
)
def test_an_operator_that_some_engine_refuses_is_named(node: onnx.NodeProto, named: str) -> None:
    model = onnx.helper.make_model(onnx.helper.make_graph([node], "odd", [], []))
    with pytest.raises(EngineError, match=named):
        graph.check_operators(model, "odd")


def test_weights_outside_the_file_are_refused() -> None:
    tensor = onnx.numpy_helper.from_array(np.ones(4, np.float32), "w")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    model = onnx.helper.make_model(onnx.helper.make_graph([], "odd", [], [], [tensor]))
    with pytest.raises(EngineError, match="outside the ONNX file"):
        graph.check_operators(model, "odd")


def test_the_dynamic_axes_of_the_catalogue_all_have_a_size_to_trace_with() -> None:
    axes = {size for network in CATALOGUE.values() for spec in network.inputs for size in spec.shape if isinstance(size, str)}
    assert {axis for axis in axes if not axis.startswith("@")} == graph.TRACED_SIZES.keys()
