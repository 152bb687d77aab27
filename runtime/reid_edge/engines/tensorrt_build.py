"""An ONNX network becomes a TensorRT engine: by TensorRT 10 or 11 for the GPU at hand, by TensorRT-RTX for a named one and without any.

The three packages have the same interface. Networks are strongly typed everywhere, so precision is a property of the ONNX file and
nothing is chosen here; TF32 is off for the same reason: float32 in the file is float32 in the engine.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from reid_edge.engines.build_progress import Report
from reid_edge.engines.contract import TensorSpec
from reid_edge.engines.gpu import Gpu
from reid_edge.engines.profiles import AxisRanges, SizeRange
from reid_edge.errors import EngineError
from reid_edge.installation import how_to_install_tensorrt

LibraryName = Literal["tensorrt", "tensorrt_rtx"]

# Part of every engine's key; raise it when the code below builds another engine of the same network.
OPTIONS = {"revision": 2, "tf32": False}

_OLDEST = 10


@dataclass(frozen=True)
class Library:
    """An imported TensorRT: ``tensorrt`` or ``tensorrt_rtx``, its version, its module."""

    name: LibraryName
    version: str
    module: Any

    def __str__(self) -> str:
        return f"{self.name} {self.version}"

    @property
    def title(self) -> str:
        """As people write it."""
        return "TensorRT" if self.name == "tensorrt" else "TensorRT-RTX"

    @property
    def device(self) -> str:
        """As ``--device`` calls it."""
        return self.name.replace("_", "-")


@dataclass(frozen=True)
class BuiltEngine:
    """A fresh engine.

    Attributes:
        content: the serialised engine.
        inputs, outputs: of the network; dynamic axes by the names of the graph.
        timing_cache: what the builder measured, to be given to the next build; empty for TensorRT-RTX, which measures nothing.
        seconds: what parsing and building took.
    """

    content: bytes
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    timing_cache: bytes
    seconds: float


def load_library(name: LibraryName) -> Library:
    """Import a TensorRT. With ``tensorrt``, ask `reid_edge.engines.gpu` for a driver first: some builds of it crash without one.

    Raises:
        EngineError: it is not installed, or too old.
    """
    try:
        module: Any = importlib.import_module(name)
    except (ImportError, OSError) as error:
        raise EngineError(f"{name} cannot be imported ({error}).", how_to_install_tensorrt(name)) from error
    version = str(module.__version__)
    if name == "tensorrt" and int(version.split(".")[0]) < _OLDEST:
        raise EngineError(f"TensorRT {version} is too old; reid-edge needs {_OLDEST} or newer.", how_to_install_tensorrt(name))
    return Library(name, version, module)


def workspace_limit(gpu: Gpu) -> int:
    """How much memory the builder may take for a layer's working space, in bytes: a quarter of a GPU's own memory; an eighth where the GPU
    shares that of the machine, as a Jetson does. 0, the library's own limit, where the driver does not tell the memory.
    """
    return gpu.memory // (8 if gpu.integrated else 4)


def build_engine(
    model: bytes,
    name: str,
    library: Library,
    ranges: AxisRanges,
    report: Report,
    *,
    target: str = "",
    timing_cache: bytes = b"",
    workspace: int = 0,
) -> BuiltEngine:
    """Build the engine of one network.

    Args:
        model: the ONNX file's bytes, already verified by the pack.
        name: the network's name, for messages.
        library: TensorRT for the current CUDA device, or TensorRT-RTX.
        ranges: the sizes of its dynamic axes.
        report: called with the share that is done.
        target: for TensorRT-RTX the generation of GPU to build for, as ``SM86``.
        timing_cache: what an earlier build of the same library on the same GPU measured.
        workspace: bytes of working space of a layer at most; 0 for the library's own limit, which is all memory of the GPU.

    Raises:
        EngineError: TensorRT refuses the network, or it has a dynamic axis without a range.
        KeyboardInterrupt: the user stopped it.
    """
    begin = time.monotonic()
    trt = library.module
    log = _make_log(trt)
    try:
        builder = trt.Builder(log)
    except TypeError as error:  # what the bindings make of a builder that could not be made
        raise EngineError(f"{library} does not start: {log.first_error()}", "Run: reid-edge doctor") from error
    network = builder.create_network(_creation_flags(library))
    parser = trt.OnnxParser(network, log)
    if not parser.parse(model):
        raise EngineError(
            f"{library} refuses the network {name}: {_parser_errors(parser)}", "Use another engine for it, such as --device cuda."
        )
    tensors = [network.get_input(index) for index in range(network.num_inputs)]
    inputs = tuple(_spec(trt, tensor) for tensor in tensors)
    outputs = tuple(_spec(trt, network.get_output(index)) for index in range(network.num_outputs))
    config = builder.create_builder_config()
    config.clear_flag(trt.BuilderFlag.TF32)
    config.add_optimization_profile(_profile(builder, inputs, ranges, name))
    monitor = _make_monitor(trt, report)
    config.progress_monitor = monitor
    if workspace:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, workspace)
    if library.name == "tensorrt_rtx":
        config.num_compute_capabilities = 1
        config.set_compute_capability(trt.ComputeCapability.__members__[target], 0)
    else:
        _use_timing_cache(config, timing_cache)
    engine = builder.build_serialized_network(network, config)
    if monitor.interrupted is not None:
        raise monitor.interrupted
    if engine is None:
        raise EngineError(
            f"{library} cannot build the network {name}: {log.first_error()}", "Use another engine for it, such as --device cuda."
        )
    report(1.0)
    times = b"" if library.name == "tensorrt_rtx" else bytes(memoryview(config.get_timing_cache().serialize()))
    return BuiltEngine(bytes(memoryview(engine)), inputs, outputs, times, time.monotonic() - begin)


def sizes_of(shape: Sequence[int | str], ranges: AxisRanges, name: str) -> tuple[SizeRange, ...]:
    """The range of every axis of a shape; a fixed axis has one size only.

    Raises:
        EngineError: a dynamic axis has no range; `name` is the network's.
    """
    for axis in shape:
        if isinstance(axis, str) and axis not in ranges:
            raise EngineError(
                f"The network {name} has a dynamic axis {axis!r}, which has no range of sizes.",
                f"Export it with axes named {', '.join(ranges)}, or with a fixed size.",
            )
    return tuple(ranges[axis] if isinstance(axis, str) else SizeRange(axis, axis, axis) for axis in shape)


def _use_timing_cache(config: Any, timing_cache: bytes) -> None:
    """Give the builder what earlier builds measured; an empty cache where it refuses that."""
    for content in (timing_cache, b""):
        measured = config.create_timing_cache(content)
        if measured is not None and config.set_timing_cache(measured, False):
            return


def _creation_flags(library: Library) -> int:
    """Strongly typed: an option of TensorRT 10, the only way of later ones."""
    if library.name == "tensorrt" and library.version.startswith("10."):
        return 1 << int(library.module.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    return 0


def _profile(builder: Any, inputs: Sequence[TensorSpec], ranges: AxisRanges, name: str) -> Any:
    profile = builder.create_optimization_profile()
    for spec in inputs:
        sizes = sizes_of(spec.shape, ranges, name)
        smallest, usual, largest = ([getattr(size, end) for size in sizes] for end in ("smallest", "usual", "largest"))
        profile.set_shape(spec.name, smallest, usual, largest)
    return profile


def _spec(trt: Any, tensor: Any) -> TensorSpec:
    shape = tuple(
        size if size >= 0 else (tensor.get_dimension_name(axis) or f"{tensor.name}_{axis}")
        for axis, size in enumerate(tensor.shape)
    )
    return TensorSpec(tensor.name, dtype_name(trt, tensor.dtype), shape)


def dtype_name(trt: Any, dtype: Any) -> str:
    """The numpy name of TensorRT's data type."""
    import numpy as np

    return str(np.dtype(trt.nptype(dtype)).name)


def _parser_errors(parser: Any) -> str:
    """Every reason of a refusal once, each with the operator that it is about."""
    reasons = []
    for error in (parser.get_error(index) for index in range(parser.num_errors)):
        where = " ".join(filter(None, (error.node_operator(), error.node_name())))
        reasons.append(f"{where}: {error.desc()}" if where else error.desc())
    return "; ".join(dict.fromkeys(reasons)) or "it gives no reason."


def _make_log(trt: Any) -> Any:
    """TensorRT's log, of which only the errors are kept, for the message of the exception."""

    class Log(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.errors: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            if severity <= trt.ILogger.ERROR:
                self.errors.append(message.strip())

        def first_error(self) -> str:
            return self.errors[0] if self.errors else "it gives no reason."

    return Log()


def _make_monitor(trt: Any, report: Report) -> Any:
    """TensorRT's phases, which lie within one another, as one share of the whole.

    An exception must not leave a callback, whose caller is C++; so Ctrl-C is kept until TensorRT has stopped.
    """

    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self.phases: dict[str, tuple[str | None, int, int]] = {}  # name: the phase around it, its steps, steps done
            self.furthest = 0.0  # a phase that turns out to have phases of its own does not take the bar back
            self.interrupted: BaseException | None = None

        def phase_start(self, name: str, parent: str | None, steps: int) -> None:
            self.phases[name] = (parent, max(1, steps), 0)

        def step_complete(self, name: str, step: int) -> bool:
            try:
                parent, steps, _ = self.phases[name]
                self.phases[name] = (parent, steps, min(steps, step + 1))
                self.furthest = max(self.furthest, self.share(name))
                report(self.furthest)
            except BaseException as error:
                self.interrupted = error
            return self.interrupted is None

        def phase_finish(self, name: str) -> None:
            self.phases.pop(name, None)

        def share(self, name: str) -> float:
            """The share of the outermost phase that is done, as seen from one phase: 0..1."""
            done, here = 0.0, self.phases.get(name)
            while here:
                parent, steps, complete = here
                done = min(1.0, (complete + done) / steps)
                here = self.phases.get(parent) if parent else None
            return done

    return Monitor()
