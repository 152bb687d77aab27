"""From what was measured to sizes that were not, by arithmetic that is written down, and from which size on an index is faster."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from reid_edge_benchmarks.latency.scaling import search_law
from reid_edge_benchmarks.scale.searching import Figures

SIZES = (1_000_000, 10_000_000, 100_000_000)
SERVER_MEMORY = 256 * 10**9
"""Bytes of memory of a server, for how many of them an index takes that is searched from memory."""

_LINKS = 16  # pgvector's `m`
_POINTER = 6  # bytes of a link


def laws(rows: Sequence[Figures]) -> dict[str, float | None]:
    """Milliseconds of a search by the number N of vectors.

    Args:
        rows: as `measure_stores` returns them, of one size or more.

    Returns:
        exact, on the device: ``start`` + ``per_million`` · N / 10⁶, see `search_law`; by the index, by least squares: ``index_start`` +
        ``index_per_e`` · ln N; ``crossing``: the N at which the two are equal, 0 where the index is faster from a thousand on, None where
        it never is.
    """
    exact = search_law([{"size": row["size"], "exact": row["device"]["search"]} for row in rows], math.nan)
    logarithm = np.log([row["size"] for row in rows])
    index = np.array([chosen(row)["search"]["p50"] for row in rows])
    slope = max(0.0, float(np.polyfit(logarithm, index, 1)[0])) if len(rows) > 1 else 0.0  # less would be noise
    found: dict[str, float] = {"start": exact["start"], "per_million": 1000 * exact["per_thousand"]}
    found |= {"index_start": float(index.mean() - slope * logarithm.mean()), "index_per_e": slope}
    return {**found, "crossing": _crossing(found)}


def chosen(row: Figures) -> Figures:
    """Of the searches by the index, the one with as many vectors asked for as the product asks for."""
    return next(each for each in row["index"]["asked"] if each["asked"] == row["index"]["chosen"])


def bytes_of_a_vector(row: Figures, dimension: int) -> dict[str, float]:
    """In the device's copy (four for each value), in the server's table, and in its index; `links` is what the links of an HNSW index of
    pgvector take by arithmetic: 6 · m · (2 + 1 / (m - 1)).
    """
    return {
        "copy": 4.0 * dimension,
        "table": row["index"]["vector_bytes"] / row["size"],
        "index": row["index"]["index_bytes"] / row["size"],
        "links": _POINTER * _LINKS * (2 + 1 / (_LINKS - 1)),
    }


def extrapolated(rows: Sequence[Figures], dimension: int) -> list[dict[str, Any]]:
    """What catalogues of `SIZES` would take, from the largest measured one: bytes grow with N, an exact search and a search by the index by
    their `laws`, building the index with N · ln N; servers hold table and index in memory.
    """
    largest, law = rows[-1], {name: value for name, value in laws(rows).items() if value is not None}
    each, measured = bytes_of_a_vector(largest, dimension), largest["size"]
    made = []
    for size in SIZES:
        build = largest["index"]["index_seconds"] * size * math.log(size) / (measured * math.log(measured))
        made.append(
            {
                "size": size,
                "measured": size == measured,
                "copy_bytes": each["copy"] * size,
                "table_bytes": each["table"] * size,
                "index_bytes": each["index"] * size,
                "exact_ms": _exact(law, size),
                "index_ms": _index(law, size),
                "build_seconds": build,
                "servers": math.ceil((each["table"] + each["index"]) * size / SERVER_MEMORY),
            }
        )
    return made


def _exact(law: dict[str, float], size: float) -> float:
    return law["start"] + law["per_million"] * size / 1e6


def _index(law: dict[str, float], size: float) -> float:
    return law["index_start"] + law["index_per_e"] * math.log(size)


def _crossing(law: dict[str, float]) -> float | None:
    low, high = 1e3, 1e12
    if _exact(law, low) >= _index(law, low):
        return 0.0
    if _exact(law, high) < _index(law, high):
        return None
    for _ in range(100):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if _exact(law, middle) < _index(law, middle) else (low, middle)
    return high
