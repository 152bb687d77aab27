"""Report the steps of an export that take long."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

Say = Callable[[str], None]

_PATIENCE_SECONDS = 2.0


@contextlib.contextmanager
def step(say: Say | None, what: str) -> Iterator[None]:
    """Report `what` if the block takes longer than two seconds."""
    if say is None:
        yield
        return
    timer = threading.Timer(_PATIENCE_SECONDS, say, [what])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
