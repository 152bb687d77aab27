"""Which device runs the networks: what was asked for, or the best that passes its self-test; never a silent fall-back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reid_edge.engines.contract import Engine
from reid_edge.engines.onnx_runtime import OnnxRuntimeEngine, require_onnxruntime
from reid_edge.errors import EngineError, UsageError
from reid_edge.threads import default_threads

# Best first. Each: the name on the command line, ONNX Runtime's provider, what to install when it is missing.
_DEVICES = (
    (
        "tensorrt",
        "TensorrtExecutionProvider",
        "Install TensorRT 10 and a GPU build of ONNX Runtime: pip install 'reid-edge[tensorrt]'.",
    ),
    (
        "cuda",
        "CUDAExecutionProvider",
        "Install the GPU build of ONNX Runtime instead of the CPU one: pip install 'reid-edge[gpu]'.",
    ),
    ("openvino", "OpenVINOExecutionProvider", "Install it: pip install onnxruntime-openvino (in place of onnxruntime)."),
    ("cpu", "CPUExecutionProvider", "Install it: pip install 'reid-edge[cpu]'."),
)
DEVICE_NAMES = ("auto", *(name for name, _, _ in _DEVICES))

_INDEXED = ("tensorrt", "cuda")


# A device whose answer on the canonical input is further from the CPU's than this (relative to the largest value) is broken.
_SELF_TEST_TOLERANCE = 0.02


@dataclass(frozen=True)
class Device:
    """A device that networks can be opened on.

    Attributes:
        name: as on the command line, with its index where there is one: ``cuda:0``.
        provider: ONNX Runtime's execution provider.
        threads: CPU threads for one run.
    """

    name: str
    provider: str
    index: int
    threads: int


def available_devices(threads: int | None = None) -> list[Device]:
    """The devices whose provider is part of the installed ONNX Runtime, best first; not yet self-tested."""
    present = require_onnxruntime().get_available_providers()
    count = threads or default_threads()
    return [Device(name, provider, 0, count) for name, provider, _ in _DEVICES if provider in present]


def select_device(requested: str, probe: bytes, threads: int | None = None) -> Device:
    """Choose the device.

    Args:
        requested: a name of `DEVICE_NAMES`; that of a GPU with an optional index (``cuda:1``).
        probe: an ONNX file's bytes to self-test a device with.
        threads: CPU threads for one run; None is `default_threads`.

    Raises:
        UsageError: no such device name.
        EngineError: the device that was asked for is not installed or fails its self-test.
    """
    base, colon, index = requested.partition(":")
    if base not in DEVICE_NAMES or (colon and not (base in _INDEXED and index.isdecimal())):
        raise UsageError(
            f"There is no device called {requested!r}.",
            f"Choose one of: {', '.join(DEVICE_NAMES)}; with a number for the second GPU and further, as in cuda:1.",
        )
    present = available_devices(threads)
    if base != "auto":
        for device in present:
            if device.name == base:
                chosen = Device(requested, device.provider, int(index or 0), device.threads)
                if chosen.provider != "CPUExecutionProvider":
                    self_test(chosen, probe)
                return chosen
        hint = next(hint for name, _, hint in _DEVICES if name == base)
        raise EngineError(f"The device {requested} was asked for, but this ONNX Runtime has no provider for it.", hint)
    for device in present:
        if device.provider == "CPUExecutionProvider":
            return device  # the reference itself: nothing to compare it with, and the first photo would pay for it
        try:
            self_test(device, probe)
        except EngineError:
            continue
        return device
    raise EngineError("No device of this machine passes its self-test.", "Run: reid-edge doctor")


def open_engine(model: bytes, name: str, device: Device) -> Engine:
    """Load a network on a device.

    Raises:
        EngineError: the network cannot be loaded there.
    """
    return OnnxRuntimeEngine(model, name, _providers(device), device.name, device.threads)


def self_test(device: Device, probe: bytes) -> None:
    """Run a network on a canonical input on this device, and compare with the CPU where it is another.

    A deserialised engine can load and still answer wrongly; this is the check that it does not.

    Raises:
        EngineError: it does not load, does not run, gives no numbers, or answers differently.
    """
    tested = open_engine(probe, "self-test", device)
    generator = np.random.Generator(np.random.PCG64(0))
    inputs = {
        spec.name: generator.random([axis if isinstance(axis, int) else 1 for axis in spec.shape], dtype=np.float32)
        for spec in tested.inputs
    }
    actual = tested.run(inputs)
    if not all(np.isfinite(np.asarray(value, np.float64)).all() for value in actual.values()):
        raise EngineError(f"{device.name} gives values that are no numbers on the self-test.", "Update its driver or libraries.")
    if device.provider == "CPUExecutionProvider":
        return
    expected = open_engine(probe, "self-test", Device("cpu", "CPUExecutionProvider", 0, device.threads)).run(inputs)
    for output, value in expected.items():
        scale = float(np.abs(value).max()) or 1.0
        worst = float(np.abs(np.asarray(actual[output], np.float64) - np.asarray(value, np.float64)).max()) / scale
        if not worst <= _SELF_TEST_TOLERANCE:
            raise EngineError(
                f"{device.name} answers {worst:.1%} away from the CPU on the self-test.",
                "Update its driver, or use --device cpu.",
            )


def _providers(device: Device) -> list[tuple[str, dict[str, str]]]:
    if device.provider == "CPUExecutionProvider":
        return [(device.provider, {})]
    options = {} if device.provider == "OpenVINOExecutionProvider" else {"device_id": str(device.index)}
    return [(device.provider, options), ("CPUExecutionProvider", {})]
