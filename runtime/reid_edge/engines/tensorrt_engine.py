"""TensorRT as an engine: built or taken from the cache, checked against ONNX Runtime before its first use, run on one CUDA stream."""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import sys
import weakref
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid_edge.engines.build_progress import build_progress
from reid_edge.engines.contract import Provenance, check_inputs
from reid_edge.engines.engine_cache import CachedEngine, EngineCache, EngineKey, key_of
from reid_edge.engines.gpu import Gpu, find_gpu
from reid_edge.engines.onnx_runtime import OnnxRuntimeEngine
from reid_edge.engines.profiles import AxisRanges
from reid_edge.engines.self_test import compare_engines
from reid_edge.engines.tensorrt_build import Library, build_engine, dtype_name, load_library, sizes_of
from reid_edge.errors import EngineError
from reid_edge.installation import install_command

_CUDA = "cuda.bindings.runtime"
_INSUFFICIENT_DRIVER = 35
_NON_BLOCKING_STREAM = 1


def _how_to_install_cuda() -> str:
    return f"Install it: {install_command('tensorrt')} (for CUDA 12, as on JetPack 6: pip install 'cuda-bindings==12.*')."


def missing_for_tensorrt(index: int = 0) -> list[EngineError]:
    """What native TensorRT lacks on this machine, each with what to install; empty when it can be used.

    The driver is asked first, and without one no library of NVIDIA's is imported: some crash then.
    """
    missing = []
    try:
        find_gpu(index)
    except EngineError as error:
        missing.append(error)
    for package, module in (("tensorrt", "tensorrt"), ("cuda-bindings", _CUDA)):
        if not _is_installed(module):
            missing.append(EngineError(f"The package {package} is not installed.", f"Install it: {install_command('tensorrt')}."))
    if missing:
        return missing
    try:
        load_library("tensorrt")
        _load_cuda()
    except EngineError as error:  # installed, yet broken or of another version
        missing.append(error)
    return missing


def is_built(model: bytes, index: int, ranges: AxisRanges) -> bool:
    """Whether the engine of this network is in the cache. Only where `missing_for_tensorrt` is empty."""
    return EngineCache().read(_key(model, load_library("tensorrt"), find_gpu(index), ranges)) is not None


def open_tensorrt(
    model: bytes, name: str, index: int, ranges: AxisRanges, threads: int, cache: EngineCache | None = None
) -> tuple[TensorRTEngine, CachedEngine]:
    """Load a network on a GPU: from the cache, or built, which takes minutes and is shown on stderr.

    Args:
        model: the ONNX file's bytes, already verified by the pack.
        name: the network's name, for messages.
        index: of the GPU.
        ranges: the sizes of its dynamic axes.
        threads: CPU threads of ONNX Runtime for the self-test.
        cache: None is the device's own.

    Raises:
        EngineError: TensorRT cannot be used here, refuses the network, or its answers differ from ONNX Runtime's on the CPU.
        StorageError: the cache's disk is full or read-only.
    """
    gpu = find_gpu(index)
    library, cuda = load_library("tensorrt"), _load_cuda()
    _call(cuda, cuda.cudaSetDevice(index))
    cache = cache or EngineCache()
    key = _key(model, library, gpu, ranges)

    def build(timing_cache: bytes) -> Any:
        print(f"reid-edge: building the TensorRT engine of {name} for {gpu.name}, once", file=sys.stderr, flush=True)
        with build_progress(f"the engine of {name}") as report:
            return build_engine(model, name, library, ranges, report, timing_cache=timing_cache)

    cached = cache.obtain(key, name, build)
    engine = TensorRTEngine(cached, name, library, gpu, ranges, threads)
    if cached.self_test is None:
        try:
            difference = _self_test(engine, model, name, ranges, threads)
        except EngineError:
            cache.remove(key)
            raise
        cache.record_self_test(key, difference)
    return engine, cached


class TensorRTEngine:
    """A network in a TensorRT engine.

    Each input and output has one pinned buffer on the host and one on the GPU, of the largest size that the engine accepts, and every run
    uses them again. Where all shapes are fixed, copies and kernels are one CUDA graph.
    """

    def __init__(self, cached: CachedEngine, name: str, library: Library, gpu: Gpu, ranges: AxisRanges, threads: int) -> None:
        """Deserialise an engine of the cache, whose hash was checked when it was read.

        Raises:
            EngineError: TensorRT or CUDA refuses it, or the GPU has no memory left for it.
        """
        self._cuda, self._name, self._gpu = _load_cuda(), name, gpu
        _call(self._cuda, self._cuda.cudaSetDevice(gpu.index))
        trt = library.module
        log = trt.Logger(trt.Logger.ERROR)
        self._runtime = trt.Runtime(log)
        self._engine = self._runtime.deserialize_cuda_engine(cached.content)
        if self._engine is None:
            raise EngineError(f"{library} cannot load the engine of {name}.", f"Delete {cached.path}, so that it is built anew.")
        self._context = self._engine.create_execution_context()
        if self._context is None:
            raise EngineError(f"The GPU has no memory left for the network {name}.", "Close other programs that use the GPU.")
        self.concurrent = False
        self.inputs, self.outputs = cached.inputs, cached.outputs
        self.provenance = Provenance(str(library), f"TensorRT on {gpu.name}", f"tensorrt:{gpu.index}", threads)
        self._ranges = ranges
        self._sizes = {spec.name: sizes_of(spec.shape, ranges, name) for spec in self.inputs}
        self._check_dtypes(trt)
        self._stream = _call(self._cuda, self._cuda.cudaStreamCreateWithFlags(_NON_BLOCKING_STREAM))
        self._buffers: dict[str, _Buffer] = {}
        self._graph: Any = None
        weakref.finalize(self, _release, self._cuda, self._stream, self._buffers)
        self._make_buffers()
        self._fixed = all(size.smallest == size.largest for sizes in self._sizes.values() for size in sizes)

    def run(self, inputs: Mapping[str, NDArray[np.generic]]) -> dict[str, NDArray[np.generic]]:
        """See `Engine.run`. A size outside of the engine's ranges is an EngineError too."""
        check_inputs(self._name, self.inputs, inputs)
        self._check_sizes(inputs)
        cuda = self._cuda
        _call(cuda, cuda.cudaSetDevice(self._gpu.index))
        for name, array in inputs.items():
            self._buffers[name].host_array(array.shape)[...] = array
        shapes = {name: array.shape for name, array in inputs.items()}
        if self._graph is not None:
            _call(cuda, cuda.cudaGraphLaunch(self._graph, self._stream))
        else:
            self._enqueue(shapes)
        _call(cuda, cuda.cudaStreamSynchronize(self._stream))
        outputs = {
            spec.name: self._buffers[spec.name].host_array(tuple(self._context.get_tensor_shape(spec.name))).copy()
            for spec in self.outputs
        }
        if self._fixed and self._graph is None:
            self._capture(shapes)
        return outputs

    def warm_up(self) -> None:
        """See `Engine.warm_up`; dynamic axes at their usual size."""
        self.run({spec.name: np.zeros([size.usual for size in self._sizes[spec.name]], spec.dtype) for spec in self.inputs})

    def _enqueue(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Copy in, compute, copy out: all in order on the stream."""
        cuda = self._cuda
        for name, shape in shapes.items():
            if not self._context.set_input_shape(name, shape):
                raise EngineError(f"TensorRT refuses {list(shape)} as {name} of the network {self._name}.")
        to_device, to_host = cuda.cudaMemcpyKind.cudaMemcpyHostToDevice, cuda.cudaMemcpyKind.cudaMemcpyDeviceToHost
        for name, shape in shapes.items():
            buffer = self._buffers[name]
            _call(cuda, cuda.cudaMemcpyAsync(buffer.device, buffer.host, buffer.bytes_of(shape), to_device, self._stream))
        if not self._context.execute_async_v3(int(self._stream)):
            raise EngineError(f"TensorRT failed in the network {self._name}.", "Run: reid-edge doctor")
        for spec in self.outputs:
            buffer = self._buffers[spec.name]
            size = buffer.bytes_of(tuple(self._context.get_tensor_shape(spec.name)))
            _call(cuda, cuda.cudaMemcpyAsync(buffer.host, buffer.device, size, to_host, self._stream))

    def _capture(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Keep what `_enqueue` does as a CUDA graph. TensorRT wants one plain run before, which `run` has made.

        A network that cannot be captured (one with branches or loops) answers the same without, some microseconds later.
        """
        cuda = self._cuda
        _call(cuda, cuda.cudaStreamBeginCapture(self._stream, cuda.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal))
        captured = True
        try:
            self._enqueue(shapes)
        except EngineError:
            captured = False
        status, graph = cuda.cudaStreamEndCapture(self._stream)  # always, or the stream could not be used any more
        if not captured or int(status):
            self._fixed = False
            return
        self._graph = _call(cuda, cuda.cudaGraphInstantiate(graph, 0))
        _call(cuda, cuda.cudaGraphDestroy(graph))
        weakref.finalize(self, cuda.cudaGraphExecDestroy, self._graph)

    def _make_buffers(self) -> None:
        for spec in self.inputs:
            self._context.set_input_shape(spec.name, tuple(size.largest for size in self._sizes[spec.name]))
        for spec in (*self.inputs, *self.outputs):
            largest = tuple(self._context.get_tensor_shape(spec.name))
            if any(size < 0 for size in largest):
                raise EngineError(
                    f"The size of the output {spec.name} of the network {self._name} depends on values.",
                    "Export it with outputs of a fixed length.",
                )
            buffer = _Buffer(self._cuda, spec.dtype, largest)
            self._buffers[spec.name] = buffer
            buffer.allocate()
            if not self._context.set_tensor_address(spec.name, buffer.device):
                raise EngineError(f"TensorRT refuses the memory for {spec.name} of the network {self._name}.")

    def _check_dtypes(self, trt: Any) -> None:
        """The names and dtypes of the engine's tensors must be those of its record."""
        stated = {spec.name: spec.dtype for spec in (*self.inputs, *self.outputs)}
        names = [self._engine.get_tensor_name(number) for number in range(self._engine.num_io_tensors)]
        if {name: dtype_name(trt, self._engine.get_tensor_dtype(name)) for name in names} != stated:
            raise EngineError(f"The engine of {self._name} has other inputs and outputs than its record.", "Build it again.")

    def _check_sizes(self, inputs: Mapping[str, NDArray[np.generic]]) -> None:
        for spec in self.inputs:
            for axis, size, limits in zip(spec.shape, inputs[spec.name].shape, self._sizes[spec.name], strict=True):
                if not limits.smallest <= size <= limits.largest:
                    raise EngineError(
                        f"The engine of {self._name} takes {limits.smallest} to {limits.largest} as {axis} of {spec.name}, not {size}.",
                        "Its sizes follow the recipe of the pack; use the pack's own, or --device cuda or cpu.",
                    )


class _Buffer:
    """Memory for one tensor: pinned on the host, and on the GPU. Addresses never change."""

    def __init__(self, cuda: Any, dtype: str, largest: tuple[int, ...]) -> None:
        self._cuda, self._dtype = cuda, np.dtype(dtype)
        self._size = max(1, self.bytes_of(largest))
        self.host: int = 0
        self.device: int = 0

    def allocate(self) -> None:
        self.host = int(_call(self._cuda, self._cuda.cudaMallocHost(self._size)))
        self.device = int(_call(self._cuda, self._cuda.cudaMalloc(self._size)))

    def bytes_of(self, shape: tuple[int, ...]) -> int:
        return int(np.prod(shape, dtype=np.int64)) * self._dtype.itemsize

    def host_array(self, shape: tuple[int, ...]) -> NDArray[np.generic]:
        """The beginning of the host's memory as an array of this shape."""
        raw = memoryview((ctypes.c_char * self.bytes_of(shape)).from_address(self.host))
        return np.asarray(raw).view(self._dtype).reshape(shape)

    def free(self) -> None:
        self._cuda.cudaFree(self.device)
        self._cuda.cudaFreeHost(self.host)


def _release(cuda: Any, stream: Any, buffers: dict[str, _Buffer]) -> None:
    for buffer in buffers.values():
        buffer.free()
    cuda.cudaStreamDestroy(stream)


def _self_test(engine: TensorRTEngine, model: bytes, name: str, ranges: AxisRanges, threads: int) -> float:
    reference = OnnxRuntimeEngine(model, name, [("CPUExecutionProvider", {})], "cpu", threads)
    return compare_engines(reference, engine, model, f"TensorRT with the network {name}", ranges)


def _key(model: bytes, library: Library, gpu: Gpu, ranges: AxisRanges) -> EngineKey:
    return key_of(model, library, ranges, gpu.compute_capability, gpu.name, gpu.driver)


def _load_cuda() -> Any:
    try:
        return importlib.import_module(_CUDA)
    except (ImportError, OSError) as error:
        raise EngineError(f"cuda-bindings cannot be imported ({error}).", _how_to_install_cuda()) from error


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module.rpartition(".")[0] or module) is not None
    except ModuleNotFoundError:
        return False


def _call(cuda: Any, answer: tuple[Any, ...]) -> Any:
    """What a CUDA function gives, which is a tuple that begins with its status.

    Raises:
        EngineError: it failed.
    """
    status, *values = answer
    if int(status) == _INSUFFICIENT_DRIVER:
        raise EngineError(
            "The NVIDIA driver is too old for the installed cuda-bindings, or there is none.",
            _how_to_install_cuda(),
        )
    if int(status):
        _, text = cuda.cudaGetErrorString(status)
        raise EngineError(f"CUDA fails: {text.decode('utf-8', 'replace')}.", "Run: reid-edge doctor")
    return values[0] if values else None
