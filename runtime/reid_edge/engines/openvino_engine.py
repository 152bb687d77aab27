"""OpenVINO as an engine: compiled or taken from the cache, checked against ONNX Runtime and timed beside it before its first use.

Compiling takes about a second a network, loading what was compiled a tenth of that, so compiled networks lie in the cache of engines. A
cache that cannot be written costs that second at every start and is no error.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import os
import platform
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from threading import local
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid_edge.engines.contract import Engine, Provenance, check_inputs
from reid_edge.engines.engine_cache import CachedEngine, EngineCache, EngineKey, key_of
from reid_edge.engines.onnx_runtime import OnnxRuntimeEngine, warm_up_inputs
from reid_edge.engines.profiles import AxisRanges
from reid_edge.engines.self_test import canonical_inputs, compare_engines, usual_sizes
from reid_edge.engines.tensorrt_build import BuiltEngine
from reid_edge.errors import EngineError, StorageError
from reid_edge.installation import install_command

# float32 in the file is float32 here: without this, processors with bfloat16 round to it.
_PRECISION = "f32"
# Starting OpenVINO takes half a second more than ONNX Runtime; a gain below this share of the time does not pay for it.
_LEAST_GAIN = 0.1
_TIMED_RUNS = 3


def has_openvino() -> bool:
    """Whether the package openvino is installed; it is not imported, which takes half a second."""
    return importlib.util.find_spec("openvino") is not None


def is_preferred(networks: Iterable[tuple[bytes, AxisRanges]], threads: int, cache: EngineCache | None = None) -> bool:
    """Whether ``auto`` takes OpenVINO: on x86, where each network passes its self-test and all together take less time than in ONNX
    Runtime.

    The cache keeps the result of the trial, so ``auto`` needs one that can be written.
    """
    cache = cache or EngineCache()
    if platform.machine().lower() not in ("x86_64", "amd64") or not has_openvino() or not _is_writable(cache.folder):
        return False
    openvino_seconds = onnx_runtime_seconds = 0.0
    tried = 0
    for model, ranges in networks:
        cached = cache.read(_key(model))
        if cached is None or cached.cpu_seconds is None:
            tried += 1
            doing = f"trying whether OpenVINO is faster on this machine, once (--device cpu does without): network {tried}"
            print(f"reid-edge: {doing}", file=sys.stderr, flush=True)
            _try(model, ranges, threads, cache)
            cached = cache.read(_key(model))
        if cached is None or cached.self_test is None or cached.cpu_seconds is None:
            return False
        openvino_seconds += cached.cpu_seconds[0]
        onnx_runtime_seconds += cached.cpu_seconds[1]
    return openvino_seconds < (1 - _LEAST_GAIN) * onnx_runtime_seconds


def open_openvino(
    model: bytes, name: str, ranges: AxisRanges, threads: int, cache: EngineCache | None = None, runs: int = 1
) -> tuple[OpenVinoEngine, CachedEngine]:
    """Load a network: from the cache, or compiled.

    Args:
        model: the ONNX file's bytes, already verified by the pack.
        name: the network's name, for messages.
        ranges: the sizes that the self-test takes for dynamic axes; the engine takes any.
        threads: CPU threads for one run.
        cache: None is the device's own.
        runs: how many may go on at the same time.

    Raises:
        EngineError: OpenVINO is not installed, refuses the network, or its answers differ from ONNX Runtime's.
    """
    cache = cache or EngineCache()
    key = _key(model)
    try:
        cached = cache.obtain(key, name, lambda _: _compile(model, name, threads))
    except StorageError:
        built = _compile(model, name, threads)
        cached = CachedEngine(cache.path(key), built.content, built.inputs, built.outputs, built.seconds, True, None)
    engine = OpenVinoEngine(cached, name, threads, runs)
    if cached.self_test is None:
        reference = _reference(model, name, threads)
        difference = compare_engines(reference, engine, model, f"OpenVINO with the network {name}", ranges)
        cached = replace(cached, self_test=difference)
        with contextlib.suppress(StorageError):
            cache.record_self_test(key, difference)
    return engine, cached


class OpenVinoEngine:
    """A network compiled by OpenVINO for the processor; dynamic axes take any size that the network itself takes."""

    def __init__(self, cached: CachedEngine, name: str, threads: int, runs: int = 1) -> None:
        """Load what was compiled on this machine; its hash was checked when it was read.

        Args:
            cached: from the cache.
            name: the network's name, for messages.
            threads: CPU threads for one run.
            runs: how many may go on at the same time.

        Raises:
            EngineError: OpenVINO refuses it.
        """
        try:
            compiled = _core().import_model(cached.content, "CPU", _options(threads, runs))
        except RuntimeError as error:
            raise EngineError(
                f"OpenVINO cannot load the network {name}: {_reason(error)}",
                f"Delete {cached.path}, so that it is compiled anew.",
            ) from error
        self._compiled, self._requests = compiled, local()
        self._name, self.concurrent = name, True
        self.inputs, self.outputs = cached.inputs, cached.outputs
        self.provenance = Provenance(_library(), "OpenVINO CPU", "openvino", threads)

    def run(self, inputs: Mapping[str, NDArray[np.generic]]) -> dict[str, NDArray[np.generic]]:
        """See `Engine.run`."""
        check_inputs(self._name, self.inputs, inputs)
        arrays = {name: np.ascontiguousarray(array) for name, array in inputs.items()}
        try:
            if not hasattr(self._requests, "request"):  # each thread has one, with buffers of its own
                self._requests.request = self._compiled.create_infer_request()
            values = self._requests.request.infer(arrays, share_inputs=True)
        except RuntimeError as error:
            raise EngineError(f"The network {self._name} failed: {_reason(error)}", "Run: reid-edge doctor") from error
        return {spec.name: values[spec.name] for spec in self.outputs}

    def warm_up(self) -> None:
        """See `Engine.warm_up`."""
        self.run(warm_up_inputs(self.inputs))


def _compile(model: bytes, name: str, threads: int) -> BuiltEngine:
    """The names of dynamic axes come from ONNX Runtime: OpenVINO drops them.

    Raises:
        EngineError: OpenVINO is not installed or refuses the network.
    """
    begin = time.monotonic()
    core, reference = _core(), _reference(model, name, threads)
    try:
        content = core.compile_model(core.read_model(model), "CPU", _options(threads)).export_model().getvalue()
    except RuntimeError as error:
        raise EngineError(
            f"OpenVINO refuses the network {name}: {_reason(error)}", "Use another engine for it: --device cpu."
        ) from error
    return BuiltEngine(content, reference.inputs, reference.outputs, b"", time.monotonic() - begin)


def _try(model: bytes, ranges: AxisRanges, threads: int, cache: EngineCache) -> None:
    """Note in the cache whether OpenVINO computes this network rightly, and the processor time that it and ONNX Runtime take.

    Processor time changes little where the machine is busy. A network that fails the self-test is noted too, and not tried again.
    """
    seconds, difference = (0.0, 0.0), None
    with contextlib.suppress(EngineError):
        engine, cached = open_openvino(model, "network", ranges, threads, cache)
        inputs, reference = canonical_inputs(engine.inputs, usual_sizes(ranges)), _reference(model, "network", threads)
        reference.run(inputs)
        taken = [(_cpu_seconds(engine, inputs), _cpu_seconds(reference, inputs)) for _ in range(_TIMED_RUNS)]
        seconds, difference = (min(one for one, _ in taken), min(other for _, other in taken)), cached.self_test
    with contextlib.suppress(StorageError):
        cache.record_self_test(_key(model), difference, seconds)


def _cpu_seconds(engine: Engine, inputs: Mapping[str, NDArray[np.generic]]) -> float:
    begin = time.process_time()
    engine.run(inputs)
    return time.process_time() - begin


def _reference(model: bytes, name: str, threads: int) -> OnnxRuntimeEngine:
    return OnnxRuntimeEngine(model, name, [("CPUExecutionProvider", {})], "cpu", threads)


@functools.cache
def _core() -> Any:
    try:
        import openvino
    except (ImportError, OSError) as error:
        raise EngineError(f"OpenVINO cannot be imported ({error}).", f"Install it: {install_command('openvino')}.") from error
    return openvino.Core()


def _options(threads: int, runs: int = 1) -> dict[str, Any]:
    return {"INFERENCE_NUM_THREADS": threads * runs, "NUM_STREAMS": runs, "INFERENCE_PRECISION_HINT": _PRECISION}


def _library() -> str:
    return f"openvino {version('openvino')}"


def _key(model: bytes) -> EngineKey:
    """A compiled network depends on the processor and its instructions, which another machine's virtual processor of one name may lack."""
    return key_of(model, _library(), {}, "", *_processor())


@functools.cache
def _processor() -> tuple[str, str]:
    """Its name and its instruction sets."""
    facts: dict[str, str] = {}
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            fact, colon, value = line.partition(":")
            if colon:
                facts.setdefault(fact.strip(), value.strip())
    return facts.get("model name", platform.processor()), facts.get("flags", "")


def _is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError:
        return False
    return os.access(folder, os.W_OK)


def _reason(error: Exception) -> str:
    """The last line that is more than a place in OpenVINO's own source."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return next((line for line in reversed(lines) if not line.startswith("Exception from")), type(error).__name__)
