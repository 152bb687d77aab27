"""Which device runs the networks: what was asked for, or the best that passes its self-test; never a silent fall-back.

``tensorrt`` means TensorRT itself where a driver, the package tensorrt and cuda-bindings are installed; else the TensorRT provider of ONNX
Runtime where it has one; else an error. ``openvino`` means the package openvino likewise, else ONNX Runtime's provider of that name. An
answer's provenance says which of the two computed it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import chain

from reid_edge.engines.contract import DeviceAbsentError, Engine
from reid_edge.engines.gpu import find_gpu
from reid_edge.engines.onnx_runtime import OnnxRuntimeEngine, conflicting_builds, require_onnxruntime
from reid_edge.engines.openvino_engine import has_openvino, is_preferred, open_openvino
from reid_edge.engines.profiles import AxisRanges, ranges_of_file
from reid_edge.engines.provider_options import CPU_PROVIDER, TENSORRT_PROVIDER, has_built, providers
from reid_edge.engines.self_test import canonical_inputs, check_numbers, compare_engines, usual_sizes
from reid_edge.engines.tensorrt_engine import is_built, missing_for_tensorrt, open_tensorrt
from reid_edge.errors import EngineError, UsageError
from reid_edge.installation import install_command
from reid_edge.threads import default_threads

# Best first. Each: the name on the command line, ONNX Runtime's provider, what to install when it is missing, and the extra that has it.
_DEVICES = (
    ("tensorrt", TENSORRT_PROVIDER, "Install TensorRT and the CUDA bindings: {}.", "tensorrt"),
    ("cuda", "CUDAExecutionProvider", "Install the GPU build of ONNX Runtime instead of the CPU one: {}.", "gpu"),
    ("openvino", "OpenVINOExecutionProvider", "Install it: {}.", "openvino"),
    ("cpu", CPU_PROVIDER, "Install it: {}.", "cpu"),
)
DEVICE_NAMES = ("auto", *(name for name, *_ in _DEVICES))

_INDEXED = ("tensorrt", "cuda")

_TENSORRT, _OPENVINO = "TensorRT", "OpenVINO"

NetworkFile = tuple[bytes, AxisRanges]
"""An ONNX file's bytes, and the sizes that its engine is built for."""


@dataclass(frozen=True)
class Device:
    """A device that networks can be opened on.

    Attributes:
        name: as on the command line, with its index where there is one: ``cuda:0``.
        provider: ONNX Runtime's execution provider, or ``TensorRT`` or ``OpenVINO`` for these themselves.
        index: of the GPU.
        threads: CPU threads for one run.
        runs: how many runs of one network may go on at the same time, where the engine can.
    """

    name: str
    provider: str
    index: int
    threads: int
    runs: int = 1


def available_devices(threads: int | None = None) -> list[Device]:
    """TensorRT and OpenVINO themselves, and the devices whose provider is part of the installed ONNX Runtime; best first, not yet
    self-tested."""
    native = [] if missing_for_tensorrt() else [Device("tensorrt", _TENSORRT, 0, threads or default_threads())]
    return native + _devices_without_driver(threads)


def _devices_without_driver(threads: int | None) -> list[Device]:
    """All but TensorRT itself."""
    present = {*require_onnxruntime().get_available_providers()} | ({_OPENVINO} if has_openvino() else set())
    count = threads or default_threads()
    found = []
    for name, provider, *_ in _DEVICES:
        native = [_OPENVINO] if name == "openvino" else []
        found += [Device(name, one, 0, count) for one in (*native, provider) if one in present]
    return found


def select_device(
    requested: str, probe: bytes, threads: int | None = None, networks: Callable[[], Iterable[NetworkFile]] = tuple
) -> Device:
    """Choose the device.

    Args:
        requested: a name of `DEVICE_NAMES`; that of a GPU with an optional index (``cuda:1``).
        probe: an ONNX file's bytes to self-test a device with.
        threads: CPU threads for one run; None is `default_threads`.
        networks: gives all that will be opened. ``auto`` takes TensorRT only where the engine of each is built, and OpenVINO where it is
            faster at them; they are read for this only.

    Raises:
        UsageError: no such device name.
        DeviceAbsentError: the device that was asked for is not installed.
        EngineError: it fails its self-test.
    """
    if requested == "auto":
        return _best_device(probe, threads, networks)
    chosen = find_device(requested, threads)
    if chosen.provider != CPU_PROVIDER:
        self_test(chosen, probe)
    return chosen


def find_device(requested: str, threads: int | None = None) -> Device:
    """The device of this name, not yet self-tested.

    Args:
        requested: a name of `DEVICE_NAMES` other than ``auto``; that of a GPU with an optional index (``cuda:1``).
        threads: CPU threads for one run; None is `default_threads`.

    Raises:
        UsageError: no such device name.
        DeviceAbsentError: it is not installed.
    """
    base, colon, index = requested.partition(":")
    if base not in DEVICE_NAMES[1:] or (colon and not (base in _INDEXED and index.isdecimal())):
        raise UsageError(
            f"There is no device called {requested!r}.",
            f"Choose one of: {', '.join(DEVICE_NAMES)}; with a number for the second GPU and further, as in cuda:1.",
        )
    # Looking for TensorRT starts the driver, which takes time; do it only where TensorRT was asked for.
    present = available_devices(threads) if base == "tensorrt" else _devices_without_driver(threads)
    for device in present:
        if device.name == base:
            return Device(requested, device.provider, int(index or 0), device.threads)
    raise _absent(requested, base)


def _best_device(probe: bytes, threads: int | None, networks: Callable[[], Iterable[NetworkFile]]) -> Device:
    """The best device that passes its self-test and whose engines are built. Building takes minutes: only ``--device tensorrt`` does it.

    The TensorRT provider of ONNX Runtime is never taken, because it builds again for every new size, in the middle of a photo.
    """
    for device in available_devices(threads):
        if device.provider == TENSORRT_PROVIDER:
            continue
        if device.provider == _OPENVINO:
            if is_preferred(networks(), device.threads):
                return device  # each of its networks has passed the self-test
            continue
        if not is_ready(device, probe, networks()):
            continue
        if device.provider == CPU_PROVIDER:
            return device  # the self-test compares with the CPU itself, so there is nothing to test
        try:
            self_test(device, probe)
        except EngineError:
            continue
        return device
    raise EngineError("No device of this machine passes its self-test.", "Run: reid-edge doctor")


def is_ready(device: Device, probe: bytes, networks: Iterable[NetworkFile]) -> bool:
    """Whether the device can be self-tested and can open all networks without building an engine first, which takes minutes.

    Args:
        device: from `find_device`.
        probe: what `self_test` opens.
        networks: read as far as is needed.

    Raises:
        EngineError: there is no GPU of this number.
    """
    if device.provider == _TENSORRT:
        files = chain([(probe, ranges_of_file(probe, "self-test"))], networks)
        return all(is_built(model, device.index, ranges) for model, ranges in files)
    if device.provider == TENSORRT_PROVIDER:
        gpu = find_gpu(device.index)
        return has_built(probe, gpu) and all(has_built(model, gpu) for model, _ in networks)
    return True


def open_engine(model: bytes, name: str, device: Device, ranges: AxisRanges | None = None) -> Engine:
    """Load a network on a device.

    Args:
        model: the ONNX file's bytes, already verified by the pack.
        name: the network's name, for messages.
        device: from `select_device`.
        ranges: the sizes that a TensorRT engine is built for, and OpenVINO is self-tested with; None takes what the file itself says, see
            `reid_edge.engines.profiles`.

    Raises:
        EngineError: the network cannot be loaded there.
    """
    if device.provider == _TENSORRT:
        engine, _ = open_tensorrt(model, name, device.index, ranges or ranges_of_file(model, name), device.threads)
        return engine
    if device.provider == _OPENVINO:
        return open_openvino(model, name, ranges or ranges_of_file(model, name), device.threads, runs=device.runs)[0]
    return OnnxRuntimeEngine(model, name, providers(device.provider, device.index, model), device.name, device.threads)


def self_test(device: Device, probe: bytes) -> None:
    """Run a network on a canonical input on this device, and compare with the CPU where it is another.

    An engine can load and still answer wrongly; this check finds that.

    Raises:
        EngineError: it does not load or run, or its answers are not finite or differ from the CPU's.
    """
    tested = open_engine(probe, "self-test", device)
    ranges = ranges_of_file(probe, "self-test")
    if device.provider == CPU_PROVIDER:
        check_numbers(tested.run(canonical_inputs(tested.inputs, usual_sizes(ranges))), device.name)
        return
    reference = open_engine(probe, "self-test", Device("cpu", CPU_PROVIDER, 0, device.threads))
    compare_engines(reference, tested, probe, device.name, ranges)


def _absent(requested: str, base: str) -> DeviceAbsentError:
    """The error for a device that this machine lacks: everything that is missing, and what to install."""
    if base != "tensorrt":
        hint = next(hint.format(install_command(extra)) for name, _, hint, extra in _DEVICES if name == base)
        if base == "openvino":
            return DeviceAbsentError("The device openvino was asked for, but the package openvino is not installed.", hint)
        hint = conflicting_builds() or hint
        return DeviceAbsentError(f"The device {requested} was asked for, but this ONNX Runtime has no provider for it.", hint)
    missing = missing_for_tensorrt()
    return DeviceAbsentError(
        " ".join(
            (f"The device {requested} was asked for, but something that it needs is missing.", *(e.message for e in missing))
        ),
        " ".join(dict.fromkeys(error.hint for error in missing)),
    )
