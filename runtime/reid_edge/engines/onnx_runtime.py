"""ONNX Runtime as an engine."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from reid_edge.engines.contract import OutOfMemoryError, Provenance, TensorSpec, check_inputs
from reid_edge.errors import EngineError
from reid_edge.installation import install_command

if TYPE_CHECKING:
    import onnxruntime

_DTYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(int64)": "int64",
    "tensor(int32)": "int32",
    "tensor(uint8)": "uint8",
    "tensor(bool)": "bool",
}

# A dynamic axis is warmed up at this size: the smallest multiple of 32 that every keypoint network of the catalogue accepts.
_WARM_UP_AXIS = 64


# Builds of ONNX Runtime, best first. All are the module onnxruntime: the one that pip installed last has overwritten the others.
_BUILDS = ("onnxruntime-gpu", "onnxruntime-openvino", "onnxruntime-rocm", "onnxruntime-directml", "onnxruntime")


def conflicting_builds() -> str:
    """What to do where several builds of ONNX Runtime are installed over one another, with the two commands; else ''."""
    from importlib.metadata import PackageNotFoundError, distribution

    found = []
    for name in _BUILDS:
        with contextlib.suppress(PackageNotFoundError):
            found.append(distribution(name).metadata["Name"] or name)
    if len(found) < 2:
        return ""
    return (
        f"{' and '.join(found)} are installed over one another, and only the last one works. "
        f"Run: pip uninstall -y {' '.join(found)}; then: pip install {found[0]}"
    )


def require_onnxruntime() -> Any:
    """Import onnxruntime, or say how to get it.

    Raises:
        EngineError: it is not installed.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise EngineError(
            f"ONNX Runtime cannot be imported ({error}).",
            f"Install it: {install_command('cpu')}; on a machine with an NVIDIA GPU: {install_command('gpu')}.",
        ) from error
    return onnxruntime


def preload_cuda() -> None:
    """Load the CUDA libraries of NVIDIA's packages, which no search path of the system leads to, before a session needs them.

    ONNX Runtime 1.21 and later can. What it prints about libraries that are missing is dropped: the session says whether it can do without.
    """
    preload = getattr(require_onnxruntime(), "preload_dlls", None)
    if preload is not None:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(Exception):
            preload()


class OnnxRuntimeEngine:
    """A network in an ONNX Runtime session.

    Threads do not spin while they wait, so that two processes on one machine share its cores instead of fighting for them.
    """

    def __init__(
        self, model: bytes, name: str, providers: Sequence[tuple[str, dict[str, str]]], device: str, threads: int
    ) -> None:
        """Load a network.

        Args:
            model: the ONNX file's bytes, already verified by the pack.
            name: the network's name, for messages.
            providers: execution providers with their options, the wanted one first.
            device: the device's name, for provenance.
            threads: threads for one run on the CPU.

        Raises:
            EngineError: the session cannot be made, or silently fell back from the wanted provider.
        """
        ort = require_onnxruntime()
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # A plan of the memory that a run will need is kept beside the memory that the run without a plan took: twice as much, no faster.
        options.enable_mem_pattern = False
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 4
        wanted = providers[0][0]
        try:
            session: onnxruntime.InferenceSession = ort.InferenceSession(model, options, providers=list(providers))
        except Exception as error:
            raise _engine_error(f"{wanted} cannot load the network {name}", error) from error
        if session.get_providers()[0] != wanted:
            raise EngineError(
                f"{wanted} was asked for but ONNX Runtime fell back to {session.get_providers()[0]} for the network {name}.",
                "Its driver or CUDA libraries are missing or of another version; reid-edge doctor says what this machine can run.",
            )
        self._session = session
        self._name = name
        self.concurrent = wanted == "CPUExecutionProvider"
        self.inputs = tuple(_spec(node) for node in session.get_inputs())
        self.outputs = tuple(_spec(node) for node in session.get_outputs())
        self.provenance = Provenance(f"onnxruntime {ort.__version__}", wanted, device, threads)

    def run(self, inputs: Mapping[str, NDArray[np.generic]]) -> dict[str, NDArray[np.generic]]:
        """See `Engine.run`."""
        check_inputs(self._name, self.inputs, inputs)
        names = [spec.name for spec in self.outputs]
        try:
            values = self._session.run(names, dict(inputs))
        except Exception as error:
            raise _engine_error(f"The network {self._name} failed", error) from error
        return dict(zip(names, values, strict=True))

    def warm_up(self) -> None:
        """See `Engine.warm_up`."""
        self.run(warm_up_inputs(self.inputs))


def warm_up_inputs(inputs: Sequence[TensorSpec]) -> dict[str, NDArray[np.generic]]:
    """Zeros for a network's inputs, dynamic axes at a small legal size."""
    return {
        spec.name: np.zeros(
            [axis if isinstance(axis, int) else (1 if number == 0 else _WARM_UP_AXIS) for number, axis in enumerate(spec.shape)],
            spec.dtype,
        )
        for spec in inputs
    }


def _spec(node: Any) -> TensorSpec:
    dtype = _DTYPES.get(node.type)
    if dtype is None:
        raise EngineError(f"The tensor {node.name} has the type {node.type}, which no stage uses.")
    shape = tuple(axis if isinstance(axis, int) else str(axis) for axis in node.shape)
    return TensorSpec(node.name, dtype, shape)


# What ONNX Runtime, CUDA and cuBLAS call it; ONNX Runtime gives no code.
_OUT_OF_MEMORY = ("out of memory", "failed to allocate memory", "alloc_failed", "bad_alloc")


def _engine_error(what: str, error: Exception) -> EngineError:
    """ONNX Runtime's exception as one of ours."""
    if any(words in str(error).lower() for words in _OUT_OF_MEMORY):
        return OutOfMemoryError(f"{what}: no memory is left.", "Close other programs that use it, or use --device cpu.")
    return EngineError(f"{what}: {_first_line(error)}", "Run: reid-edge doctor")


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
