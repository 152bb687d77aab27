"""What every engine is: a loaded network with named inputs and outputs that can be run.

Not part of an engine: preprocessing, decoding of outputs, batching policy. They are the stages' business, and the same for all engines.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


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
    """A loaded network."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    provenance: Provenance

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
