"""``auto`` waits for no engine to be built; who asks for TensorRT gets engines that are kept.

No GPU is here: the driver's word on it and the finding of TensorRT are given, all else is what runs.
"""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner

from reid_edge.cli.doctor import doctor
from reid_edge.engines import Device, select_device, selection, tensorrt_engine
from reid_edge.engines.contract import DeviceAbsentError, TensorSpec
from reid_edge.engines.engine_cache import EngineCache, key_of
from reid_edge.engines.gpu import Gpu
from reid_edge.engines.networks import Networks, network_files
from reid_edge.engines.provider_options import TENSORRT_PROVIDER, has_built, providers, tensorrt_options
from reid_edge.engines.selection import find_device, is_ready
from reid_edge.engines.tensorrt_build import BuiltEngine
from reid_edge.errors import StorageError
from reid_edge.recipe import parse_recipe

GPU = Gpu(0, "Orin", "8.7", "540.4.0 CUDA 12.6", 12)
CPU = Device("cpu", "CPUExecutionProvider", 0, 1)
NATIVE, THROUGH_ONNX_RUNTIME = Device("tensorrt", "TensorRT", 0, 1), Device("tensorrt", TENSORRT_PROVIDER, 0, 1)


@pytest.fixture
def recipe(field_pack):
    return parse_recipe(field_pack.recipe, field_pack.manifest)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("REID_EDGE_ENGINES", str(tmp_path / "engines"))
    return tmp_path / "engines"


@pytest.fixture
def machine(monkeypatch, library):
    """machine(*devices): a machine that has these and whose self-tests pass; records which were tested."""
    tested = []

    def made(*devices: Device) -> list[Device]:
        monkeypatch.setattr(selection, "available_devices", lambda threads=None: list(devices))
        monkeypatch.setattr(selection, "self_test", lambda device, probe: tested.append(device))
        for module in (selection, tensorrt_engine):
            monkeypatch.setattr(module, "find_gpu", lambda index: GPU)
        monkeypatch.setattr(tensorrt_engine, "load_library", lambda name: library)
        return tested

    return made


def build(library, files) -> None:
    """What `build-engines` leaves in the folder, with bytes that are no engine."""
    tensor = (TensorSpec("x", "float32", ("batch", 8, 8)),)
    for model, ranges in files:
        key = key_of(model, library, ranges, GPU.compute_capability, GPU.name, GPU.driver)
        EngineCache().obtain(key, "network", lambda timing: BuiltEngine(b"engine", tensor, tensor, b"", 1.0))


def test_auto_never_takes_tensorrt_through_onnx_runtime_even_where_it_has_built(machine, tiny):
    tested = machine(THROUGH_ONNX_RUNTIME, CPU)
    (Path(tensorrt_options(tiny, GPU)["trt_engine_cache_path"]) / "part_0.engine").write_bytes(b"engine")
    assert is_ready(THROUGH_ONNX_RUNTIME, tiny, [])
    assert select_device("auto", tiny) == CPU
    assert tested == []


def test_auto_takes_tensorrt_only_when_the_engine_of_every_network_of_the_recipe_is_built(machine, library, field_pack, recipe):
    tested = machine(NATIVE, CPU)
    files = list(network_files(field_pack, recipe))
    assert len(files) == 4
    for built in range(len(files) + 1):
        build(library, files[:built])
        assert Networks(field_pack, recipe, "auto").device == (NATIVE if built == len(files) else CPU)
    assert tested == [NATIVE]


def test_the_networks_are_not_read_where_nothing_would_have_to_be_built(machine, tiny):
    def files():
        raise AssertionError
        yield

    machine(CPU)
    assert select_device("auto", tiny, networks=files) == CPU
    assert is_ready(CPU, tiny, files())


def test_who_asks_for_tensorrt_gets_it_before_anything_is_built(machine, tiny):
    tested = machine(NATIVE, CPU)
    assert not is_ready(NATIVE, tiny, [])
    assert select_device("tensorrt", tiny) == NATIVE
    assert tested == [NATIVE]


def test_a_device_that_is_not_here_has_an_error_of_its_own(monkeypatch):
    monkeypatch.setattr(selection, "available_devices", lambda threads=None: [CPU])
    with pytest.raises(DeviceAbsentError, match="The device tensorrt was asked for"):
        find_device("tensorrt")


def test_onnx_runtime_keeps_engines_and_times_in_the_folder_of_engines(folder, tiny):
    options = tensorrt_options(tiny, GPU)
    assert options["trt_engine_cache_enable"] == options["trt_timing_cache_enable"] == "True"
    for option in ("trt_engine_cache_path", "trt_timing_cache_path"):
        assert options[option].startswith(f"{folder}/onnxruntime/")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert len(list((folder / "onnxruntime").iterdir())) == 2


def test_engines_of_other_weights_or_another_gpu_or_driver_lie_in_another_folder_and_times_of_the_same_gpu_in_one(tiny, network):
    others = [(network("Tanh"), GPU), (tiny, Gpu(0, "Thor", "11.0", GPU.driver, 12)), (tiny, Gpu(0, "Orin", "8.7", "580", 12))]
    made = [tensorrt_options(*one) for one in ((tiny, GPU), *others)]
    assert len({options["trt_engine_cache_path"] for options in made}) == 4
    assert len({options["trt_timing_cache_path"] for options in made}) == 3
    assert made[0]["trt_timing_cache_path"] == made[1]["trt_timing_cache_path"]
    assert not has_built(tiny, GPU)


def test_a_folder_that_cannot_be_made_is_said(tiny, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("REID_EDGE_ENGINES", str(tmp_path / "file"))
    with pytest.raises(StorageError, match="Could not keep engines"):
        tensorrt_options(tiny, GPU)


def test_float32_stays_float32_on_cuda(tiny):
    assert providers("CUDAExecutionProvider", 1, tiny) == [
        ("CUDAExecutionProvider", {"device_id": "1", "use_tf32": "0"}),
        ("CPUExecutionProvider", {}),
    ]
    assert providers("CPUExecutionProvider", 0, tiny) == [("CPUExecutionProvider", {})]


def test_doctor_says_that_an_engine_is_not_built_and_builds_none(machine, folder):
    tested = machine(NATIVE, CPU)
    done = CliRunner().invoke(doctor, ["--json"], standalone_mode=False)
    said = {device["name"]: device for device in json.loads(done.stdout)["devices"]}
    assert said["tensorrt"] == {
        "name": "tensorrt",
        "ok": False,
        "says": "TensorRT, engine not built yet",
        "hint": "Run: reid-edge pack build-engines field",
    }
    assert not folder.exists()
    assert [device.name for device in tested] == ["cpu"]


def test_doctor_tests_a_built_engine_once(machine, library, field_pack, recipe):
    tested = machine(NATIVE, CPU)
    build(library, network_files(field_pack, recipe))
    done = CliRunner().invoke(doctor, ["--json"], standalone_mode=False)
    said = {device["name"]: device for device in json.loads(done.stdout)["devices"]}
    assert (said["tensorrt"]["ok"], said["tensorrt"]["says"]) == (True, "TensorRT, self-test passed")
    assert [device.name for device in tested] == ["tensorrt", "cpu"]


def test_doctor_says_how_onnx_runtimes_engine_gets_built(machine):
    machine(THROUGH_ONNX_RUNTIME, CPU)
    done = CliRunner().invoke(doctor, ["--json"], standalone_mode=False)
    said = {device["name"]: device for device in json.loads(done.stdout)["devices"]}
    assert said["tensorrt"]["says"] == "TensorrtExecutionProvider, engine not built yet"
    assert "The first --device tensorrt builds it" in said["tensorrt"]["hint"]
