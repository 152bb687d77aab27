"""How many pairs a matching network is given in one run: one on a processor, and on a GPU as many as are fastest there.

On a GPU all sets of keypoints are padded to the K of the recipe. So runs have few shapes, which CUDA graphs and the choice of kernels
rely on.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from reid_edge.engines.contract import Engine, OutOfMemoryError, TensorSpec
from reid_edge.engines.engine_cache import EngineKey
from reid_edge.engines.measured import Measured
from reid_edge.engines.profiles import AxisRanges
from reid_edge.engines.self_test import canonical_inputs

_RUNS = 3
_WORTH = 1.05  # a larger batch takes memory, so it has to be this much faster


@dataclass(frozen=True)
class RunShape:
    """The shape of the runs of a matching network.

    Attributes:
        pairs: how many candidates are matched in one run.
        points: sets of keypoints are padded to this many; 0 pads to the longest set of the run.
    """

    pairs: int = 1
    points: int = 0


ONE_PAIR = RunShape()
"""On a processor: the numbers of one pair stay in its cache, and are not padded to another's."""


def gpu_run_shape(
    engine: Engine, ranges: AxisRanges, key: EngineKey, records: Measured, clock: Callable[[], float] = time.perf_counter
) -> RunShape:
    """The shape of runs on a GPU: measured once, then read from the records.

    Args:
        engine: a matching network on the GPU.
        ranges: fitted to the GPU, see `reid_edge.engines.profiles.fitted`.
        key: of the network on this GPU.
        records: of this machine.
        clock: in seconds.

    Raises:
        EngineError: the network failed, other than by want of memory.
    """
    largest = ranges["batch"].largest
    points = ranges["points0"].largest if "points0" in ranges else 0
    pairs = records.read(key).get("pairs")
    if not isinstance(pairs, int) or not 1 <= pairs <= largest:
        rates = _pairs_a_second(engine, ranges, largest, clock)
        best = max(rates.values())
        pairs = min(batch for batch, rate in rates.items() if rate * _WORTH >= best)
        records.note(key, pairs=pairs, pairs_a_second={str(batch): round(rate, 1) for batch, rate in rates.items()})
    return RunShape(pairs, points)


def _pairs_a_second(engine: Engine, ranges: AxisRanges, largest: int, clock: Callable[[], float]) -> dict[int, float]:
    """By batch, up to the largest or to what the memory allows; at least that of one pair."""
    rates: dict[int, float] = {}
    batch = 1
    while batch <= largest:
        sizes = {axis: size.largest for axis, size in ranges.items()} | {"batch": batch}

        def size(spec: TensorSpec, axis: int, sizes: dict[str, int] = sizes) -> int:
            return sizes.get(str(spec.shape[axis]), 1)

        inputs = canonical_inputs(engine.inputs, size)
        try:
            engine.run(inputs)  # chooses kernels, and captures the graph
            begin = clock()
            for _ in range(_RUNS):
                engine.run(inputs)
        except OutOfMemoryError:
            if batch == 1:
                raise
            break
        rates[batch] = _RUNS * batch / max(clock() - begin, 1e-9)
        batch *= 2
    return rates
