"""How far the building of an engine is, on stderr: a bar on a terminal, else a line now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Report = Callable[[float], None]
"""Called with the share that is done, 0..1."""

_FIRST_LINE_SECONDS, _LINE_SECONDS = 10.0, 30.0


@contextmanager
def build_progress(what: str) -> Iterator[Report]:
    """Show that `what` ("the engine of u2netp") is being built, while the block runs."""
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False) as bar:
            task = bar.add_task(f"building {what}", total=1.0)
            yield lambda done: bar.update(task, completed=done)
        return
    begin = time.monotonic()
    due = begin + _FIRST_LINE_SECONDS

    def line(done: float) -> None:
        nonlocal due
        if time.monotonic() >= due:
            due = time.monotonic() + _LINE_SECONDS
            seconds = time.monotonic() - begin
            print(f"building {what}: {done:.0%} after {seconds:.0f} s", file=sys.stderr, flush=True)

    yield line
