"""Which device runs the networks: what was asked for, or the best that passes its self-test; never a silent fall-back.

``tensorrt`` means TensorRT itself where a driver, the package tensorrt and cuda-bindings are installed; else the TensorRT provider of ONNX
Runtime where it has one; else an error. ``tensorrt-rtx`` means the same of TensorRT-RTX, and ``openvino`` of the package openvino. An
answer's provenance says which of the two computed it. A device that passed its self-test is not tested again until something changes that
the answers depend on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from reid_edge.engines.contract import DeviceAbsentError, Engine
from reid_edge.engines.engine_cache import EngineKey, key_of
from reid_edge.engines.gpu import find_gpu
from reid_edge.engines.measured import Measured, processor_name
from reid_edge.engines.onnx_runtime import OnnxRuntimeEngine, conflicting_builds, require_onnxruntime
from reid_edge.engines.openvino_engine import has_openvino, is_preferred, open_openvino
from reid_edge.engines.profiles import AxisRanges, fitted, ranges_of_file
from reid_edge.engines.provider_options import CPU_PROVIDER, RTX_PROVIDER, TENSORRT_PROVIDER, has_built, providers
from reid_edge.engines.self_test import canonical_inputs, check_numbers, compare_engines, usual_sizes
from reid_edge.engines.tensorrt_build import LibraryName
from reid_edge.engines.tensorrt_opening import Place, engine_key, is_built, missing_for_tensorrt, open_tensorrt
from reid_edge.errors import EngineError, UsageError
from reid_edge.installation import how_to_install_onnxruntime_gpu, install_command
from reid_edge.threads import default_threads

# Best first: the name on the command line, and ONNX Runtime's provider.
_DEVICES = (
    ("tensorrt", TENSORRT_PROVIDER),
    ("tensorrt-rtx", RTX_PROVIDER),
    ("cuda", "CUDAExecutionProvider"),
    ("openvino", "OpenVINOExecutionProvider"),
    ("cpu", CPU_PROVIDER),
)
DEVICE_NAMES = ("auto", *(name for name, _ in _DEVICES))

_CPU, _OPENVINO = "cpu", "OpenVINO"
_GPUS = ("tensorrt", "tensorrt-rtx", "cuda")
# TensorRT itself instead of ONNX Runtime with it: what stands for the provider, and the library by the device's name.
_NATIVE = {"TensorRT": "tensorrt", "TensorRT-RTX": "tensorrt-rtx"}
_LIBRARIES: dict[str, LibraryName] = {"tensorrt": "tensorrt", "tensorrt-rtx": "tensorrt_rtx"}
_BUILD_IN_A_RUN = (TENSORRT_PROVIDER, RTX_PROVIDER)

NetworkFile = tuple[bytes, AxisRanges]
"""An ONNX file's bytes, and the sizes that its engine is built for."""
NetworkFiles = Callable[[bool], Iterable[NetworkFile]]
"""Gives the networks of a recipe, as a GPU runs them (True) or another device."""


@dataclass(frozen=True)
class Device:
    """A device that networks can be opened on.

    Attributes:
        name: as on the command line, with its index where there is one: ``cuda:0``.
        provider: ONNX Runtime's execution provider, or ``TensorRT``, ``TensorRT-RTX`` or ``OpenVINO`` for these themselves.
        index: of the GPU.
        threads: CPU threads for one run.
        runs: how many runs of one network may go on at the same time, where the engine can.
    """

    name: str
    provider: str
    index: int
    threads: int
    runs: int = 1

    @property
    def is_gpu(self) -> bool:
        """Whether it is a GPU of NVIDIA."""
        return self.name.partition(":")[0] in _GPUS

    @property
    def place(self) -> Place:
        """Where TensorRT itself runs its engines."""
        return Place(self.index, self.threads, _LIBRARIES[_NATIVE[self.provider]])


def available_devices(threads: int | None = None) -> list[Device]:
    """TensorRT and OpenVINO themselves, and the devices whose provider is part of the installed ONNX Runtime; best first, not yet
    self-tested."""
    count = threads or default_threads()
    native = [
        Device(name, provider, 0, count)
        for provider, name in _NATIVE.items()
        if not missing_for_tensorrt(library=_LIBRARIES[name])
    ]
    return native + _devices_without_driver(threads)


def _devices_without_driver(threads: int | None) -> list[Device]:
    """All but TensorRT itself."""
    present = {*require_onnxruntime().get_available_providers()} | ({_OPENVINO} if has_openvino() else set())
    count = threads or default_threads()
    found = []
    for name, provider in _DEVICES:
        native = [_OPENVINO] if name == "openvino" else []
        found += [Device(name, one, 0, count) for one in (*native, provider) if one in present]
    return found


def select_device(
    requested: str,
    probe: bytes,
    threads: int | None = None,
    networks: NetworkFiles = lambda gpu: (),
    ranges: AxisRanges | None = None,
) -> Device:
    """Choose the device.

    Args:
        requested: a name of `DEVICE_NAMES`; that of a GPU with an optional index (``cuda:1``).
        probe: an ONNX file's bytes to self-test a device with.
        threads: CPU threads for one run; None is `default_threads`.
        networks: gives all that will be opened, on a GPU (True) or elsewhere. ``auto`` takes TensorRT only where the engine of each is
            built, and OpenVINO where it is faster at them; they are read for this only.
        ranges: the sizes that the probe will be opened for; None takes what its file says. An engine is found by its sizes too, so these
            have to be the recipe's where the probe is a network of a recipe.

    Raises:
        UsageError: no such device name.
        DeviceAbsentError: the device that was asked for is not installed.
        EngineError: it fails its self-test.
    """
    if requested == "auto":
        return _best_device((probe, ranges_of_file(probe, "self-test") if ranges is None else ranges), threads, networks)
    chosen = find_device(requested, threads)
    if chosen.provider != CPU_PROVIDER:
        self_test(chosen, probe, ranges, again=False)
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
    if base not in DEVICE_NAMES[1:] or (colon and not (base in _GPUS and index.isdecimal())):
        raise UsageError(
            f"There is no device called {requested!r}.",
            f"Choose one of: {', '.join(DEVICE_NAMES)}; with a number for the second GPU and further, as in cuda:1.",
        )
    # Looking for TensorRT starts the driver, which takes time; do it only where TensorRT was asked for.
    present = available_devices(threads) if base in _LIBRARIES else _devices_without_driver(threads)
    for device in present:
        if device.name == base:
            return Device(requested, device.provider, int(index or 0), device.threads)
    raise _absent(requested, base)


def _best_device(probe: NetworkFile, threads: int | None, networks: NetworkFiles) -> Device:
    """The best device that passes its self-test and whose engines are built. Building takes minutes: only ``--device tensorrt`` does it.

    The TensorRT providers of ONNX Runtime are never taken, because they build in the middle of a start.
    """
    for device in available_devices(threads):
        if device.provider in _BUILD_IN_A_RUN:
            continue
        if device.provider == _OPENVINO:
            if is_preferred(networks(False), device.threads):
                return device  # each of its networks has passed the self-test
            continue
        if not is_ready(device, probe, networks(True)):
            continue
        if device.provider == CPU_PROVIDER:
            return device  # the self-test compares with the CPU itself, so there is nothing to test
        try:
            self_test(device, *probe, again=False)
        except EngineError:
            continue
        return device
    raise EngineError("No device of this machine passes its self-test.", "Run: reid-edge doctor")


def is_ready(device: Device, probe: NetworkFile, networks: Iterable[NetworkFile]) -> bool:
    """Whether the device can be self-tested and can open all networks without building an engine first, which takes minutes.

    Args:
        device: from `find_device`.
        probe: what `self_test` opens.
        networks: read as far as is needed.

    Raises:
        EngineError: there is no GPU of this number.
    """
    if device.provider in _NATIVE:
        return all(is_built(model, device.place, ranges) for model, ranges in _with_probe(probe, networks))
    if device.provider == TENSORRT_PROVIDER:
        gpu = find_gpu(device.index)
        return all(has_built(model, gpu, fitted(ranges, gpu.memory)) for model, ranges in _with_probe(probe, networks))
    return True


def _with_probe(probe: NetworkFile, networks: Iterable[NetworkFile]) -> Iterator[NetworkFile]:
    """The networks; the probe is one of them, or the only one."""
    empty = True
    for network in networks:
        empty = False
        yield network
    if empty:
        yield probe


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
    if device.provider == _OPENVINO:
        return open_openvino(model, name, ranges or ranges_of_file(model, name), device.threads, runs=device.runs)[0]
    ranges = ranges_of_file(model, name) if ranges is None and device.is_gpu else ranges or {}
    if device.provider in _NATIVE:
        return open_tensorrt(model, name, device.place, ranges)[0]
    if device.is_gpu:
        ranges = fitted(ranges, find_gpu(device.index).memory)
    return OnnxRuntimeEngine(model, name, providers(device.provider, device.index, model, ranges), device.name, device.threads)


def self_test(device: Device, probe: bytes, ranges: AxisRanges | None = None, *, again: bool = True) -> None:
    """Run a network on a canonical input on this device, and compare with the CPU where it is another.

    An engine can load and still answer wrongly; this check finds that. That it passed is kept, under all that the answers depend on.

    Args:
        device: from `find_device`.
        probe: an ONNX file's bytes.
        ranges: the sizes that it is opened for; None takes what the file says.
        again: test a device that has passed; False opens no network then.

    Raises:
        EngineError: it does not load or run, or its answers are not finite or differ from the CPU's.
    """
    ranges = ranges_of_file(probe, "self-test") if ranges is None else ranges
    if device.provider == CPU_PROVIDER:
        tested = open_engine(probe, "self-test", device)
        check_numbers(tested.run(canonical_inputs(tested.inputs, usual_sizes(ranges))), device.name)
        return
    key, records = key_on(device, probe, ranges), Measured()
    if not again and records.read(key).get("self_test") is not None:
        return
    tested = open_engine(probe, "self-test", device, ranges)
    reference = open_engine(probe, "self-test", cpu_of(device))
    records.note(key, self_test=compare_engines(reference, tested, probe, device.name, key.ranges))


def key_on(device: Device, model: bytes, ranges: AxisRanges) -> EngineKey:
    """What the answers and the speed of a network on this device depend on: the key of its records.

    Raises:
        EngineError: there is no such GPU, or a library cannot be imported.
    """
    if device.provider in _NATIVE:
        gpu = find_gpu(device.index)
        return replace(engine_key(model, device.place, ranges), gpu=gpu.name, driver=gpu.driver)
    library = f"onnxruntime {require_onnxruntime().__version__} {device.provider}"
    if not device.is_gpu:
        return key_of(model, library, ranges, "", processor_name())
    gpu = find_gpu(device.index)
    return key_of(model, library, fitted(ranges, gpu.memory), gpu.compute_capability, gpu.name, gpu.driver)


def missing_for(name: str) -> list[EngineError]:
    """What TensorRT or TensorRT-RTX lacks on this machine, each with what to install; empty for other devices."""
    return missing_for_tensorrt(library=_LIBRARIES[name]) if name in _LIBRARIES else []


def cpu_of(device: Device) -> Device:
    """The CPU of this machine, with as many threads as the device has."""
    return Device(_CPU, CPU_PROVIDER, 0, device.threads)


def _absent(requested: str, base: str) -> DeviceAbsentError:
    """The error for a device that this machine lacks: everything that is missing, and what to install."""
    if base == "openvino":
        return DeviceAbsentError(
            "The device openvino was asked for, but the package openvino is not installed.", _how_to_install(base)
        )
    if base not in _LIBRARIES:
        hint = conflicting_builds() or _how_to_install(base)
        return DeviceAbsentError(f"The device {requested} was asked for, but this ONNX Runtime has no provider for it.", hint)
    missing = missing_for(base)
    return DeviceAbsentError(
        " ".join(
            (f"The device {requested} was asked for, but something that it needs is missing.", *(e.message for e in missing))
        ),
        " ".join(dict.fromkeys(error.hint for error in missing)),
    )


def _how_to_install(base: str) -> str:
    if base == "cuda":
        return how_to_install_onnxruntime_gpu()
    return f"Install it: {install_command(base)}."
