"""TensorRT as an engine: run on one CUDA stream, in memory that all engines of a GPU share, its copies and kernels as CUDA graphs."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid_edge.engines.contract import OutOfMemoryError, Provenance, check_inputs
from reid_edge.engines.cuda import Buffer, call, load_cuda, workspace_of
from reid_edge.engines.engine_cache import CachedEngine
from reid_edge.engines.gpu import Gpu
from reid_edge.engines.profiles import AxisRanges
from reid_edge.engines.tensorrt_build import Library, dtype_name, sizes_of
from reid_edge.errors import EngineError

_NON_BLOCKING_STREAM = 1
# Shapes of which a context and a CUDA graph are kept; further ones share a context and have no graph.
_MOST_SHAPES = 4

Shapes = tuple[tuple[str, tuple[int, ...]], ...]


class TensorRTEngine:
    """A network in a TensorRT engine; any thread may run it.

    Each input and output has one pinned buffer on the host and one on the GPU, of the largest size that the engine accepts, and every run
    uses them again. The first shapes that are run keep a context each, with copies and kernels as one CUDA graph. What a run needs beside
    that is the block of memory that all engines of a GPU share, so engines of one GPU run one after another.
    """

    def __init__(self, cached: CachedEngine, name: str, library: Library, gpu: Gpu, ranges: AxisRanges, threads: int) -> None:
        """Deserialise an engine of the cache, whose hash was checked when it was read.

        Raises:
            EngineError: TensorRT or CUDA refuses it, or the GPU has no memory left for it.
        """
        self._cuda, self._trt, self._name, self._gpu = load_cuda(), library.module, name, gpu
        call(self._cuda, self._cuda.cudaSetDevice(gpu.index))
        self._runtime = self._trt.Runtime(self._trt.Logger(self._trt.Logger.ERROR))
        self._engine = self._runtime.deserialize_cuda_engine(cached.content)
        if self._engine is None:
            raise EngineError(f"{library} cannot load the engine of {name}.", f"Delete {cached.path}, so that it is built anew.")
        self.concurrent = True  # threads wait for one another where the memory is
        self.inputs, self.outputs = cached.inputs, cached.outputs
        self.provenance = Provenance(str(library), f"{library.title} on {gpu.name}", f"{library.device}:{gpu.index}", threads)
        self._sizes = {spec.name: sizes_of(spec.shape, ranges, name) for spec in self.inputs}
        self._check_dtypes()
        self._captures = library.name == "tensorrt"  # TensorRT-RTX compiles kernels while it runs, which no graph may hold
        self._workspace = workspace_of(self._cuda, gpu.index)
        self._stream = call(self._cuda, self._cuda.cudaStreamCreateWithFlags(_NON_BLOCKING_STREAM))
        self._buffers: dict[str, Buffer] = {}
        self._prepared: dict[Shapes, _Prepared] = {}
        weakref.finalize(self, _release, self._cuda, self._stream, self._buffers, self._prepared)
        with self._workspace.lock:
            self._shared = _Prepared(self._new_context())
            self._make_buffers()
            self._workspace.reserve(self._memory_size())

    def run(self, inputs: Mapping[str, NDArray[np.generic]]) -> dict[str, NDArray[np.generic]]:
        """See `Engine.run`. A size outside of the engine's ranges is an EngineError too."""
        check_inputs(self._name, self.inputs, inputs)
        self._check_sizes(inputs)
        cuda = self._cuda
        shapes = tuple((spec.name, inputs[spec.name].shape) for spec in self.inputs)
        with self._workspace.lock:
            call(cuda, cuda.cudaSetDevice(self._gpu.index))
            for name, shape in shapes:
                self._buffers[name].host_array(shape)[...] = inputs[name]
            prepared = self._prepare(shapes)
            if prepared.graph is not None:
                call(cuda, cuda.cudaGraphLaunch(prepared.graph, self._stream))
            else:
                self._enqueue(prepared.context, shapes)
            call(cuda, cuda.cudaStreamSynchronize(self._stream))
            outputs = {
                spec.name: self._buffers[spec.name].host_array(_shape(prepared.context, spec.name)).copy()
                for spec in self.outputs
            }
            if self._captures and prepared.graph is None and prepared is not self._shared:
                self._capture(prepared, shapes)
        return outputs

    def warm_up(self) -> None:
        """See `Engine.warm_up`; dynamic axes at their usual size."""
        self.run({spec.name: np.zeros([size.usual for size in self._sizes[spec.name]], spec.dtype) for spec in self.inputs})

    def _prepare(self, shapes: Shapes) -> _Prepared:
        """A context with these shapes, in the shared memory. A graph belongs to one context whose shapes never change again."""
        prepared = self._prepared.get(shapes)
        if prepared is None and len(self._prepared) < _MOST_SHAPES:
            prepared = self._prepared[shapes] = _Prepared(self._new_context())
            self._set_shapes(prepared.context, shapes)
        elif prepared is None:
            prepared = self._shared
            self._set_shapes(prepared.context, shapes)
        if prepared.address != self._workspace.address:
            self._drop_graph(prepared)
            _set_memory(prepared.context, self._workspace.address, self._workspace.size)
            prepared.address = self._workspace.address
        return prepared

    def _enqueue(self, context: Any, shapes: Shapes) -> None:
        """Copy in, compute, copy out: all in order on the stream."""
        cuda = self._cuda
        to_device, to_host = cuda.cudaMemcpyKind.cudaMemcpyHostToDevice, cuda.cudaMemcpyKind.cudaMemcpyDeviceToHost
        for name, shape in shapes:
            buffer = self._buffers[name]
            call(cuda, cuda.cudaMemcpyAsync(buffer.device, buffer.host, buffer.bytes_of(shape), to_device, self._stream))
        if not context.execute_async_v3(int(self._stream)):
            raise EngineError(f"TensorRT failed in the network {self._name}.", "Run: reid-edge doctor")
        for spec in self.outputs:
            buffer = self._buffers[spec.name]
            size = buffer.bytes_of(_shape(context, spec.name))
            call(cuda, cuda.cudaMemcpyAsync(buffer.host, buffer.device, size, to_host, self._stream))

    def _capture(self, prepared: _Prepared, shapes: Shapes) -> None:
        """Keep what `_enqueue` does as a CUDA graph. TensorRT wants one plain run before, which `run` has made.

        A network that cannot be captured (one with branches or loops) answers the same without, some microseconds later.
        """
        cuda = self._cuda
        call(cuda, cuda.cudaStreamBeginCapture(self._stream, cuda.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal))
        captured = True
        try:
            self._enqueue(prepared.context, shapes)
        except EngineError:
            captured = False
        status, graph = cuda.cudaStreamEndCapture(self._stream)  # always, or the stream could not be used any more
        if not captured or int(status):
            cuda.cudaGetLastError()  # what broke the capture is over, and must not be taken for a failure of the next call
            self._captures = False
            return
        prepared.graph = call(cuda, cuda.cudaGraphInstantiate(graph, 0))
        call(cuda, cuda.cudaGraphDestroy(graph))

    def _drop_graph(self, prepared: _Prepared) -> None:
        if prepared.graph is not None:
            call(self._cuda, self._cuda.cudaGraphExecDestroy(prepared.graph))
            prepared.graph = None

    def _new_context(self) -> Any:
        """A context without working memory of its own, whose tensors lie in the buffers."""
        context = self._engine.create_execution_context(self._trt.ExecutionContextAllocationStrategy.USER_MANAGED)
        if context is None:
            raise OutOfMemoryError(
                f"The GPU has no memory left for the network {self._name}.", "Close other programs that use the GPU."
            )
        for name, buffer in self._buffers.items():
            self._set_address(context, name, buffer)
        return context

    def _make_buffers(self) -> None:
        context = self._shared.context
        self._set_shapes(context, tuple((name, tuple(size.largest for size in sizes)) for name, sizes in self._sizes.items()))
        for spec in (*self.inputs, *self.outputs):
            largest = _shape(context, spec.name)
            if any(size < 0 for size in largest):
                raise EngineError(
                    f"The size of the output {spec.name} of the network {self._name} depends on values.",
                    "Export it with outputs of a fixed length.",
                )
            buffer = self._buffers[spec.name] = Buffer(self._cuda, spec.dtype, largest)
            buffer.allocate()
            self._set_address(context, spec.name, buffer)

    def _set_address(self, context: Any, name: str, buffer: Buffer) -> None:
        if not context.set_tensor_address(name, buffer.device):
            raise EngineError(f"TensorRT refuses the memory for {name} of the network {self._name}.")

    def _set_shapes(self, context: Any, shapes: Shapes) -> None:
        for name, shape in shapes:
            if not context.set_input_shape(name, shape):
                raise EngineError(f"TensorRT refuses {list(shape)} as {name} of the network {self._name}.")

    def _memory_size(self) -> int:
        """Bytes that a run needs at most; the first releases of TensorRT 10 have the older name only."""
        new = getattr(self._engine, "device_memory_size_v2", None)
        return int(self._engine.device_memory_size if new is None else new)

    def _check_dtypes(self) -> None:
        """The names and dtypes of the engine's tensors must be those of its record."""
        stated = {spec.name: spec.dtype for spec in (*self.inputs, *self.outputs)}
        names = [self._engine.get_tensor_name(number) for number in range(self._engine.num_io_tensors)]
        if {name: dtype_name(self._trt, self._engine.get_tensor_dtype(name)) for name in names} != stated:
            raise EngineError(f"The engine of {self._name} has other inputs and outputs than its record.", "Build it again.")

    def _check_sizes(self, inputs: Mapping[str, NDArray[np.generic]]) -> None:
        for spec in self.inputs:
            for axis, size, limits in zip(spec.shape, inputs[spec.name].shape, self._sizes[spec.name], strict=True):
                if not limits.smallest <= size <= limits.largest:
                    raise EngineError(
                        f"The engine of {self._name} takes {limits.smallest} to {limits.largest} as {axis} of {spec.name}, not {size}.",
                        "Its sizes follow the recipe of the pack; use the pack's own, or --device cuda or cpu.",
                    )


@dataclass
class _Prepared:
    """A context, the working memory that it knows, and its CUDA graph where one was captured."""

    context: Any
    address: int = 0
    graph: Any = None


def _shape(context: Any, name: str) -> tuple[int, ...]:
    return tuple(context.get_tensor_shape(name))


def _set_memory(context: Any, address: int, size: int) -> None:
    if hasattr(context, "set_device_memory"):
        context.set_device_memory(address, size)
    else:  # the first releases of TensorRT 10
        context.device_memory = address


def _release(cuda: Any, stream: Any, buffers: dict[str, Buffer], prepared: dict[Shapes, _Prepared]) -> None:
    for each in prepared.values():
        if each.graph is not None:
            cuda.cudaGraphExecDestroy(each.graph)
    for buffer in buffers.values():
        buffer.free()
    cuda.cudaStreamDestroy(stream)
