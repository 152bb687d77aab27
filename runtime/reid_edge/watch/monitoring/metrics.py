"""Figures in Prometheus' text format (https://prometheus.io/docs/instrumenting/exposition_formats/, version 0.0.4)."""

from __future__ import annotations

import bisect
import threading
from collections.abc import Mapping

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Labels = Mapping[str, str]


class Histogram:
    """How often a duration lay below each bound. Threads may share it.

    Args:
        bounds: upper bounds in seconds, growing; one without an end follows.
    """

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0
        self._turn = threading.Lock()

    def observe(self, seconds: float) -> None:
        """Count one duration."""
        with self._turn:
            self._counts[bisect.bisect_left(self._bounds, seconds)] += 1
            self._sum += seconds

    def read(self) -> tuple[list[tuple[str, int]], float, int]:
        """Per bound (as text, `+Inf` last) how many were not above it; their sum in seconds; their number."""
        with self._turn:
            counts, total = list(self._counts), self._sum
        below, running = [], 0
        for bound, count in zip([*map(_number, self._bounds), "+Inf"], counts, strict=True):
            running += count
            below.append((bound, running))
        return below, total, running


class Exposition:
    """A page of metrics, written one metric after the other.

    Args:
        prefix: of the names of all metrics.
    """

    def __init__(self, prefix: str = "reid_edge_watch_") -> None:
        self._prefix = prefix
        self._lines: list[str] = []

    def gauge(self, name: str, text: str, *samples: tuple[Labels, float]) -> None:
        """A value that rises and falls, once per set of labels; nothing where there is no sample."""
        self._metric("gauge", self._prefix + name, text, samples)

    def counter(self, name: str, text: str, *samples: tuple[Labels, float]) -> None:
        """A value that only rises; `name` ends in `_total`."""
        self._metric("counter", self._prefix + name, text, samples)

    def histogram(self, name: str, text: str, histogram: Histogram) -> None:
        """Durations by bound."""
        below, total, count = histogram.read()
        name = self._prefix + name
        self._head("histogram", name, text)
        self._lines += [f'{name}_bucket{{le="{bound}"}} {number}' for bound, number in below]
        self._lines += [f"{name}_sum {_number(total)}", f"{name}_count {count}"]

    def resident_memory(self, size: float) -> None:
        """The one metric with a name that all programs share."""
        self._metric("gauge", "process_resident_memory_bytes", "Resident memory of the daemon.", [({}, size)])

    def text(self) -> str:
        """The page."""
        return "\n".join(self._lines) + "\n"

    def _metric(
        self, kind: str, name: str, text: str, samples: tuple[tuple[Labels, float], ...] | list[tuple[Labels, float]]
    ) -> None:
        if samples:
            self._head(kind, name, text)
        for labels, value in samples:
            shown = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
            self._lines.append(f"{name}{f'{{{shown}}}' if shown else ''} {_number(value)}")

    def _head(self, kind: str, name: str, text: str) -> None:
        self._lines += [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
