"""The command line in a separate process, timed from outside."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
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
    seconds, _ = _run("reid_edge", arguments, arguments[0], runtime)
    return seconds


@dataclass(frozen=True)
class MeasuredCommand:
    """A command that has run.

    Attributes:
        seconds: of wall time, from process start to exit.
        memory: peak resident memory, bytes.
        output: what it printed.
    """

    seconds: float
    memory: int
    output: str


def measured_command(arguments: Sequence[str]) -> MeasuredCommand:
    """Run ``reid-edge ARGUMENTS`` and measure time and memory.

    Raises:
        UsageError: the command failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "memory"
        seconds, output = _run("reid_edge_benchmarks.measured_process", (str(file), *arguments), arguments[0], None)
        return MeasuredCommand(seconds, int(file.read_text(encoding="ascii")), output)


def _run(module: str, arguments: Sequence[str], name: str, runtime: Path | None) -> tuple[float, str]:
    """Seconds of wall time, and what was printed."""
    start = time.perf_counter()
    command = python_command(module, *arguments, path=import_folders(runtime))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    if done.returncode:
        last_line = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise UsageError(f"reid-edge {name} failed: {last_line}", "Run the command by hand to see the whole message.")
    return seconds, done.stdout


def import_folders(runtime: Path | None) -> list[str]:
    """The folders that a process imports first: the runtime of another checkout if one is given, and this benchmark."""
    return [str(each.resolve()) for each in ([runtime] if runtime else [])] + [str(Path(__file__).resolve().parents[1])]
