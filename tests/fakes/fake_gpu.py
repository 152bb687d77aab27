"""A GPU without a card: CUDA's memory, streams and graphs on the host, and a TensorRT whose engines ONNX Runtime runs.

It keeps the rules that code for a GPU breaks unnoticed: what is captured is not run, a context must not change inside a capture or after
one, an error stays until it is asked for, working memory has to exist and is one run's at a time.
"""

from __future__ import annotations

import ctypes
import threading
from types import SimpleNamespace

import numpy as np

from reid_edge.engines.gpu import Gpu
from reid_edge.engines.onnx_runtime import OnnxRuntimeEngine

GPU = Gpu(0, "Orin", "8.7", "540.4.0 CUDA 12.6", 12, 8 << 30, True)


class FakeCuda:
    """The functions of cuda.bindings.runtime that an engine calls."""

    cudaMemcpyKind = SimpleNamespace(cudaMemcpyHostToDevice=1, cudaMemcpyDeviceToHost=2)
    cudaStreamCaptureMode = SimpleNamespace(cudaStreamCaptureModeThreadLocal=1)

    def __init__(self, memory: int = 1 << 30) -> None:
        self.free, self.memory = memory, {}
        self.captured: list | None = None
        self.refuse_capture = False
        self.pending = 0
        self.launches = self.instantiated = self.destroyed = 0
        self.running = threading.Lock()

    def _result(self, *values):
        return (self.pending, *values)

    def cudaGetLastError(self):
        status, self.pending = self.pending, 0
        return (status,)

    def cudaGetErrorString(self, status):
        return 0, b"error %d" % int(status)

    def cudaSetDevice(self, index):
        return self._result()

    def cudaStreamCreateWithFlags(self, flags):
        return self._result(1)

    def cudaStreamDestroy(self, stream):
        return (0,)

    def cudaStreamSynchronize(self, stream):
        assert self.captured is None
        return self._result()

    def cudaMalloc(self, size):
        if size > self.free:
            self.pending = 2
            return 2, 0
        memory = (ctypes.c_char * size)()
        self.free -= size
        self.memory[ctypes.addressof(memory)] = memory
        return self._result(ctypes.addressof(memory))

    def cudaMallocHost(self, size):
        memory = (ctypes.c_char * size)()
        self.memory[ctypes.addressof(memory)] = memory
        return self._result(ctypes.addressof(memory))

    def cudaFree(self, address):
        self.free += len(self.memory.pop(address))
        return self._result()

    def cudaFreeHost(self, address):
        self.memory.pop(address)
        return self._result()

    def cudaMemcpyAsync(self, to, source, size, kind, stream):
        self.do(lambda: ctypes.memmove(to, source, size))
        return self._result()

    def cudaStreamBeginCapture(self, stream, mode):
        self.captured = []
        return self._result()

    def cudaStreamEndCapture(self, stream):
        graph, self.captured = self.captured, None
        if self.refuse_capture:
            self.pending = 901
            return 901, None
        return self._result(graph)

    def cudaGraphInstantiate(self, graph, flags):
        self.instantiated += 1
        return self._result(list(graph))

    def cudaGraphDestroy(self, graph):
        return self._result()

    def cudaGraphExecDestroy(self, graph):
        self.destroyed += 1
        return (0,)

    def cudaGraphLaunch(self, graph, stream):
        self.launches += 1
        for step in graph:
            step()
        return self._result()

    def do(self, step) -> None:
        if self.captured is None:
            step()
        else:
            self.captured.append(step)


class FakeTensorRT:
    """The module tensorrt, as far as an engine is loaded and run; an engine's bytes are its ONNX file."""

    ExecutionContextAllocationStrategy = SimpleNamespace(USER_MANAGED="user")

    class Logger:
        ERROR = 1

        def __init__(self, level) -> None:
            pass

    def __init__(self, cuda: FakeCuda, needs: int = 1000, error: float = 0.0) -> None:
        self.cuda, self.needs, self.error = cuda, needs, error
        self.contexts: list[FakeContext] = []

    def Runtime(self, log):
        return SimpleNamespace(deserialize_cuda_engine=lambda content: FakeEngine(self, content))

    def nptype(self, dtype):
        return np.dtype(dtype)


class FakeEngine:
    def __init__(self, trt: FakeTensorRT, content: bytes) -> None:
        self.trt, self.network = trt, OnnxRuntimeEngine(content, "fake", [("CPUExecutionProvider", {})], "cpu", 1)
        self.tensors = [*self.network.inputs, *self.network.outputs]
        self.num_io_tensors, self.device_memory_size_v2 = len(self.tensors), trt.needs

    def get_tensor_name(self, number):
        return self.tensors[number].name

    def get_tensor_dtype(self, name):
        return next(spec.dtype for spec in self.tensors if spec.name == name)

    def create_execution_context(self, strategy):
        assert strategy == "user"
        context = FakeContext(self)
        self.trt.contexts.append(context)
        return context


class FakeContext:
    def __init__(self, engine: FakeEngine) -> None:
        self.engine, self.cuda = engine, engine.trt.cuda
        self.shapes, self.addresses, self.memory = {}, {}, (0, 0)
        self.in_graph = False

    def set_input_shape(self, name, shape):
        assert self.cuda.captured is None, "a shape is set inside of a capture"
        assert not self.in_graph, "a context that a graph was captured from is changed"
        self.shapes[name] = tuple(shape)
        return True

    def set_tensor_address(self, name, address):
        assert address in self.cuda.memory
        self.addresses[name] = address
        return True

    def set_device_memory(self, address, size):
        assert size >= self.engine.trt.needs
        self.memory = (address, size)
        self.in_graph = False

    def get_tensor_shape(self, name):
        if name in self.shapes:
            return self.shapes[name]
        inputs = {spec.name: np.zeros(self.shapes[spec.name], spec.dtype) for spec in self.engine.network.inputs}
        return self.engine.network.run(inputs)[name].shape

    def execute_async_v3(self, stream):
        self.in_graph = self.in_graph or self.cuda.captured is not None
        shapes, memory = dict(self.shapes), self.memory
        self.cuda.do(lambda: self._compute(shapes, memory))
        return True

    def _compute(self, shapes, memory) -> None:
        assert memory[0] in self.cuda.memory, "the working memory was freed"
        assert self.cuda.running.acquire(blocking=False), "two runs share the working memory"
        inputs = {}
        for spec in self.engine.network.inputs:
            array = np.zeros(shapes[spec.name], spec.dtype)
            ctypes.memmove(array.ctypes.data, self.addresses[spec.name], array.nbytes)
            inputs[spec.name] = array
        for name, value in self.engine.network.run(inputs).items():
            wrong = np.ascontiguousarray(value + np.asarray(self.engine.trt.error, value.dtype))
            ctypes.memmove(self.addresses[name], wrong.ctypes.data, wrong.nbytes)
        self.cuda.running.release()
