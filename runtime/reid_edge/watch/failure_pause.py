"""Pausing after a failure: longer after each one in a row, and with one line in the log per cause."""

from __future__ import annotations

import logging
import time

from reid_edge.errors import ReidEdgeError
from reid_edge.watch.delivery.backoff import Backoff

log = logging.getLogger(__name__)

_LONGEST_STORAGE_SECONDS = 15.0


class FailurePause:
    """When the daemon's loop works again. A failing engine is given longer than a disk or a gallery that is in use."""

    def __init__(self) -> None:
        self._storage = Backoff(longest=_LONGEST_STORAGE_SECONDS)
        self._engine = Backoff()
        self._until = 0.0
        self._logged = ""  # so that one cause fills one line, however often it is tried again

    @property
    def is_over(self) -> bool:
        """Whether the loop may work."""
        return time.monotonic() >= self._until

    def after_storage(self, error: Exception) -> None:
        """Something could not be read or written."""
        self._pause(error, self._storage.failed())

    def after_engine(self, error: Exception) -> None:
        """The engine failed several times in a row."""
        self._pause(error, self._engine.failed())

    def succeeded(self) -> None:
        """A round went well."""
        self._storage.succeeded()
        self._logged = ""

    def engine_succeeded(self) -> None:
        """A photo was answered."""
        self._engine.succeeded()

    def _pause(self, error: Exception, seconds: float) -> None:
        text = f"{error.message} {error.hint}".strip() if isinstance(error, ReidEdgeError) else str(error)
        if text != self._logged:
            log.warning("%s It is tried again; what is not answered waits.", text)
            self._logged = text
        self._until = time.monotonic() + seconds
