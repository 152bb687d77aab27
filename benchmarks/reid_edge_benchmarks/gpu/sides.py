"""The sides of the comparison: every device of the runtime that is here, and PyTorch on the GPU, each as an engine of one matcher."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid_edge.engines.contract import OutOfMemoryError
from reid_edge.engines.profiles import AxisRanges
from reid_edge.engines.selection import Device, available_devices, open_engine
from reid_edge.errors import EngineError

Arrays = dict[str, NDArray[np.generic]]
Run = Callable[[Arrays], Any]


@dataclass(frozen=True)
class MatcherCase:
    """A LightGlue to measure.

    Attributes:
        name: in tables.
        files: the ONNX file's bytes by precision: ``fp32``, and ``fp16`` where there is one.
        points: keypoints of each image.
        layers, width: of the network, which its operations follow from.
        parameters: of the catalogue's network that PyTorch builds; None where PyTorch is left out.
    """

    name: str
    files: Mapping[str, bytes]
    points: int
    layers: int
    width: int
    parameters: Mapping[str, Any] | None = None


def devices_here(threads: int | None) -> list[Device]:
    """Every GPU device, TensorRT within ONNX Runtime left out where TensorRT itself is here; the CPU where there is no GPU."""
    found: dict[str, Device] = {}
    for device in available_devices(threads):
        found.setdefault(device.name, device)
    gpus = [device for device in found.values() if device.is_gpu]
    return gpus or [found["cpu"]]


def runtime_sides(case: MatcherCase, ranges: AxisRanges, devices: list[Device]) -> dict[str, Callable[[], Run]]:
    """By title, what opens a matcher on each device in each precision."""

    def opening(device: Device, model: bytes) -> Callable[[], Run]:
        return lambda: open_engine(model, case.name, device, ranges).run

    return {
        f"{device.name} ({device.provider}), {precision}": opening(device, model)
        for device in devices
        for precision, model in case.files.items()
    }


def torch_sides(case: MatcherCase, gpu: bool) -> dict[str, Callable[[], Run]]:
    """By title, what opens a matcher in PyTorch: eager in fp32 and fp16, and compiled in fp16. Eager fp32 alone where there is no GPU.

    Raises:
        ModuleNotFoundError: PyTorch is not installed.
    """
    import torch

    if case.parameters is None or (gpu and not torch.cuda.is_available()):
        return {}
    where = torch.device("cuda" if gpu else "cpu")

    def opening(half: bool, compiled: bool) -> Callable[[], Run]:
        def load() -> Run:
            from reid_edge_benchmarks.latency.torch_lightglue import use_fused_kernels
            from reid_edge_export.networks.lightglue import build

            assert case.parameters is not None
            network = build(**case.parameters).eval().to(where)
            use_fused_kernels(network)
            network = network.half() if half else network
            called = torch.compile(network) if compiled else network

            def run(inputs: Arrays) -> tuple[NDArray[np.generic], ...]:
                try:
                    with torch.inference_mode():
                        given = {name: torch.from_numpy(array).to(where) for name, array in inputs.items()}
                        given = {name: each.half() if half else each for name, each in given.items()}
                        return tuple(each.cpu().numpy() for each in called(**given))
                except torch.OutOfMemoryError as error:
                    raise OutOfMemoryError("PyTorch has no memory left.") from error
                except RuntimeError as error:
                    raise EngineError(f"PyTorch failed: {str(error).splitlines()[0]}") from error

            return run

        return load

    if not gpu:
        return {"PyTorch eager, fp32": opening(half=False, compiled=False)}
    return {
        "PyTorch eager, fp32": opening(half=False, compiled=False),
        "PyTorch eager, fp16": opening(half=True, compiled=False),
        "PyTorch compiled, fp16": opening(half=True, compiled=True),
    }
