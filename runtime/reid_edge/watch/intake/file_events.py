"""File events as a hint to scan early. Without watchfiles, or where it fails, rescans find everything."""

from __future__ import annotations

import contextlib
import importlib.util
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path


@contextlib.contextmanager
def file_hints(present: Callable[[], Sequence[Path]], out: Path, recursive: bool, hint: Callable[[], None]) -> Iterator[None]:
    """While this is entered a thread waits for file events; nothing happens where watchfiles is not installed.

    Args:
        present: the folders that are present now; called in the thread.
        out: the daemon's folder, whose changes are ignored.
        recursive: sub-folders, too.
        hint: called in the thread when something changed.
    """
    if importlib.util.find_spec("watchfiles") is None:
        yield
        return
    ended = threading.Event()
    thread = threading.Thread(target=_watch, args=(present, out, recursive, hint, ended), name="hints", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(1.0)


def _watch(
    present: Callable[[], Sequence[Path]], out: Path, recursive: bool, hint: Callable[[], None], ended: threading.Event
) -> None:
    import watchfiles

    while not ended.is_set():
        folders = present()
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
                if any(not Path(path).is_relative_to(out) for _, path in change):
                    hint()
                if folders != present():
                    break
        except (OSError, RuntimeError):
            ended.wait(5.0)
