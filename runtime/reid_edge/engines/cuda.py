"""CUDA's runtime through cuda-bindings: its errors as EngineErrors, memory for tensors, and one block of working memory for all engines."""

from __future__ import annotations

import ctypes
import importlib
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid_edge.engines.contract import OutOfMemoryError
from reid_edge.errors import EngineError
from reid_edge.installation import how_to_install_cuda

CUDA_MODULE = "cuda.bindings.runtime"
_MEMORY_ALLOCATION = 2
_INSUFFICIENT_DRIVER = 35


def load_cuda() -> Any:
    """Import cuda-bindings. Look for a driver first, see `reid_edge.engines.gpu`.

    Raises:
        EngineError: it is not installed, or broken.
    """
    try:
        return importlib.import_module(CUDA_MODULE)
    except (ImportError, OSError) as error:
        raise EngineError(f"cuda-bindings cannot be imported ({error}).", how_to_install_cuda()) from error


def call(cuda: Any, answer: tuple[Any, ...]) -> Any:
    """What a CUDA function gives, which is a tuple that begins with its status.

    Raises:
        OutOfMemoryError: the GPU, or the machine, has no memory left.
        EngineError: it failed otherwise.
    """
    status, *values = answer
    if int(status) == _INSUFFICIENT_DRIVER:
        raise EngineError(
            "The NVIDIA driver is too old for the installed cuda-bindings, or there is none.",
            how_to_install_cuda(),
        )
    if int(status):
        _, text = cuda.cudaGetErrorString(status)
        cuda.cudaGetLastError()  # CUDA keeps an error until it is asked for, and the next call would seem to have failed
        if int(status) == _MEMORY_ALLOCATION:
            raise OutOfMemoryError("The GPU has no memory left.", "Close other programs that use the GPU.")
        raise EngineError(f"CUDA fails: {text.decode('utf-8', 'replace')}.", "Run: reid-edge doctor")
    return values[0] if values else None


class Buffer:
    """Memory for one tensor: pinned on the host, and on the GPU. Addresses never change."""

    def __init__(self, cuda: Any, dtype: str, largest: tuple[int, ...]) -> None:
        self._cuda, self._dtype = cuda, np.dtype(dtype)
        self._size = max(1, self.bytes_of(largest))
        self.host: int = 0
        self.device: int = 0

    def allocate(self) -> None:
        """Take the memory.

        Raises:
            EngineError: there is none left.
        """
        self.host = int(call(self._cuda, self._cuda.cudaMallocHost(self._size)))
        self.device = int(call(self._cuda, self._cuda.cudaMalloc(self._size)))

    def bytes_of(self, shape: tuple[int, ...]) -> int:
        """The bytes of an array of this shape."""
        return int(np.prod(shape, dtype=np.int64)) * self._dtype.itemsize

    def host_array(self, shape: tuple[int, ...]) -> NDArray[np.generic]:
        """The beginning of the host's memory as an array of this shape."""
        raw = memoryview((ctypes.c_char * self.bytes_of(shape)).from_address(self.host))
        return np.asarray(raw).view(self._dtype).reshape(shape)

    def free(self) -> None:
        """Give the memory back."""
        if self.device:
            self._cuda.cudaFree(self.device)
        if self.host:
            self._cuda.cudaFreeHost(self.host)


class Workspace:
    """One block of working memory on a GPU, as large as the largest need of the engines that share it.

    Attributes:
        lock: whoever runs an engine holds it until the run is over: the block is one run's at a time.
        address: of the block on the GPU; another one once the block has grown, so that CUDA graphs that hold the old one are of no use.
        size: bytes.
    """

    def __init__(self, cuda: Any) -> None:
        self._cuda = cuda
        self.lock = Lock()
        self.address = 0
        self.size = 0

    def reserve(self, size: int) -> None:
        """Let the block have at least so many bytes. Hold the lock.

        Raises:
            EngineError: the GPU has no memory left.
        """
        if size <= self.size:
            return
        if self.address:
            call(self._cuda, self._cuda.cudaFree(self.address))
            self.address = self.size = 0
        self.address = int(call(self._cuda, self._cuda.cudaMalloc(size)))
        self.size = size


_WORKSPACES: dict[tuple[int, int], Workspace] = {}
_CREATING = Lock()


def workspace_of(cuda: Any, index: int) -> Workspace:
    """The block of this GPU, one in the whole process."""
    with _CREATING:
        return _WORKSPACES.setdefault((id(cuda), index), Workspace(cuda))
