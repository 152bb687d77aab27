"""Delivery to the file sinks in the daemon's loop: each on its own, so that one that fails does not delay the others."""

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
_WHILE_BUSY_SECONDS = 1.0  # syncing every file after each photo would take longer than the answer
_LAST_SECONDS = 2.0


class FileDelivery:
    """The file sinks. For the daemon's thread only."""

    def __init__(self, ledger: Ledger, sinks: Sequence[Sink]) -> None:
        self._ledger = ledger
        self._sinks = sinks
        self._waits: dict[str, tuple[Backoff, float]] = {}
        self._next = 0.0

    @property
    def names(self) -> list[str]:
        """The names of the sinks in the ledger."""
        return [sink.name for sink in self._sinks]

    def step(self, idle: bool) -> bool:
        """Write some of the waiting messages, immediately when the daemon is idle; returns whether more wait."""
        if not idle and time.monotonic() < self._next:
            return False
        more = self._deliver()
        self._next = time.monotonic() + _WHILE_BUSY_SECONDS
        return more

    def finish(self) -> None:
        """Write waiting messages for a short time; the next run writes the rest."""
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
                    log.warning("Writing %s failed and is tried again: %s", sink.name, error)
                self._waits[sink.name] = (wait, time.monotonic() + wait.failed())
            else:
                self._waits.pop(sink.name, None)
        return more
