"""Result files: one JSON file per measurement, with the machine and the command line that made it."""

from __future__ import annotations

import json
import math
import re
import shlex
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import click

from reid_edge.errors import UsageError
from reid_edge_benchmarks.machine import ProcessorTime, describe_machine, machine_facts, others_share, temperatures

_LEADING_FOLDERS = re.compile(r"[^=,:]*/(?=[^/])")


@contextmanager
def kept_folder(keep: Path | None) -> Iterator[Path]:
    """The folder `keep`, created if it does not exist; a temporary folder for None."""
    if keep is None:
        with tempfile.TemporaryDirectory() as temporary:
            yield Path(temporary)
    else:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep


def refuse_missing_folders(*files: Path | None) -> None:
    """Refuse a file that cannot be written before hours of measuring.

    Raises:
        UsageError: the folder of a file does not exist.
    """
    for file in files:
        if file and not file.absolute().parent.is_dir():
            raise UsageError(f"There is no folder {file.absolute().parent} for {file.name}.", "Make it, or name another file.")


class ResultFile:
    """The JSON file of one measurement; make it before the measurement, because it notes what others do meanwhile."""

    def __init__(self, path: Path | None) -> None:
        """Describe the machine.

        Args:
            path: of the file; None to write none.

        Raises:
            UsageError: the folder of the file does not exist.
        """
        refuse_missing_folders(path)
        self._path, self._machine, self._begin = path, machine_facts(), ProcessorTime.now()

    def save(self, figures: Mapping[str, Any], descendants: float = 0.0) -> None:
        """Print what the figures were measured on, and write both to the file; `descendants` as `machine.others_share` takes it."""
        machine = {**self._machine, "temperatures after": temperatures(), "others": others_share(self._begin, descendants)}
        click.echo(f"\nMeasured on {describe_machine(machine)}.")
        if self._path:
            finished = datetime.now(timezone.utc).isoformat(timespec="seconds")
            write_json(self._path, {"machine": machine, "command": command_line(sys.argv), "finished": finished, **figures})


def write_json(path: Path, data: Mapping[str, Any]) -> None:
    """Write plain data as indented JSON."""
    path.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


def null_for_nan(figures: Mapping[str, float]) -> dict[str, float | None]:
    """Figures as JSON can hold them: None for one that is not defined."""
    return {name: None if math.isnan(value) else value for name, value in figures.items()}


def nan_for_null(figures: Mapping[str, float | None]) -> dict[str, float]:
    """The inverse of `null_for_nan`."""
    return {name: math.nan if value is None else value for name, value in figures.items()}


def command_line(arguments: list[str]) -> str:
    """The command as typed in a shell, with only the last part of each path, also behind ``KEY=``."""
    return shlex.join(["reid-edge", *(_LEADING_FOLDERS.sub("", each) for each in arguments[1:])])


def read_results(file: Path) -> dict[str, Any]:
    """Read what a `ResultFile` wrote.

    Raises:
        UsageError: the file does not exist or holds no results.
    """
    try:
        results = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{file} cannot be read as results of a benchmark.", "Measure again with --json.") from error
    if not isinstance(results, dict) or "machine" not in results:
        raise UsageError(f"{file} holds no results of a benchmark.", "Measure again with --json.")
    return results
