"""A network on a GPU whose memory may not suffice: a run is taken apart, at last the CPU runs it; each is said once, on stderr."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from reid_edge.engines.contract import Engine, OutOfMemoryError, Provenance

Arrays = Mapping[str, NDArray[np.generic]]


def say_that_it_runs_on_the_cpu(name: str) -> None:
    """Tell the user that the GPU has no memory for this network."""
    print(f"reid-edge: the GPU has no memory left for the network {name}, so the CPU runs it", file=sys.stderr, flush=True)


class FittingEngine:
    """An engine that answers every run that its device has memory for in parts.

    Inputs and outputs whose first axis is dynamic are rows that do not depend on one another; such a run is halved. A network that has no
    memory for one row runs on the CPU from then on, and `provenance` says so.
    """

    concurrent = False

    def __init__(self, engine: Engine, name: str, open_on_cpu: Callable[[], Engine]) -> None:
        """Wrap an engine on a GPU; `open_on_cpu` loads the same network on the CPU."""
        self._engine, self._name, self._open_on_cpu = engine, name, open_on_cpu
        self._most_rows: int | None = None
        self._on_cpu = False
        self.inputs, self.outputs = engine.inputs, engine.outputs

    @property
    def provenance(self) -> Provenance:
        """See `Engine`."""
        return self._engine.provenance

    def run(self, inputs: Arrays) -> dict[str, NDArray[np.generic]]:
        """See `Engine.run`."""
        rows = self._rows(inputs)
        if self._most_rows and rows > self._most_rows:
            return self._in_parts(inputs, rows, self._most_rows)
        try:
            return self._engine.run(inputs)
        except OutOfMemoryError:
            if self._on_cpu:
                raise
        if rows > 1:
            half = self._most_rows = -(-rows // 2)
            print(
                f"reid-edge: the GPU has no memory left for {rows} rows of the network {self._name} at a time; it gets {half}",
                file=sys.stderr,
                flush=True,
            )
            return self._in_parts(inputs, rows, half)
        say_that_it_runs_on_the_cpu(self._name)
        self._engine, self._on_cpu, self._most_rows = self._open_on_cpu(), True, None
        return self._engine.run(inputs)

    def warm_up(self) -> None:
        """See `Engine.warm_up`."""
        self._engine.warm_up()

    def _rows(self, inputs: Arrays) -> int:
        """How many rows a run has; 1 where it cannot be taken apart."""
        if not all(isinstance(spec.shape[0], str) for spec in (*self.inputs, *self.outputs) if spec.shape):
            return 1
        sizes = {len(inputs[spec.name]) for spec in self.inputs if spec.name in inputs}
        return sizes.pop() if len(sizes) == 1 else 1

    def _in_parts(self, inputs: Arrays, rows: int, most: int) -> dict[str, NDArray[np.generic]]:
        parts = [
            self.run({name: array[begin : begin + most] for name, array in inputs.items()}) for begin in range(0, rows, most)
        ]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
