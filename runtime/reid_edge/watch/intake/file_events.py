"""File events as a hint to scan early. Without watchfiles, or where it fails, rescans find everything."""

from __future__ import annotations

import contextlib
import importlib.util
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path


@contextlib.contextmanager
def file_hints(there: Callable[[], Sequence[Path]], own: Path, recursive: bool, hint: Callable[[], None]) -> Iterator[None]:
    """While this is entered a thread waits for file events; nothing happens where watchfiles is not installed.

    Args:
        there: the folders that are there now; called in the thread.
        own: a folder whose changes say nothing, because the daemon makes them.
        recursive: sub-folders, too.
        hint: called in the thread when something changed.
    """
    if importlib.util.find_spec("watchfiles") is None:
        yield
        return
    ended = threading.Event()
    thread = threading.Thread(target=_watch, args=(there, own, recursive, hint, ended), name="hints", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(1.0)


def _watch(
    there: Callable[[], Sequence[Path]], own: Path, recursive: bool, hint: Callable[[], None], ended: threading.Event
) -> None:
    import watchfiles

    while not ended.is_set():
        folders = there()
        if not folders:
            ended.wait(1.0)
            continue
        try:
            changes = watchfiles.watch(
                *folders,
                watch_filter=None,
                stop_event=ended,
                rust_timeout=1000,
                yield_on_timeout=True,
                recursive=recursive,
                raise_interrupt=False,
            )
            for change in changes:
                if any(not Path(path).is_relative_to(own) for _, path in change):
                    hint()
                if folders != there():
                    break
        except (OSError, RuntimeError):
            ended.wait(5.0)
