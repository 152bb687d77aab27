"""The TensorRT engine on a GPU that is made of memory of the host, and the libraries that it calls: no card is here."""

from __future__ import annotations

import ast
import ctypes
import inspect
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from fake_gpu import GPU, FakeCuda, FakeTensorRT

from reid_edge.engines import cuda as cuda_module
from reid_edge.engines import tensorrt_engine
from reid_edge.engines.contract import OutOfMemoryError, TensorSpec
from reid_edge.engines.cuda import Buffer, Workspace
from reid_edge.engines.engine_cache import CachedEngine
from reid_edge.engines.onnx_runtime import OnnxRuntimeEngine
from reid_edge.engines.profiles import SizeRange
from reid_edge.engines.tensorrt_build import Library
from reid_edge.engines.tensorrt_engine import TensorRTEngine
from reid_edge.errors import EngineError

RANGES = {"batch": SizeRange(1, 4, 8)}
SPECS = (TensorSpec("x", "float32", ("batch", 8, 8)),), (TensorSpec("y", "float32", ("batch", 8, 8)),)


@pytest.fixture
def cuda(monkeypatch) -> FakeCuda:
    made = FakeCuda()
    monkeypatch.setattr(tensorrt_engine, "load_cuda", lambda: made)
    return made


@pytest.fixture
def engine_on(cuda, tiny):
    """engine_on(needs, name): the tiny network, which needs so many bytes of working memory."""

    def made(needs: int = 1000, name: str = "tensorrt", model: bytes = tiny) -> TensorRTEngine:
        library = Library(name, "10.3.0", FakeTensorRT(cuda, needs))
        return TensorRTEngine(CachedEngine(Path("e"), model, *SPECS, 1.0, False, None), "tiny", library, GPU, RANGES, 1)

    return made


@pytest.fixture
def expected(tiny):
    reference = OnnxRuntimeEngine(tiny, "tiny", [("CPUExecutionProvider", {})], "cpu", 1)
    return lambda x: reference.run({"x": x})["y"]


def some(rows: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, 8, 8)).astype(np.float32)


def test_from_the_second_run_of_a_shape_on_a_graph_answers_as_onnx_runtime_does(cuda, engine_on, expected):
    engine = engine_on()
    for turn in range(3):
        for rows in (4, 2):
            x = some(rows, seed=turn)
            assert np.array_equal(engine.run({"x": x})["y"], expected(x))
    assert (cuda.instantiated, cuda.launches) == (2, 4)


def test_shapes_beyond_those_that_keep_a_graph_are_answered_without(cuda, engine_on, expected):
    engine = engine_on()
    for rows in (1, 2, 3, 4, 5, 6, 5, 1):
        x = some(rows)
        assert np.array_equal(engine.run({"x": x})["y"], expected(x))
    assert (cuda.instantiated, cuda.launches) == (4, 1)
    assert len(engine._engine.trt.contexts) == 5


def test_a_network_that_cannot_be_captured_runs_on_without_and_leaves_no_error_behind(cuda, engine_on, expected):
    engine = engine_on()
    cuda.refuse_capture = True
    for turn in range(3):
        x = some(4, seed=turn)
        assert np.array_equal(engine.run({"x": x})["y"], expected(x))
    assert (cuda.instantiated, cuda.launches, cuda.pending) == (0, 0, 0)


def test_engines_of_a_gpu_share_one_block_of_the_largest_need(cuda, engine_on):
    engines = [engine_on(needs) for needs in (5000, 70000, 300)]
    for engine in engines:
        engine.run({"x": some(4)})
    assert {engine._workspace for engine in engines} == {engines[0]._workspace}
    assert engines[0]._workspace.size == 70000
    assert sum(len(memory) == 70000 for memory in cuda.memory.values()) == 1
    assert not any(len(memory) in (5000, 300) for memory in cuda.memory.values())


def test_when_the_block_has_grown_graphs_that_hold_the_old_one_are_captured_anew(cuda, engine_on, expected):
    first = engine_on(5000)
    x = some(4)
    first.run({"x": x})
    first.run({"x": x})
    assert (cuda.instantiated, cuda.launches, cuda.destroyed) == (1, 1, 0)
    engine_on(70000)
    for seed in range(3):
        x = some(4, seed)
        assert np.array_equal(first.run({"x": x})["y"], expected(x))
    assert (cuda.instantiated, cuda.launches, cuda.destroyed) == (2, 3, 1)


def test_threads_that_run_two_engines_at_once_wait_for_one_another(engine_on, expected):
    engines = [engine_on(), engine_on()]

    def run(number: int) -> bool:
        x = some(1 + number % 3, seed=number)
        return np.array_equal(engines[number % 2].run({"x": x})["y"], expected(x))

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(run, range(24)))


def test_an_engine_that_the_gpu_has_no_memory_for_is_an_error_of_its_own(cuda, engine_on):
    cuda.free = 100
    with pytest.raises(OutOfMemoryError, match="no memory left"):
        engine_on()
    assert cuda.pending == 0


def test_tensorrt_rtx_which_compiles_while_it_runs_is_not_captured(cuda, engine_on, expected):
    engine = engine_on(name="tensorrt_rtx")
    for turn in range(3):
        x = some(4, seed=turn)
        assert np.array_equal(engine.run({"x": x})["y"], expected(x))
    assert cuda.launches == 0
    assert engine.provenance.provider == "TensorRT-RTX on Orin"


def test_a_size_out_of_the_range_of_the_engine_is_refused(engine_on):
    with pytest.raises(EngineError, match="takes 1 to 8 as batch of x, not 9"):
        engine_on().run({"x": some(9)})


def test_the_older_names_of_tensorrt_10_will_do(cuda, engine_on):
    engine = engine_on()
    engine._engine = SimpleNamespace(device_memory_size=77)
    assert engine._memory_size() == 77
    context = SimpleNamespace()
    tensorrt_engine._set_memory(context, 5, 77)
    assert context.device_memory == 5


@pytest.mark.parametrize(
    ("dtype", "shape"), [("float32", (1, 3, 4, 5)), ("float16", (2, 7)), ("int64", (4, 9)), ("bool", (3,)), ("float32", ())]
)
def test_a_buffer_holds_an_array_at_its_beginning_whatever_its_shape(dtype, shape):
    memory = (ctypes.c_char * 4096)()
    buffer = Buffer(None, dtype, (4096,))
    buffer.host = ctypes.addressof(memory)
    values = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype)
    buffer.host_array(shape)[...] = values
    assert buffer.bytes_of(shape) == values.nbytes
    assert bytes(memory)[: values.nbytes] == values.tobytes()
    assert not any(bytes(memory)[values.nbytes :])
    assert np.array_equal(buffer.host_array(shape), values)


def test_a_block_never_shrinks():
    workspace = Workspace(FakeCuda())
    workspace.reserve(100)
    address = workspace.address
    workspace.reserve(50)
    assert (workspace.address, workspace.size) == (address, 100)


def called(owner: str) -> set[str]:
    """Names that the modules take from `owner`, such as ``self._engine``."""
    trees = [ast.parse(inspect.getsource(module)) for module in (tensorrt_engine, cuda_module)]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    return {node.attr for node in nodes if isinstance(node, ast.Attribute) and ast.unparse(node.value) == owner}


@pytest.mark.parametrize(
    ("owner", "type_name"), [("context", "IExecutionContext"), ("self._engine", "ICudaEngine"), ("self._runtime", "Runtime")]
)
def test_tensorrt_has_everything_that_the_engine_calls(library, owner, type_name):
    names = called(owner) - {"device_memory_size"}  # of the first releases of TensorRT 10
    assert names
    assert [name for name in names if not hasattr(getattr(library.module, type_name), name)] == []


def test_cuda_has_everything_that_the_engine_calls():
    runtime = pytest.importorskip("cuda.bindings.runtime", reason="cuda-bindings is not installed")
    names = called("cuda") | called("self._cuda")
    assert "cudaGraphLaunch" in names
    assert [name for name in names if not hasattr(runtime, name)] == []
