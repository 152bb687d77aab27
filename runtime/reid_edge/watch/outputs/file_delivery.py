"""Filling the file sinks: each as far as it can be written, and one that cannot does not keep the others waiting."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

from reid_edge.errors import ReidEdgeError
from reid_edge.watch.delivery.backoff import Backoff
from reid_edge.watch.ledger.ledger import Ledger
from reid_edge.watch.outputs.sinks import Sink, deliver_waiting

log = logging.getLogger(__name__)

_LONGEST_WAIT = 15.0
_WHILE_BUSY_SECONDS = 1.0  # to sync every file for each photo would take longer than to answer it
_LAST_SECONDS = 2.0


class FileDelivery:
    """The file sinks, of the daemon's thread."""

    def __init__(self, ledger: Ledger, sinks: Sequence[Sink]) -> None:
        self._ledger = ledger
        self._sinks = sinks
        self._waits: dict[str, tuple[Backoff, float]] = {}
        self._next = 0.0

    @property
    def names(self) -> list[str]:
        """Of the sinks, as the ledger knows them."""
        return [sink.name for sink in self._sinks]

    def step(self, idle: bool) -> bool:
        """Write some of what waits, at once where nothing else is to be done; returns whether there is more."""
        if not idle and time.monotonic() < self._next:
            return False
        more = self._deliver()
        self._next = time.monotonic() + _WHILE_BUSY_SECONDS
        return more

    def finish(self) -> None:
        """Write what still waits, for a short time; the next run writes the rest."""
        until = time.monotonic() + _LAST_SECONDS
        while self._deliver(at_once=True) and time.monotonic() < until:
            pass

    def _deliver(self, at_once: bool = False) -> bool:
        more = False
        for sink in self._sinks:
            wait, until = self._waits.get(sink.name, (Backoff(longest=_LONGEST_WAIT), 0.0))
            if time.monotonic() < until and not at_once:
                continue
            try:
                more |= deliver_waiting(self._ledger, sink) > 0
            except (ReidEdgeError, OSError) as error:
                if sink.name not in self._waits:
                    log.warning("%s waits: %s", sink.name, error)
                self._waits[sink.name] = (wait, time.monotonic() + wait.failed())
            else:
                self._waits.pop(sink.name, None)
        return more
