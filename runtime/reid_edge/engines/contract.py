"""What every engine is: a loaded network with named inputs and outputs that can be run.

Not part of an engine: preprocessing, decoding of outputs, batching policy. They are the stages' business, and the same for all engines.

Threads: an engine may be used from any thread, but by one thread at a time unless it is `concurrent`, because its buffers are reused from
run to run. `reid_edge.engines.networks.Networks` makes those that are not into `SharedEngine`s, so that threads that share a `Networks`
need no lock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from reid_edge.errors import EngineError


class DeviceAbsentError(EngineError):
    """A device that this machine lacks, or whose library is not installed; the hint says what to install."""


class OutOfMemoryError(EngineError):
    """A device has no memory left for a network or for one run of it."""


@dataclass(frozen=True)
class TensorSpec:
    """One input or output of a network.

    Attributes:
        name: its name in the graph.
        dtype: numpy dtype name, such as ``float32``.
        shape: one entry per axis; an int where the size is fixed, a string (the axis' name) where it is dynamic.
    """

    name: str
    dtype: str
    shape: tuple[int | str, ...]


@dataclass(frozen=True)
class Provenance:
    """Where an answer was computed: library and version, execution provider, threads."""

    library: str
    provider: str
    device: str
    threads: int

    def describe(self) -> str:
        """One line for a person, such as ``onnxruntime 1.31.1, CPUExecutionProvider, 2 threads``."""
        return f"{self.library}, {self.provider}, {self.threads} thread{'s' if self.threads != 1 else ''}"


class Engine(Protocol):
    """A loaded network.

    Attributes:
        concurrent: several threads may run it at the same time.
    """

    concurrent: bool
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    @property
    def provenance(self) -> Provenance:
        """Where its answers are computed."""

    def run(self, inputs: Mapping[str, NDArray[np.generic]]) -> dict[str, NDArray[np.generic]]:
        """Run the network once.

        Args:
            inputs: one array per input name, with the dtype and shape that `inputs` states.

        Returns:
            One array per output name.

        Raises:
            EngineError: an input is missing, unexpected, or of a wrong dtype or shape, or the library failed.
        """

    def warm_up(self) -> None:
        """Run once on zeros (dynamic axes at a small legal size), so that the first photo does not pay for lazy set-up."""


class SharedEngine:
    """An engine that several threads may use: a run waits until the one before it has ended."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = Lock()
        self.concurrent = True
        self.inputs, self.outputs = engine.inputs, engine.outputs

    @property
    def provenance(self) -> Provenance:
        """See `Engine`; another one once the network has moved to the CPU for want of memory."""
        return self._engine.provenance

    def run(self, inputs: Mapping[str, NDArray[np.generic]]) -> dict[str, NDArray[np.generic]]:
        """See `Engine.run`."""
        with self._lock:
            return self._engine.run(inputs)

    def warm_up(self) -> None:
        """See `Engine.warm_up`."""
        with self._lock:
            self._engine.warm_up()


def check_inputs(network: str, specs: Sequence[TensorSpec], inputs: Mapping[str, NDArray[np.generic]]) -> None:
    """Compare inputs with what the network says it takes.

    Raises:
        EngineError: an input is missing, unexpected, or of a wrong dtype or shape.
    """
    expected = {spec.name for spec in specs}
    if set(inputs) != expected:
        raise EngineError(f"The network {network} takes the inputs {sorted(expected)}, not {sorted(inputs)}.")
    for spec in specs:
        array = inputs[spec.name]
        fits = len(spec.shape) == array.ndim and all(
            isinstance(want, str) or want == have for want, have in zip(spec.shape, array.shape, strict=True)
        )
        if array.dtype != np.dtype(spec.dtype) or not fits:
            raise EngineError(
                f"The input {spec.name} of the network {network} is {spec.dtype} {list(spec.shape)}, "
                f"not {array.dtype} {list(array.shape)}."
            )
