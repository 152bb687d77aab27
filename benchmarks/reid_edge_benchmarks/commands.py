"""The command line in a separate process, timed from outside."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from reid_edge.errors import UsageError


def run_command(arguments: Sequence[str], runtime: Path | None = None) -> float:
    """Run ``reid-edge ARGUMENTS`` and return the seconds of wall time.

    Args:
        arguments: of the command line.
        runtime: the folder `runtime` of another checkout; None for this one.

    Raises:
        UsageError: the command failed.
    """
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "reid_edge", *arguments], capture_output=True, text=True, check=False, env=environment(runtime)
    )
    seconds = time.perf_counter() - start
    if done.returncode:
        last_line = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise UsageError(f"reid-edge {arguments[0]} failed: {last_line}", "Run the command by hand to see the whole message.")
    return seconds


def environment(runtime: Path | None) -> dict[str, str]:
    """The environment of a process that imports this benchmark, and the runtime of another checkout if one is given."""
    path = [str(each) for each in ([runtime] if runtime else [])]
    path.append(str(Path(__file__).resolve().parents[1]))
    return {**os.environ, "PYTHONPATH": os.pathsep.join([*path, *filter(None, [os.environ.get("PYTHONPATH", "")])])}
