"""Progress on stderr with an estimate of the time left; silent where stderr is no terminal."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterable, Iterator, Sized
from typing import TypeVar

T = TypeVar("T")

# In a log file a bar is noise, yet a long run must show that it lives: one line every so many seconds.
_LOG_EVERY_SECONDS = 30.0
_FIRST_LOG_SECONDS = 10.0


def progress(items: Iterable[T], what: str, total: int | None = None) -> Generator[T, None, None]:
    """Go through the items and show how far it is; `close` takes the bar from the screen where the way ends early."""
    count = total if total is not None else (len(items) if isinstance(items, Sized) else None)
    if count is not None and count < 2:
        yield from items
        return
    if sys.stderr.isatty():
        yield from _bar(items, what, count)
    else:
        yield from _lines(items, what, count)


def log_progress(items: Iterable[T], what: str, total: int) -> Iterator[T]:
    """Go through the items and print how far it is from time to time; beside a bar of `progress`, for what takes long within one step."""
    return _lines(items, what, total or None)


def _bar(items: Iterable[T], what: str, count: int | None) -> Iterator[T]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    # Results on stdout go their own way: they may be piped to another program while the bar is on the terminal.
    with Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False) as bar:
        task = bar.add_task(what, total=count)
        for item in items:
            yield item
            bar.advance(task)


def _lines(items: Iterable[T], what: str, count: int | None) -> Iterator[T]:
    import time

    start = last = time.monotonic()
    for done, item in enumerate(items, 1):
        yield item
        now = time.monotonic()
        if now - last >= (_FIRST_LOG_SECONDS if last == start else _LOG_EVERY_SECONDS):
            left = f", about {(now - start) / done * (count - done):.0f} s left" if count else ""
            print(f"{what}: {done}{f' of {count}' if count else ''}{left}", file=sys.stderr, flush=True)
            last = now
