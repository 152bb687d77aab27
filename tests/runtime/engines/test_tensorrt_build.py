"""The bundled networks become engines; what TensorRT refuses is named. Built with TensorRT-RTX, which needs no GPU."""

from __future__ import annotations

import importlib.util

import onnxruntime
import pytest

from reid_edge.engines.onnx_runtime import OnnxRuntimeEngine
from reid_edge.engines.profiles import SizeRange
from reid_edge.engines.tensorrt_ahead import parse_targets, target_of
from reid_edge.engines.tensorrt_build import _use_timing_cache, build_engine, load_library
from reid_edge.errors import EngineError, UsageError

ONE = {"batch": SizeRange(1, 1, 1)}


def nothing(done: float) -> None:
    pass


# Measured on two cores: u2netp 0.9 s, xfeat 0.6 s, lighterglue 3.2 s.
@pytest.mark.parametrize("name", ["u2netp", "xfeat", "lighterglue"])
def test_a_bundled_network_is_built_with_the_inputs_and_outputs_that_onnx_runtime_sees(engines, models, name):
    made = engines[name]
    assert made.fresh
    assert len(made.content) > len(models[name])  # half-precision weights are held in single precision
    reference = OnnxRuntimeEngine(models[name], name, [("CPUExecutionProvider", {})], "cpu", 1)
    assert made.inputs == reference.inputs
    assert [(spec.name, spec.dtype, len(spec.shape)) for spec in made.outputs] == [
        (spec.name, spec.dtype, len(spec.shape)) for spec in reference.outputs
    ]


def test_progress_goes_from_nothing_to_all(library, tiny):
    seen: list[float] = []
    build_engine(tiny, "tiny", library, ONE, seen.append, target="SM86")
    assert seen == sorted(seen)
    assert 0 < seen[0] < 0.5
    assert seen[-1] == 1
    assert len(seen) > 10


def test_an_operator_that_tensorrt_does_not_know_is_named_with_its_node(library, network):
    model = network("Det")
    onnxruntime.InferenceSession(model)  # nothing is wrong with the graph itself
    with pytest.raises(EngineError, match="refuses the network tiny: Det last: ") as refused:
        build_engine(model, "tiny", library, ONE, nothing, target="SM86")
    assert refused.value.exit_code == 3


def test_bytes_that_are_no_network_are_refused(library):
    with pytest.raises(EngineError, match="refuses the network broken"):
        build_engine(b"no network", "broken", library, ONE, nothing, target="SM86")


def test_a_dynamic_axis_without_sizes_is_named(library, network):
    with pytest.raises(EngineError, match="dynamic axis 'frames'") as refused:
        build_engine(network(axis="frames"), "tiny", library, ONE, nothing, target="SM86")
    assert "batch" in refused.value.hint


def test_a_limit_of_working_space_is_one_that_the_builder_takes(library, tiny):
    assert build_engine(tiny, "tiny", library, ONE, nothing, target="SM86", workspace=1 << 26).content


def test_a_timing_cache_that_the_builder_refuses_is_replaced_by_an_empty_one():
    used = []

    class Config:
        def create_timing_cache(self, content):
            return None if content == b"broken" else content

        def set_timing_cache(self, measured, ignore_mismatch):
            assert not ignore_mismatch
            used.append(measured)
            return measured != b"of another GPU"

    for content in (b"times", b"broken", b"of another GPU"):
        _use_timing_cache(Config(), content)
    assert used == [b"times", b"", b"of another GPU", b""]


def test_the_generation_of_a_gpu_is_named_as_tensorrt_rtx_does_and_one_that_it_does_not_know_is_refused(library):
    assert target_of(library, "8.6") == "SM86"
    assert target_of(library, "12.0") == "SM120"
    with pytest.raises(EngineError, match=r"does not build for GPUs of compute capability 8\.7"):
        target_of(library, "8.7")


def test_ctrl_c_stops_the_builder_and_is_passed_on(library, models, ranges):
    def interrupt(done: float) -> None:
        if done > 0.2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_engine(models["xfeat"], "xfeat", library, ranges["xfeat"], interrupt, target="SM86")


def test_targets_are_read_in_any_case_and_once(library):
    assert parse_targets("sm86, SM120,SM86", library) == ["SM86", "SM120"]


@pytest.mark.parametrize("text", ["SM87", "8.6", "", "SM86,", "CURRENT"])
def test_a_generation_that_cannot_be_built_for_is_refused_with_those_that_can(library, text):
    with pytest.raises(UsageError, match="cannot build for") as refused:
        parse_targets(text, library)
    assert "SM86" in refused.value.hint


@pytest.mark.skipif(importlib.util.find_spec("tensorrt") is not None, reason="TensorRT is installed here")
def test_without_the_package_the_error_says_what_to_install():
    with pytest.raises(EngineError, match="tensorrt cannot be imported") as refused:
        load_library("tensorrt")
    assert "pip install '.[tensorrt]'" in refused.value.hint
