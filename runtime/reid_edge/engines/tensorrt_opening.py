"""Engines of TensorRT and TensorRT-RTX opened on a GPU: what they need there, taken from the cache or built, and tested once."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass, field
from typing import Any

from reid_edge.engines.build_progress import build_progress
from reid_edge.engines.cuda import CUDA_MODULE, call, load_cuda
from reid_edge.engines.engine_cache import CachedEngine, EngineCache, EngineKey, key_of
from reid_edge.engines.gpu import Gpu, find_gpu
from reid_edge.engines.measured import Measured
from reid_edge.engines.onnx_runtime import OnnxRuntimeEngine
from reid_edge.engines.profiles import AxisRanges, fitted
from reid_edge.engines.self_test import compare_engines
from reid_edge.engines.tensorrt_ahead import target_of
from reid_edge.engines.tensorrt_build import Library, LibraryName, build_engine, load_library, workspace_limit
from reid_edge.engines.tensorrt_engine import TensorRTEngine
from reid_edge.errors import EngineError
from reid_edge.installation import how_to_install_cuda, how_to_install_tensorrt


@dataclass(frozen=True)
class Place:
    """Where engines of TensorRT run.

    Attributes:
        index: of the GPU.
        threads: CPU threads of ONNX Runtime for the self-test.
        library: TensorRT or TensorRT-RTX.
        cache: None is the device's own.
    """

    index: int = 0
    threads: int = 1
    library: LibraryName = "tensorrt"
    cache: EngineCache = field(default_factory=EngineCache)


def missing_for_tensorrt(index: int = 0, library: LibraryName = "tensorrt") -> list[EngineError]:
    """What native TensorRT lacks on this machine, each with what to install; empty when it can be used.

    The driver is asked first, and without one no library of NVIDIA's is imported: some crash then.
    """
    missing = []
    try:
        find_gpu(index)
    except EngineError as error:
        missing.append(error)
    for package, module in ((library, library), ("cuda-bindings", CUDA_MODULE)):
        if not _is_installed(module):
            hint = how_to_install_cuda() if module == CUDA_MODULE else how_to_install_tensorrt(library)
            missing.append(EngineError(f"The package {package} is not installed.", hint))
    if missing:
        return missing
    try:
        load_library(library)
        load_cuda()
    except EngineError as error:  # installed, yet broken or of another version
        missing.append(error)
    return missing


def engine_key(model: bytes, place: Place, ranges: AxisRanges) -> EngineKey:
    """The key of a network's engine. One of TensorRT is for one GPU and driver, one of TensorRT-RTX for a whole generation.

    Raises:
        EngineError: there is no such GPU, or the library cannot be imported.
    """
    return _key(model, load_library(place.library), find_gpu(place.index), ranges)


def is_built(model: bytes, place: Place, ranges: AxisRanges) -> bool:
    """Whether the engine of this network is in the cache. Only where `missing_for_tensorrt` is empty."""
    return place.cache.read(engine_key(model, place, ranges)) is not None


def open_tensorrt(model: bytes, name: str, place: Place, ranges: AxisRanges) -> tuple[TensorRTEngine, CachedEngine]:
    """Load a network on a GPU: from the cache, or built, which takes minutes and is shown on stderr.

    Args:
        model: the ONNX file's bytes, already verified by the pack.
        name: the network's name, for messages.
        place: which GPU, library and cache.
        ranges: the sizes of its dynamic axes, see `reid_edge.engines.profiles`; here they are fitted to the GPU.

    Raises:
        EngineError: TensorRT cannot be used here, refuses the network, or its answers differ from ONNX Runtime's on the CPU.
        StorageError: the cache's disk is full or read-only.
    """
    gpu = find_gpu(place.index)
    library, cuda = load_library(place.library), load_cuda()
    call(cuda, cuda.cudaSetDevice(place.index))
    ranges = _fitted(ranges, library, gpu)
    key = _key(model, library, gpu, ranges)

    def build(timing_cache: bytes) -> Any:
        print(f"reid-edge: building the {library.name} engine of {name} for {gpu.name}, once", file=sys.stderr, flush=True)
        target = target_of(library, gpu.compute_capability)
        with build_progress(f"the engine of {name}") as report:
            return build_engine(
                model, name, library, ranges, report, target=target, timing_cache=timing_cache, workspace=workspace_limit(gpu)
            )

    cached = place.cache.obtain(key, name, build)
    engine = TensorRTEngine(cached, name, library, gpu, ranges, place.threads)
    _test_once(engine, model, name, place, key)
    return engine, cached


def _test_once(engine: TensorRTEngine, model: bytes, name: str, place: Place, key: EngineKey) -> None:
    """Compare an engine with ONNX Runtime on the CPU, unless it passed on this GPU; one that fails is removed.

    Raises:
        EngineError: its answers differ.
    """
    gpu, records = find_gpu(place.index), Measured(place.cache.folder)
    on_this_gpu = EngineKey(**{**vars(key), "gpu": gpu.name, "driver": gpu.driver})
    if records.read(on_this_gpu).get("self_test") is not None:
        return
    reference = OnnxRuntimeEngine(model, name, [("CPUExecutionProvider", {})], "cpu", place.threads)
    try:
        difference = compare_engines(reference, engine, model, f"{place.library} with the network {name}", key.ranges)
    except EngineError:
        place.cache.remove(key)
        raise
    records.note(on_this_gpu, self_test=difference)


def _fitted(ranges: AxisRanges, library: Library, gpu: Gpu) -> AxisRanges:
    return fitted(ranges, gpu.memory if library.name == "tensorrt" else 0)


def _key(model: bytes, library: Library, gpu: Gpu, ranges: AxisRanges) -> EngineKey:
    ranges = _fitted(ranges, library, gpu)
    if library.name == "tensorrt_rtx":
        return key_of(model, library, ranges, gpu.compute_capability)
    return key_of(model, library, ranges, gpu.compute_capability, gpu.name, gpu.driver)


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module.rpartition(".")[0] or module) is not None
    except ModuleNotFoundError:
        return False
