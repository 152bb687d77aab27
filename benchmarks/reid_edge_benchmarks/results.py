"""Results on the disk: one JSON file a command, with the machine and the command line that made it."""

from __future__ import annotations

import json
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
from reid_edge_benchmarks.machine import describe_machine, temperatures

_LEADING_FOLDERS = re.compile(r"[^=,:]*/(?=[^/])")


@contextmanager
def kept_folder(keep: Path | None) -> Iterator[Path]:
    """The folder to keep things in, made where it is missing; a temporary one for None."""
    if keep is None:
        with tempfile.TemporaryDirectory() as temporary:
            yield Path(temporary)
    else:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep


def refuse_missing_folders(*files: Path | None) -> None:
    """A file that cannot be written is known before the hours of measuring, not after.

    Raises:
        UsageError: its folder is not there.
    """
    for file in files:
        if file and not file.absolute().parent.is_dir():
            raise UsageError(f"There is no folder {file.absolute().parent} for {file.name}.", "Make it, or name another file.")


def tell(json_path: Path | None, machine: Mapping[str, Any], figures: Mapping[str, Any]) -> None:
    """Say what the figures were measured on, and write both to a file where one was asked for."""
    facts = {**machine, "temperatures after": temperatures()}
    click.echo(f"\nMeasured on {describe_machine(facts)}.")
    if json_path:
        finished = datetime.now(timezone.utc).isoformat(timespec="seconds")
        whole = {"machine": facts, "command": command_line(sys.argv), "finished": finished, **figures}
        json_path.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")


def command_line(arguments: list[str]) -> str:
    """The command as a person would type it in a shell; of paths only the last part, also of those behind ``KEY=``."""
    return shlex.join(["reid-edge", *(_LEADING_FOLDERS.sub("", each) for each in arguments[1:])])


def read_results(file: Path) -> dict[str, Any]:
    """Results that `tell` wrote.

    Raises:
        UsageError: the file is not there or holds no results.
    """
    try:
        results = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{file} cannot be read as results of a benchmark.", "Measure again with --json.") from error
    if not isinstance(results, dict) or "machine" not in results:
        raise UsageError(f"{file} holds no results of a benchmark.", "Measure again with --json.")
    return results
