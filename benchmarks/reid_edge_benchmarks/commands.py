"""The command line in a separate process, timed from outside."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from reid_edge.errors import UsageError
from reid_edge.processes import python_command


def run_command(arguments: Sequence[str], runtime: Path | None = None) -> float:
    """Run ``reid-edge ARGUMENTS`` and return the seconds of wall time.

    Args:
        arguments: of the command line.
        runtime: the folder `runtime` of another checkout; None for this one.

    Raises:
        UsageError: the command failed.
    """
    start = time.perf_counter()
    command = python_command("reid_edge", *arguments, path=import_folders(runtime))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    if done.returncode:
        last_line = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise UsageError(f"reid-edge {arguments[0]} failed: {last_line}", "Run the command by hand to see the whole message.")
    return seconds


def import_folders(runtime: Path | None) -> list[str]:
    """The folders that a process imports first: the runtime of another checkout if one is given, and this benchmark."""
    return [str(each.resolve()) for each in ([runtime] if runtime else [])] + [str(Path(__file__).resolve().parents[1])]
