"""The page as a process of its own, as a person starts it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from reid_edge.errors import UsageError
from reid_edge.processes import python_command
from reid_edge_benchmarks.commands import import_folders


@dataclass(frozen=True)
class Page:
    """A page that is served: its address without a slash at the end, and the number of its process."""

    address: str
    pid: int


@contextmanager
def served(*arguments: str | Path) -> Iterator[Page]:
    """`reid-edge ARGUMENTS` at a free port, ended at the end.

    Raises:
        UsageError: it does not start.
    """
    command = python_command("reid_edge", *map(str, arguments), "--port", "0", path=import_folders(None))
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        line = process.stderr.readline()
        words = [word for word in line.split() if word.startswith("http://")]
        if not words:
            raise UsageError(f"The page did not start: {line.strip()}", "Run the command by hand to see the whole message.")
        yield Page(words[0].rstrip("/"), process.pid)
    finally:
        process.terminate()
        process.wait()
        process.stderr.close()
