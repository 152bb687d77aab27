"""How many threads a process takes, so that two processes on one machine share its cores instead of fighting for them, and how work in
numpy is shared among them.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol, TypeVar

from reid_edge.errors import UsageError

_Items = TypeVar("_Items", bound="_Sliceable")
_Result = TypeVar("_Result")

MOST_THREADS = 1024

# Other libraries' threads are counted when they are imported. OpenBLAS, which numpy brings, gets one: its threads spin while they wait, and
# take the time of the networks' threads; products as small as those of descriptors are no faster with two.
_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
_OPENBLAS = "OPENBLAS_NUM_THREADS"


def default_threads() -> int:
    """CPU threads for one run: ``REID_EDGE_THREADS``, or the cores that this process may use (its affinity and its cgroup's quota).

    Raises:
        UsageError: ``REID_EDGE_THREADS`` is not a whole number from 1 to `MOST_THREADS`.
    """
    text = os.environ.get("REID_EDGE_THREADS", "").strip()
    if text:
        if not text.isdecimal() or not 1 <= int(text) <= MOST_THREADS:
            raise UsageError(
                f"REID_EDGE_THREADS={text} is not a whole number from 1 to {MOST_THREADS}.",
                "Unset it, or set it to a number of threads.",
            )
        return int(text)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    return max(1, min(cores, _cgroup_cores() or cores))


def bound_blas_threads(threads: int | None) -> None:
    """Let numpy's own BLAS take one thread, and others no more than a network does. Works before numpy is imported; what the user has set
    stays.

    Args:
        threads: None is `default_threads`.

    Raises:
        UsageError: see `default_threads`.
    """
    os.environ.setdefault(_OPENBLAS, "1")
    for variable in _VARIABLES:
        os.environ.setdefault(variable, str(threads or default_threads()))


class _Sliceable(Protocol):
    """A sequence, or an array of rows."""

    def __len__(self) -> int: ...
    def __getitem__(self, part: slice, /) -> Any: ...


def in_shares(work: Callable[[_Items], list[_Result]], items: _Items, threads: int) -> list[_Result]:
    """The results of `work`, which gives one per item, in the order of the items: each thread works on a share of neighbours.

    For work in numpy and OpenCV, which let other threads run meanwhile. No result may depend on the other items.
    """
    count = min(threads, len(items))
    if count < 2:
        return work(items)
    bounds = [len(items) * number // count for number in range(count + 1)]
    with ThreadPoolExecutor(count - 1) as pool:
        others = [pool.submit(work, items[bounds[number] : bounds[number + 1]]) for number in range(1, count)]
        results = work(items[: bounds[1]])
        for other in others:
            results += other.result()
    return results


def _cgroup_cores() -> int | None:
    """Cores that the cgroup (v2) quota allows, rounded up; None without a quota."""
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        return None if quota == "max" else -(-int(quota) // int(period))
    except (OSError, ValueError):
        return None
