"""``auto`` waits for no engine to be built; who asks for TensorRT gets engines that are kept.

No GPU is here: the driver's word on it and the finding of TensorRT are given, all else is what runs.
"""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner
from fake_gpu import GPU, FakeCuda, FakeTensorRT

from reid_edge.cli.doctor import doctor
from reid_edge.engines import Device, select_device, selection, tensorrt_engine, tensorrt_opening
from reid_edge.engines.contract import DeviceAbsentError, TensorSpec
from reid_edge.engines.engine_cache import EngineCache, key_of
from reid_edge.engines.gpu import Gpu
from reid_edge.engines.measured import Measured
from reid_edge.engines.networks import Networks, network_files
from reid_edge.engines.onnx_runtime import OnnxRuntimeEngine
from reid_edge.engines.profiles import SizeRange, fitted, ranges_of_file
from reid_edge.engines.provider_options import TENSORRT_PROVIDER, has_built, providers, rtx_options, tensorrt_options
from reid_edge.engines.selection import find_device, is_ready, key_on, self_test
from reid_edge.engines.tensorrt_build import BuiltEngine, Library
from reid_edge.engines.tensorrt_opening import Place, open_tensorrt
from reid_edge.errors import EngineError, StorageError
from reid_edge.recipe import parse_recipe

ONE = {"batch": SizeRange(1, 1, 1)}
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
        monkeypatch.setattr(selection, "_devices_without_driver", lambda threads: [each for each in devices if each != NATIVE])
        monkeypatch.setattr(selection, "self_test", lambda device, probe, ranges=None, again=True: tested.append(device))
        for module in (selection, tensorrt_opening):
            monkeypatch.setattr(module, "find_gpu", lambda index: GPU)
        monkeypatch.setattr(tensorrt_opening, "load_library", lambda name: library)
        return tested

    return made


def build(library, files) -> None:
    """What `build-engines` leaves in the folder, with bytes that are no engine."""
    tensor = (TensorSpec("x", "float32", ("batch", 8, 8)),)
    for model, ranges in files:
        # The library of the tests is TensorRT-RTX, whose engines are for a generation of GPU and for any memory.
        key = key_of(model, library, fitted(ranges, 0), GPU.compute_capability)
        EngineCache().obtain(key, "network", lambda timing: BuiltEngine(b"engine", tensor, tensor, b"", 1.0))


def test_auto_never_takes_tensorrt_through_onnx_runtime_even_where_it_has_built(machine, tiny):
    tested = machine(THROUGH_ONNX_RUNTIME, CPU)
    (Path(tensorrt_options(tiny, GPU, ONE)["trt_engine_cache_path"]) / "part_0.engine").write_bytes(b"engine")
    assert is_ready(THROUGH_ONNX_RUNTIME, (tiny, ONE), [])
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
    def files(gpu):
        raise AssertionError
        yield

    machine(CPU)
    assert select_device("auto", tiny, networks=files) == CPU
    assert is_ready(CPU, (tiny, ONE), files(True))


def test_who_asks_for_tensorrt_gets_it_before_anything_is_built(machine, tiny):
    tested = machine(NATIVE, CPU)
    assert not is_ready(NATIVE, (tiny, ONE), [])
    assert select_device("tensorrt", tiny) == NATIVE
    assert tested == [NATIVE]


def test_a_device_that_is_not_here_has_an_error_of_its_own(monkeypatch):
    monkeypatch.setattr(selection, "available_devices", lambda threads=None: [CPU])
    with pytest.raises(DeviceAbsentError, match="The device tensorrt was asked for"):
        find_device("tensorrt")


def test_onnx_runtime_keeps_engines_and_times_in_the_folder_of_engines(folder, tiny):
    options = tensorrt_options(tiny, GPU, ONE)
    assert options["trt_engine_cache_enable"] == options["trt_timing_cache_enable"] == "True"
    for option in ("trt_engine_cache_path", "trt_timing_cache_path"):
        assert options[option].startswith(f"{folder}/onnxruntime/")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert len(list((folder / "onnxruntime").iterdir())) == 2


def test_engines_of_other_weights_or_another_gpu_or_driver_lie_in_another_folder_and_times_of_the_same_gpu_in_one(tiny, network):
    others = [(network("Tanh"), GPU), (tiny, Gpu(0, "Thor", "11.0", GPU.driver, 12)), (tiny, Gpu(0, "Orin", "8.7", "580", 12))]
    made = [tensorrt_options(*one, ONE) for one in ((tiny, GPU), *others)]
    assert len({options["trt_engine_cache_path"] for options in made}) == 4
    assert len({options["trt_timing_cache_path"] for options in made}) == 3
    assert made[0]["trt_timing_cache_path"] == made[1]["trt_timing_cache_path"]
    assert not has_built(tiny, GPU, ONE)


def test_a_folder_that_cannot_be_made_is_said(tiny, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("REID_EDGE_ENGINES", str(tmp_path / "file"))
    with pytest.raises(StorageError, match="Could not keep engines"):
        tensorrt_options(tiny, GPU, ONE)


def test_float32_stays_float32_on_cuda(tiny):
    (cuda, options), cpu = providers("CUDAExecutionProvider", 1, tiny, ONE)
    assert (cuda, cpu) == ("CUDAExecutionProvider", ("CPUExecutionProvider", {}))
    assert (options["device_id"], options["use_tf32"]) == ("1", "0")
    assert providers("CPUExecutionProvider", 0, tiny, ONE) == [("CPUExecutionProvider", {})]


def test_cuda_does_not_try_every_algorithm_for_each_new_size_of_a_photo(tiny):
    ((_, options), _) = providers("CUDAExecutionProvider", 0, tiny, ONE)
    assert options["cudnn_conv_algo_search"] == "HEURISTIC"


def test_the_engines_of_onnx_runtime_are_built_for_the_sizes_of_the_recipe_so_that_no_photo_builds_again(tiny, models, ranges):
    options = tensorrt_options(tiny, GPU, {"batch": SizeRange(1, 4, 8)})
    assert [options[f"trt_profile_{end}_shapes"] for end in ("min", "opt", "max")] == ["x:1x8x8", "x:4x8x8", "x:8x8x8"]
    of_matcher = rtx_options(models["lighterglue"], GPU, fitted(ranges["lighterglue"], GPU.memory))
    assert "keypoints0:32x512x2" in of_matcher["nv_profile_max_shapes"].split(",")
    assert not any("profile" in name for name in tensorrt_options(tiny, GPU, {}))


def test_what_onnx_runtime_prints_about_libraries_of_cuda_stays_off_the_results(tiny, capsys, monkeypatch):
    import onnxruntime

    asked = []
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: (asked.append(1), print("Failed to load libcudart")))
    providers("CUDAExecutionProvider", 0, tiny, ONE)
    assert asked == [1]
    assert capsys.readouterr().out == ""


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


def test_auto_finds_the_engine_of_a_network_of_five_crops_that_build_engines_has_made(machine, library, tiny):
    tested, five = machine(NATIVE, CPU), {"batch": SizeRange(5, 5, 5)}
    assert ranges_of_file(tiny, "tiny") != five
    build(library, [(tiny, five)])
    assert select_device("auto", tiny, None, lambda gpu: [(tiny, five)], five) == NATIVE
    assert tested == [NATIVE]
    assert select_device("auto", tiny, None, lambda gpu: [(tiny, five)], five) == NATIVE


class CountedEngines:
    """Every engine that is opened, by device; those of the GPU answer like the CPU, or `apart` from it."""

    def __init__(self, monkeypatch, apart: float = 0.0) -> None:
        self.opened, self.apart = [], apart
        monkeypatch.setattr(selection, "open_engine", self.open)
        monkeypatch.setattr(selection, "find_gpu", lambda index: GPU)

    def open(self, model, name, device, ranges=None):
        self.opened.append(device.name)
        engine = OnnxRuntimeEngine(model, name, [("CPUExecutionProvider", {})], device.name, 1)
        if device.name != "cpu" and self.apart:
            run = engine.run
            engine.run = lambda inputs: {name: value + self.apart for name, value in run(inputs).items()}
        return engine


def test_a_device_that_passed_its_self_test_is_not_tested_at_the_next_start(monkeypatch, tiny):
    engines, cuda = CountedEngines(monkeypatch), Device("cuda", "CUDAExecutionProvider", 0, 1)
    self_test(cuda, tiny, ONE, again=False)
    assert engines.opened == ["cuda", "cpu"]
    self_test(cuda, tiny, ONE, again=False)
    assert engines.opened == ["cuda", "cpu"]
    self_test(cuda, tiny, ONE)  # doctor
    assert len(engines.opened) == 4


def test_it_is_tested_again_with_another_driver_another_network_or_other_sizes(monkeypatch, tiny, network):
    engines, cuda = CountedEngines(monkeypatch), Device("cuda", "CUDAExecutionProvider", 0, 1)
    self_test(cuda, tiny, ONE, again=False)
    self_test(cuda, network("Tanh"), ONE, again=False)
    self_test(cuda, tiny, {"batch": SizeRange(5, 5, 5)}, again=False)
    monkeypatch.setattr(selection, "find_gpu", lambda index: Gpu(0, "Orin", "8.7", "580 CUDA 13.0", 13, 8 << 30, True))
    self_test(cuda, tiny, ONE, again=False)
    assert engines.opened == ["cuda", "cpu"] * 4


def test_a_device_that_answers_wrongly_is_tested_each_time(monkeypatch, tiny):
    engines, cuda = CountedEngines(monkeypatch, apart=1.0), Device("cuda", "CUDAExecutionProvider", 0, 1)
    for _ in range(2):
        with pytest.raises(EngineError, match="answers differently"):
            self_test(cuda, tiny, ONE, again=False)
    assert len(engines.opened) == 4


def test_where_the_folder_of_engines_cannot_be_written_the_device_is_tested_at_each_start(monkeypatch, tiny, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("REID_EDGE_ENGINES", str(tmp_path / "file"))
    engines, cuda = CountedEngines(monkeypatch), Device("cuda", "CUDAExecutionProvider", 0, 1)
    self_test(cuda, tiny, ONE, again=False)
    self_test(cuda, tiny, ONE, again=False)
    assert len(engines.opened) == 4


@pytest.fixture
def with_tensorrt(monkeypatch):
    """with_tensorrt(error): a GPU with TensorRT 10.3, whose engines are off by `error`; gives the list of builds."""

    def made(error: float = 0.0, builds: list | None = None) -> list:
        builds = [] if builds is None else builds
        fake = FakeCuda()
        library = Library("tensorrt", "10.3.0", FakeTensorRT(fake, error=error))

        def build_engine(model, name, library, ranges, report, *, target, timing_cache, workspace):
            builds.append((name, dict(ranges), target, workspace))
            engine = OnnxRuntimeEngine(model, name, [("CPUExecutionProvider", {})], "cpu", 1)
            return BuiltEngine(model, engine.inputs, engine.outputs, b"times", 1.0)

        monkeypatch.setattr(tensorrt_opening, "find_gpu", lambda index: GPU)
        monkeypatch.setattr(tensorrt_opening, "load_library", lambda name: library)
        monkeypatch.setattr(tensorrt_opening, "build_engine", build_engine)
        for module in (tensorrt_opening, tensorrt_engine):
            monkeypatch.setattr(module, "load_cuda", lambda: fake)
        return builds

    return made


def test_an_engine_is_built_and_compared_with_the_cpu_once(with_tensorrt, tiny, monkeypatch):
    builds, compared = with_tensorrt(), []
    compare = tensorrt_opening.compare_engines
    monkeypatch.setattr(tensorrt_opening, "compare_engines", lambda *args: (compared.append(1), compare(*args))[1])
    for _ in range(3):
        engine, _ = open_tensorrt(tiny, "tiny", Place(), ONE)
    assert engine.provenance.provider == "TensorRT on Orin"
    assert (len(builds), len(compared)) == (1, 1)


def test_the_builder_of_a_gpu_that_shares_the_machines_memory_gets_an_eighth_of_it(with_tensorrt, tiny):
    builds = with_tensorrt()
    open_tensorrt(tiny, "tiny", Place(), ONE)
    assert builds == [("tiny", ONE, "", 1 << 30)]


def test_an_engine_that_answers_wrongly_is_removed_and_built_anew(with_tensorrt, tiny):
    builds = with_tensorrt(error=1.0)
    for _ in range(2):
        with pytest.raises(EngineError, match="answers differently"):
            open_tensorrt(tiny, "tiny", Place(), ONE)
    assert len(builds) == 2
    with_tensorrt(builds=builds)
    open_tensorrt(tiny, "tiny", Place(), ONE)
    assert len(builds) == 3


def test_an_engine_is_hashed_once_by_each_process(with_tensorrt, tiny, monkeypatch):
    from reid_edge.engines import engine_cache

    with_tensorrt()
    _, cached = open_tensorrt(tiny, "tiny", Place(), ONE)
    engine_cache._CHECKED.clear()
    hashed = []
    sha256 = engine_cache._sha256
    monkeypatch.setattr(engine_cache, "_sha256", lambda content: (hashed.append(content), sha256(content))[1])
    assert tensorrt_opening.is_built(tiny, Place(), ONE)
    open_tensorrt(tiny, "tiny", Place(), ONE)
    # The fake's engine is the network, whose hash is in the key: once each for the two calls, and once for the engine.
    assert hashed.count(cached.content) == 3


def test_records_lie_under_the_gpu_although_engines_of_tensorrt_rtx_are_for_a_generation(machine, tiny):
    machine(NATIVE)
    assert key_on(Device("tensorrt-rtx", "TensorRT-RTX", 0, 1), tiny, ONE).gpu == "Orin"
    assert Measured().read(key_on(NATIVE, tiny, ONE)) == {}
