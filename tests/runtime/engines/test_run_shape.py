"""How many pairs a GPU gets at a time: measured once, within its memory; and what happens where memory does not suffice."""

from __future__ import annotations

import numpy as np
import pytest

from reid_edge.engines import networks as networks_module
from reid_edge.engines.contract import OutOfMemoryError, Provenance, TensorSpec
from reid_edge.engines.engine_cache import key_of
from reid_edge.engines.fitting_engine import FittingEngine
from reid_edge.engines.measured import Measured
from reid_edge.engines.networks import Networks
from reid_edge.engines.onnx_runtime import _engine_error
from reid_edge.engines.profiles import axis_ranges, fitted
from reid_edge.engines.run_shape import ONE_PAIR, RunShape, gpu_run_shape
from reid_edge.engines.selection import Device
from reid_edge.errors import EngineError
from reid_edge.recipe import parse_recipe

RANGES = fitted(axis_ranges("matching", None, 512), 8 << 30)
KEY = key_of(b"matcher", "tensorrt 10.3.0", RANGES, "8.7", "Orin", "540")
PAIRS = (
    TensorSpec("keypoints0", "float32", ("batch", "points0", 2)),
    TensorSpec("keypoints1", "float32", ("batch", "points1", 2)),
)


class Matcher:
    """A matcher that takes `seconds(pairs)` of a clock of its own, and whose memory is enough for `most` pairs."""

    concurrent = False
    inputs, outputs = PAIRS, (TensorSpec("matches0", "int64", ("batch", "points0")),)
    provenance = Provenance("fake", "fake", "cuda:0", 1)

    def __init__(self, seconds=lambda pairs: 1.0, most: int = 64) -> None:
        self.seconds, self.most, self.now, self.runs = seconds, most, 0.0, []

    def run(self, inputs):
        pairs = len(inputs["keypoints0"])
        if pairs > self.most:
            raise OutOfMemoryError("The GPU has no memory left.")
        self.runs.append(inputs["keypoints0"].shape)
        self.now += self.seconds(pairs)
        return {"matches0": inputs["keypoints0"][:, :, 0].astype(np.int64)}

    def warm_up(self) -> None: ...


def shape_of(matcher: Matcher, folder) -> RunShape:
    return gpu_run_shape(matcher, RANGES, KEY, Measured(folder), lambda: matcher.now)


@pytest.mark.parametrize(
    ("seconds", "pairs"),
    [
        (lambda pairs: 1.0, 32),
        (lambda pairs: pairs, 1),
        (lambda pairs: max(1, pairs / 4), 4),
        (lambda pairs: 1 + pairs / 100, 32),
    ],
)
def test_the_smallest_batch_that_is_about_as_fast_as_the_fastest_is_taken(tmp_path, seconds, pairs):
    assert shape_of(Matcher(seconds), tmp_path) == RunShape(pairs, 512)


def test_it_is_measured_once_with_keypoints_as_many_as_runs_will_have(tmp_path):
    first, second = Matcher(), Matcher()
    assert shape_of(first, tmp_path) == shape_of(second, tmp_path)
    assert {points for _, points, _ in first.runs} == {512}
    assert second.runs == []


def test_a_batch_that_memory_does_not_suffice_for_is_not_taken(tmp_path):
    assert shape_of(Matcher(most=5), tmp_path).pairs == 4


def test_where_the_folder_cannot_be_written_it_is_measured_again(tmp_path):
    (tmp_path / "file").write_text("")
    for _ in range(2):
        matcher = Matcher()
        assert shape_of(matcher, tmp_path / "file").pairs == 32
        assert matcher.runs


@pytest.mark.parametrize("content", ["", "[]", '{"facts": 3}', '{"facts": {"pairs": "many"}}', '{"facts": {"pairs": 4096}}'])
def test_a_record_that_is_not_sound_is_measured_again(tmp_path, content):
    shape_of(Matcher(), tmp_path)
    (record,) = (tmp_path / "measured").iterdir()
    record.write_text(content)
    matcher = Matcher()
    assert shape_of(matcher, tmp_path).pairs == 32
    assert matcher.runs


def test_a_run_that_is_too_large_is_halved_which_is_said_once_and_remembered(capsys):
    matcher = Matcher(most=3)
    engine = FittingEngine(matcher, "matcher", lambda: pytest.fail("the GPU suffices"))
    places = np.random.default_rng(0).uniform(0, 100, (10, 7, 2)).astype(np.float32)
    for _ in range(2):
        found = engine.run({"keypoints0": places, "keypoints1": places})["matches0"]
        assert np.array_equal(found, places[:, :, 0].astype(np.int64))
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == [
        "reid-edge: the GPU has no memory left for 10 rows of the network matcher at a time; it gets 5",
        "reid-edge: the GPU has no memory left for 5 rows of the network matcher at a time; it gets 3",
    ]


def test_where_memory_does_not_suffice_for_one_row_the_cpu_runs_it_which_is_said_once_and_stands_in_the_answer(capsys):
    cpu = Matcher()
    cpu.provenance = Provenance("fake", "CPUExecutionProvider", "cpu", 1)
    engine = FittingEngine(Matcher(most=0), "matcher", lambda: cpu)
    places = np.zeros((1, 7, 2), np.float32)
    for _ in range(2):
        engine.run({"keypoints0": places, "keypoints1": places})
    assert capsys.readouterr().err == "reid-edge: the GPU has no memory left for the network matcher, so the CPU runs it\n"
    assert engine.provenance.device == "cpu"
    assert len(cpu.runs) == 2


def test_an_error_that_is_not_about_memory_is_passed_on():
    class Broken(Matcher):
        def run(self, inputs):
            raise EngineError("broken")

    with pytest.raises(EngineError, match="broken"):
        FittingEngine(Broken(), "matcher", Matcher).run({"keypoints0": np.zeros((2, 7, 2)), "keypoints1": np.zeros((2, 7, 2))})


@pytest.mark.parametrize(
    "text",
    [
        "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Failed to allocate memory for requested buffer of size 9",
        "CUDA failure 2: out of memory ; GPU=0",
        "CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED",
        "std::bad_alloc",
    ],
)
def test_what_onnx_runtime_says_of_memory_is_an_error_of_its_own(text):
    assert isinstance(_engine_error("The network x failed", RuntimeError(text)), OutOfMemoryError)
    assert not isinstance(_engine_error("The network x failed", RuntimeError("Non-zero status code")), OutOfMemoryError)


@pytest.fixture
def on_a_gpu(field_pack, monkeypatch, tmp_path):
    """on_a_gpu(open): the networks of the bundled pack on a GPU, whose engines `open` opens."""
    monkeypatch.setenv("REID_EDGE_ENGINES", str(tmp_path))
    cuda = Device("cuda", "CUDAExecutionProvider", 0, 1)
    monkeypatch.setattr(networks_module, "select_device", lambda *given: cuda)
    monkeypatch.setattr(networks_module, "key_on", lambda device, model, ranges: KEY)

    def made(open_engine) -> Networks:
        monkeypatch.setattr(networks_module, "open_engine", open_engine)
        return Networks(field_pack, parse_recipe(field_pack.recipe, field_pack.manifest), "cuda")

    return made


def test_on_a_gpu_a_matcher_has_the_measured_shape_and_other_networks_none(on_a_gpu):
    networks = on_a_gpu(lambda model, name, device, ranges=None: Matcher())
    shape = networks["lighterglue"].run_shape
    assert (shape.points, shape.pairs in (1, 2, 4, 8, 16, 32)) == (512, True)  # which of these is fastest, the clock says
    assert networks["xfeat"].run_shape == ONE_PAIR


def test_a_network_that_the_gpu_has_no_memory_for_is_opened_on_the_cpu(on_a_gpu, capsys):
    def open_engine(model, name, device, ranges=None):
        if device.name == "cuda":
            raise OutOfMemoryError("The GPU has no memory left.")
        return Matcher()

    networks = on_a_gpu(open_engine)
    assert networks["lighterglue"].run_shape == ONE_PAIR
    assert "the CPU runs it" in capsys.readouterr().err


def test_on_a_processor_one_pair_is_matched_at_a_time(field_pack):
    networks = Networks(field_pack, parse_recipe(field_pack.recipe, field_pack.manifest), "cpu", 1)
    assert networks["lighterglue"].run_shape == ONE_PAIR


def test_warming_up_loads_and_runs_every_network_of_the_recipe(on_a_gpu):
    warmed = []

    class Warm(Matcher):
        def warm_up(self) -> None:
            warmed.append(self)

    on_a_gpu(lambda model, name, device, ranges=None: Warm()).warm_up()
    assert len(set(map(id, warmed))) == 4
