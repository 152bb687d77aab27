"""Pairs a second of a matcher by how many pairs a run has, on every side, and their share of the arithmetic limit."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from reid_edge.engines.contract import OutOfMemoryError, TensorSpec
from reid_edge.engines.self_test import canonical_inputs
from reid_edge_benchmarks.gpu.arithmetic import lightglue_operations
from reid_edge_benchmarks.gpu.sides import Arrays, MatcherCase, Run

_LEAST_SECONDS, _MOST_RUNS = 0.5, 20


def measure_rates(
    case: MatcherCase, open_side: Callable[[], Run], batches: Sequence[int], specs: Sequence[TensorSpec], until: float
) -> dict[str, Any]:
    """Run one side of a matcher at every batch.

    Args:
        case: the matcher.
        open_side: loads it.
        batches: pairs a run.
        specs: its inputs.
        until: of `time.monotonic`; no further batch is begun after that.

    Returns:
        ``open_seconds``; by batch ``pairs_a_second``, and ``first_seconds`` of the first run; ``operations_a_second`` of the fastest;
        ``stopped`` where not all batches were run, and why.

    Raises:
        EngineError: the side cannot be loaded, or failed.
    """
    begin = time.perf_counter()
    run = open_side()
    figures: dict[str, Any] = {"open_seconds": time.perf_counter() - begin, "pairs_a_second": {}, "first_seconds": {}}
    for batch in batches:
        if time.monotonic() > until:
            figures["stopped"] = "the time was over"
            break
        inputs = pair_inputs(specs, batch, case.points)
        try:
            first, seconds, runs = _time(run, inputs)
        except OutOfMemoryError:
            figures["stopped"] = f"no memory for {batch} pairs"
            break
        figures["first_seconds"][str(batch)] = first
        figures["pairs_a_second"][str(batch)] = batch * runs / seconds
    fastest = max(figures["pairs_a_second"].values(), default=0.0)
    figures["operations_a_second"] = fastest * lightglue_operations(case.points, case.layers, case.width)
    return figures


def pair_inputs(specs: Sequence[TensorSpec], batch: int, points: int) -> Arrays:
    """Canonical inputs of so many pairs with so many keypoints in each image."""

    def size(spec: TensorSpec, axis: int) -> int:
        return batch if axis == 0 else points

    return canonical_inputs(specs, size)


def _time(run: Run, inputs: Arrays) -> tuple[float, float, int]:
    """Seconds of the first run, seconds of the following ones, and how many they were."""
    begin = time.perf_counter()
    run(inputs)
    first = time.perf_counter() - begin
    begin, runs = time.perf_counter(), 0
    while runs < _MOST_RUNS and (not runs or time.perf_counter() - begin < _LEAST_SECONDS):
        run(inputs)
        runs += 1
    return first, time.perf_counter() - begin, runs
