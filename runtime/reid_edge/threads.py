"""How many threads a process takes, so that two processes on one machine share its cores instead of fighting for them."""

from __future__ import annotations

import os
from pathlib import Path

from reid_edge.errors import UsageError

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


def _cgroup_cores() -> int | None:
    """Cores that the cgroup (v2) quota allows, rounded up; None without a quota."""
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        return None if quota == "max" else -(-int(quota) // int(period))
    except (OSError, ValueError):
        return None
