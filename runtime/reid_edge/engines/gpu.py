"""The NVIDIA GPUs of this machine, asked of the driver itself.

TensorRT's libraries crash a process, or fail with words that say nothing, where there is no driver; so the driver is asked first, by
its own C interface (https://docs.nvidia.com/cuda/cuda-driver-api), which needs no package.
"""

from __future__ import annotations

import ctypes
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reid_edge.errors import EngineError

_LIBRARY = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
_NO_DEVICE = 100
_COMPUTE_CAPABILITY_MAJOR, _COMPUTE_CAPABILITY_MINOR, _INTEGRATED = 75, 76, 18
_INSTALL = "Install the NVIDIA driver (on a Jetson it is part of JetPack), or use --device cpu."


@dataclass(frozen=True)
class Gpu:
    """One GPU.

    Attributes:
        index: as in ``cuda:1``.
        name: as the driver gives it.
        compute_capability: such as ``8.7``.
        driver: the driver's version where the system tells it, and the newest CUDA that it runs.
        cuda: that CUDA's major version.
        memory: bytes, of the GPU; of the whole machine where it is integrated.
        integrated: it has no memory of its own, as on a Jetson: what a network takes, the system and other programs lack.
    """

    index: int
    name: str
    compute_capability: str
    driver: str
    cuda: int
    memory: int = 0
    integrated: bool = False


def find_gpus() -> list[Gpu]:
    """All GPUs, at least one.

    Raises:
        EngineError: there is no driver, it does not start, or it finds no GPU.
    """
    try:
        cuda = ctypes.CDLL(_LIBRARY)
    except OSError:
        raise EngineError(f"There is no NVIDIA driver on this machine ({_LIBRARY} cannot be loaded).", _INSTALL) from None
    started = cuda.cuInit(0)
    if started == _NO_DEVICE:
        raise EngineError("The NVIDIA driver finds no GPU.", "Look at what nvidia-smi says, or use --device cpu.")
    if started:
        raise EngineError(f"The NVIDIA driver does not start: {_error_name(cuda, started)}.", _INSTALL)
    version = ctypes.c_int()
    _check(cuda, cuda.cuDriverGetVersion(ctypes.byref(version)))
    driver = f"{_driver_version()} CUDA {version.value // 1000}.{version.value % 1000 // 10}".strip()
    count = ctypes.c_int()
    _check(cuda, cuda.cuDeviceGetCount(ctypes.byref(count)))
    if not count.value:
        raise EngineError("The NVIDIA driver finds no GPU.", "Look at what nvidia-smi says, or use --device cpu.")
    return [_gpu(cuda, index, driver, version.value // 1000) for index in range(count.value)]


def find_gpu(index: int) -> Gpu:
    """The GPU of this number.

    Raises:
        EngineError: see `find_gpus`; or there are not so many.
    """
    gpus = find_gpus()
    if index >= len(gpus):
        listed = ", ".join(f"cuda:{gpu.index} {gpu.name}" for gpu in gpus)
        raise EngineError(f"There is no GPU number {index}.", f"This machine has: {listed}.")
    return gpus[index]


def _gpu(cuda: Any, index: int, driver: str, cuda_major: int) -> Gpu:
    device, name = ctypes.c_int(), ctypes.create_string_buffer(256)
    _check(cuda, cuda.cuDeviceGet(ctypes.byref(device), index))
    _check(cuda, cuda.cuDeviceGetName(name, len(name), device))
    major, minor = (_attribute(cuda, device, number) for number in (_COMPUTE_CAPABILITY_MAJOR, _COMPUTE_CAPABILITY_MINOR))
    memory = ctypes.c_size_t()
    _check(cuda, cuda.cuDeviceTotalMem_v2(ctypes.byref(memory), device))
    integrated = bool(_attribute(cuda, device, _INTEGRATED))
    return Gpu(index, name.value.decode("utf-8", "replace"), f"{major}.{minor}", driver, cuda_major, memory.value, integrated)


def _attribute(cuda: Any, device: ctypes.c_int, number: int) -> int:
    value = ctypes.c_int()
    _check(cuda, cuda.cuDeviceGetAttribute(ctypes.byref(value), number, device))
    return value.value


def _driver_version() -> str:
    """Such as ``580.65.06``; empty where the kernel does not tell it."""
    try:
        return Path("/sys/module/nvidia/version").read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


def _check(cuda: Any, status: int) -> None:
    if status:
        raise EngineError(f"The NVIDIA driver fails: {_error_name(cuda, status)}.", "Run nvidia-smi, and restart the machine.")


def _error_name(cuda: Any, status: int) -> str:
    text = ctypes.c_char_p()
    cuda.cuGetErrorName(status, ctypes.byref(text))
    return text.value.decode("ascii", "replace") if text.value else f"error {status}"
