"""One thread that delivers the messages of one sink: in order, with growing pauses after failures, and past a message that is refused.

A failure has one of two kinds (`DeliveryError.refused`). Where the receiver takes no message now, everything waits and the order is kept.
Where the receiver refused the first message `REFUSALS` times, that message is moved to the rejected messages (`rejected.py`), and the
next one follows. Rejected messages are sent once more whenever a worker starts.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from reid_edge.errors import ReidEdgeError
from reid_edge.watch.delivery.backoff import Backoff
from reid_edge.watch.delivery.rejected import Rejected, RejectedMessages
from reid_edge.watch.delivery.sending import DeliveryError
from reid_edge.watch.ledger.ledger import Ledger
from reid_edge.watch.outputs.sinks import Sink

REFUSALS = 5
BATCH = 20  # messages that are marked as delivered together; a kill repeats at most so many
POLL_SECONDS = 0.5
LONGEST_ASKED_SECONDS = 3600.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DeliveryState:
    """The state of one delivery.

    Attributes:
        sink: its name.
        rejected: messages that the receiver refused and that are kept aside.
        error: why the first waiting message is not delivered; empty where nothing is wrong.
        failing_seconds: time since the first of the failures in a row.
    """

    sink: str
    rejected: int
    error: str = ""
    failing_seconds: float = 0.0


class DeliveryWorker(threading.Thread):
    """Delivers messages from the ledger to one sink. Other threads may call `state` and `stop`.

    Args:
        sink: the receiver; this thread closes it at its end.
        ledger: whose outbox is delivered.
        rejected: where messages go that the receiver refuses.
        backoff: the pauses between attempts.
    """

    def __init__(self, sink: Sink, ledger: Ledger, rejected: RejectedMessages, backoff: Backoff | None = None) -> None:
        super().__init__(name=f"deliver-{sink.name}", daemon=True)
        self._sink = sink
        self._ledger = ledger
        self._rejected = rejected
        self._backoff = backoff or Backoff()
        self._stopping = threading.Event()
        self._lock = threading.Lock()  # of the next three, which `state` reads
        self._rejected_count = len(rejected)
        self._error = ""
        self._failing_since: float | None = None
        self._refusals = 0  # of the first message that waits
        ledger.mark_delivered(sink.name, ledger.delivered(sink.name))  # the ledger counts what waits for the sinks that it lists

    def state(self) -> DeliveryState:
        """The state of this delivery now."""
        with self._lock:
            failing = 0.0 if self._failing_since is None else time.monotonic() - self._failing_since
            return DeliveryState(self._sink.name, self._rejected_count, self._error, failing)

    def stop(self) -> None:
        """Let the thread end after the current attempt."""
        self._stopping.set()

    def run(self) -> None:
        """Deliver until stopped."""
        try:
            for rejected in self._rejected:
                send_again = partial(self._send_again, rejected)
                while not self._stopping.is_set() and not self._attempt(send_again):
                    pass
            while not self._stopping.is_set():
                self._attempt(self._send_next)
        finally:
            self._sink.close()

    def _attempt(self, send: Callable[[], None]) -> bool:
        """Try once, and pause where it failed; returns whether it succeeded."""
        try:
            send()
        except ReidEdgeError as error:
            self._pause_after(error)
        except (
            Exception
        ) as error:  # a defect of this program or a library must not end the thread: all messages would wait unnoticed
            log.exception("Delivery to %s failed unexpectedly", self._sink.name, extra={"sink": self._sink.name})
            text = f"Delivery to {self._sink.name} failed unexpectedly: {error!r}."
            self._pause_after(ReidEdgeError(text, "Report this with the log."))
        else:
            return True
        return False

    def _send_next(self) -> None:
        messages = self._ledger.messages_after(self._ledger.delivered(self._sink.name), BATCH)
        if not messages:
            self._clear_error()
            self._stopping.wait(POLL_SECONDS)
            return
        try:
            taken = self._sink.deliver(messages)
        except DeliveryError as error:
            self._refusals += error.refused
            if not error.refused or self._refusals < REFUSALS:
                raise
            self._rejected.put(messages[0], error.message, self._refusals)
            self._backoff.succeeded()
            self._count_rejected(1)
            text = "%s refused %s %d times: %s The message is kept in %s and sent again when the daemon starts or reloads."
            where = self._rejected.folder
            extra = {"sink": self._sink.name, "key": messages[0].key}
            log.error(text, self._sink.name, messages[0].key, self._refusals, error.message, where, extra=extra)
            taken = 1
        else:
            self._note_success()
        self._refusals = 0
        if not self._stopping.is_set():  # after `stop` the ledger may be closed, or another worker may deliver
            self._ledger.mark_delivered(self._sink.name, messages[taken - 1].id)

    def _send_again(self, rejected: Rejected) -> None:
        """Send a rejected message once more; it stays rejected where the receiver refuses it again."""
        try:
            self._sink.deliver([rejected.message])
        except DeliveryError as error:
            if not error.refused:
                raise
        else:
            self._note_success()
            self._rejected.remove(rejected)
            self._count_rejected(-1)

    def _note_success(self) -> None:
        self._backoff.succeeded()
        if self._clear_error():
            log.info("%s takes messages again.", self._sink.name, extra={"sink": self._sink.name})

    def _clear_error(self) -> bool:
        """Forget the last failure; returns whether there was one."""
        with self._lock:
            failed = self._failing_since is not None
            self._error, self._failing_since = "", None
        return failed

    def _count_rejected(self, more: int) -> None:
        with self._lock:
            self._rejected_count += more

    def _pause_after(self, failure: ReidEdgeError) -> None:
        """Note a failure, log it where it differs from the last one, and pause; `stop` ends the pause."""
        seconds = self._backoff.failed()
        if isinstance(failure, DeliveryError) and failure.wait_seconds is not None:
            seconds = max(seconds, min(failure.wait_seconds, LONGEST_ASKED_SECONDS))
        with self._lock:
            is_news = failure.message != self._error
            self._error = failure.message
            if self._failing_since is None:
                self._failing_since = time.monotonic()
        if is_news:
            log.warning("%s %s", failure.message, failure.hint, extra={"sink": self._sink.name})
        self._stopping.wait(seconds)
