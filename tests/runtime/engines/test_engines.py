"""Engines: the device that was asked for or an error, inputs checked."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from reid_edge.engines import Device, open_engine, select_device
from reid_edge.engines.selection import DEVICE_NAMES, available_devices, self_test
from reid_edge.errors import EngineError, UsageError

CPU = Device("cpu", "CPUExecutionProvider", 0, 1)


def network(bias: float = 0.5) -> bytes:
    """y = mean(x) + bias over [n, 3, 8, w]."""
    constants = [numpy_helper.from_array(np.array([2, 3], np.int64), "axes"), numpy_helper.from_array(np.float32(bias), "bias")]
    nodes = [
        helper.make_node("ReduceMean", ["x", "axes"], ["mean"], keepdims=0),
        helper.make_node("Add", ["mean", "bias"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "mean",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 8, "w"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3])],
        constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10).SerializeToString()


@pytest.fixture(scope="module")
def engine():
    return open_engine(network(), "mean", CPU)


def test_an_engine_tells_its_inputs_and_outputs_and_runs(engine):
    (x,), (y,) = engine.inputs, engine.outputs
    assert (x.name, x.dtype, x.shape) == ("x", "float32", ("n", 3, 8, "w"))
    assert (y.name, y.dtype, y.shape) == ("y", "float32", ("n", 3))
    made = engine.run({"x": np.full((2, 3, 8, 5), 0.25, np.float32)})
    assert np.allclose(made["y"], 0.75)
    assert made["y"].shape == (2, 3)
    engine.warm_up()


def test_provenance_names_library_provider_and_threads(engine):
    import onnxruntime

    said = engine.provenance.describe()
    assert said == f"onnxruntime {onnxruntime.__version__}, CPUExecutionProvider, 1 thread"


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "takes the inputs"),
        ({"x": np.zeros((1, 3, 8, 5), np.float32), "z": np.zeros(1, np.float32)}, "takes the inputs"),
        ({"x": np.zeros((1, 3, 8, 5), np.float64)}, "not float64"),
        ({"x": np.zeros((1, 4, 8, 5), np.float32)}, r"not float32 \[1, 4, 8, 5\]"),
        ({"x": np.zeros((3, 8, 5), np.float32)}, r"not float32 \[3, 8, 5\]"),
    ],
    ids=["none", "another", "dtype", "size", "rank"],
)
def test_an_input_that_does_not_fit_is_refused_by_name(engine, inputs, message):
    with pytest.raises(EngineError, match=message) as refused:
        engine.run(inputs)
    assert "mean" in refused.value.message


def test_bytes_that_are_no_network_are_refused():
    with pytest.raises(EngineError, match="cannot load the network broken"):
        open_engine(b"no network", "broken", CPU)


def test_auto_takes_the_best_device_that_is_there_and_passes_its_test():
    device = select_device("auto", network(), threads=1)
    assert device in available_devices(1)
    open_engine(network(), "mean", device)


@pytest.mark.parametrize("name", ["cuda", "cuda:1", "tensorrt", "openvino"])
def test_a_device_that_was_asked_for_and_is_missing_is_an_error_with_what_to_install(name):
    if name.split(":")[0] in {device.name for device in available_devices(1)}:
        pytest.skip(f"this machine has {name}")
    with pytest.raises(EngineError, match=f"The device {name} was asked for") as refused:
        select_device(name, network())
    assert "pip install" in refused.value.hint
    assert refused.value.exit_code == 3


@pytest.mark.parametrize("name", ["gpu", "", "cuda:x", "cuda:", "cuda:²", "cpu:1", "auto:0", "CPU"])
def test_a_device_that_does_not_exist_is_a_mistake_of_the_caller(name):
    with pytest.raises(UsageError, match="There is no device called") as refused:
        select_device(name, network())
    for known in DEVICE_NAMES:
        assert known in refused.value.hint


def test_a_network_that_gives_no_numbers_fails_the_self_test():
    self_test(CPU, network())
    with pytest.raises(EngineError, match="NaN or infinity"):
        self_test(CPU, network(bias=float("nan")))
