"""One thread that carries one sink's messages: in order, with back-off, and past a message that the receiver never takes.

A receiver that answers "no" may mean this message or every message: a token that ran out, a wrong address, a bug that one field triggers.
The courier finds out instead of guessing from the answer's code. When the first message was refused `REFUSALS` times it sends once more
what the receiver took last, whose key it knows. Is that taken, and the first message refused again, then that one is put aside
(`rejected.py`), is said loudly, and is offered again at every start. Is that refused as well, then the receiver is at fault, and everything
waits in order. A receiver that has never taken anything is offered the following messages instead, one by one; should it be mended in that
very moment, one of them arrives before its turn, and again in its turn.

A message that is refused for the very reason for which the one before was put aside is examined after `REFUSALS_AGAIN`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from reid_edge.errors import ReidEdgeError
from reid_edge.watch.delivery.backoff import Backoff
from reid_edge.watch.delivery.failure import DeliveryError
from reid_edge.watch.delivery.rejected import RejectedMessages
from reid_edge.watch.ledger.ledger import Ledger, Message
from reid_edge.watch.outputs.sinks import Sink

REFUSALS = 10
REFUSALS_AGAIN = 2
BATCH = 20  # noted in the ledger together, so a kill repeats at most so many
LOOK_SECONDS = 0.5
LONGEST_ASKED_SECONDS = 3600.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DeliveryState:
    """How a delivery is doing.

    Attributes:
        sink: its name.
        rejected: messages that are put aside.
        error: why the first message is not away yet; empty where all is well.
        failing_seconds: how long ago the first of the failures in a row was.
    """

    sink: str
    rejected: int
    error: str = ""
    failing_seconds: float = 0.0


class Courier(threading.Thread):
    """Carries messages from the ledger to one sink. `state` and `stop` are for other threads.

    Args:
        sink: where to; closed by this thread at its end.
        ledger: whose outbox is emptied.
        rejected: where messages are put aside.
        backoff: the waits between attempts.
    """

    def __init__(self, sink: Sink, ledger: Ledger, rejected: RejectedMessages, backoff: Backoff | None = None) -> None:
        super().__init__(name=f"deliver-{sink.name}", daemon=True)
        self._sink = sink
        self._ledger = ledger
        self._rejected = rejected
        self._backoff = backoff or Backoff()
        self._stopping = threading.Event()
        self._turn = threading.Lock()
        self._state = DeliveryState(sink.name, len(rejected))
        self._failing_since: float | None = None
        self._refusals = 0
        self._put_aside_for = ""
        self._taken = self._last_taken()
        ledger.mark_delivered(sink.name, ledger.delivered(sink.name))  # the ledger counts what waits for the sinks it knows

    def state(self) -> DeliveryState:
        """How it is doing now."""
        with self._turn:
            failing = 0.0 if self._failing_since is None else time.monotonic() - self._failing_since
            return DeliveryState(self._sink.name, self._state.rejected, self._state.error, failing)

    def stop(self) -> None:
        """Let the thread end after the attempt it is making."""
        self._stopping.set()

    def run(self) -> None:
        """Carry until stopped."""
        try:
            self._offer_rejected_again()
            while not self._stopping.is_set():
                self._carry()
        finally:
            self._sink.close()

    def _carry(self) -> None:
        """One attempt, and the wait after it where it failed or nothing is there."""
        try:
            messages = self._ledger.messages_after(self._ledger.delivered(self._sink.name), BATCH)
            if not messages:
                self._stopping.wait(LOOK_SECONDS)
                return
            self._deliver(messages)
        except ReidEdgeError as failure:
            self._wait_after(failure)
        except Exception as mistake:
            # Of this program or a library. The thread must not end with it: a season's messages would wait unsaid.
            log.exception("Delivering to %s went wrong", self._sink.name, extra={"sink": self._sink.name})
            self._wait_after(
                ReidEdgeError(f"Delivering to {self._sink.name} went wrong: {mistake!r}.", "Report this with the log.")
            )

    def _last_taken(self) -> Message | None:
        """The newest message that was delivered and not put aside; None where there is none."""
        number = self._ledger.delivered(self._sink.name)
        aside = {each.message.id for each in self._rejected}
        while number in aside:
            number -= 1
        return next(iter(self._ledger.messages_after(number - 1, 1)), None) if number > 0 else None

    def _deliver(self, messages: Sequence[Message]) -> None:
        try:
            taken = self._sink.deliver(messages)
        except DeliveryError as refusal:
            self._refusals += refusal.refused
            enough = REFUSALS_AGAIN if refusal.message == self._put_aside_for else REFUSALS
            if not refusal.refused or self._refusals < enough or not self._takes_others(messages[0], self._refusals - enough):
                raise
            taken = self._try_or_put_aside(messages[0])
        else:
            if taken:
                self._taken = messages[taken - 1]
        if taken:
            self._went_well()
            self._refusals = 0
            if not self._stopping.is_set():  # the ledger may be closed by now, and another courier at work
                self._ledger.mark_delivered(self._sink.name, messages[taken - 1].id)

    def _takes_others(self, refused: Message, number: int) -> bool:
        """Whether the receiver takes another message than the refused one; `number` counts the attempts to find out.

        Raises:
            SinkError: it refuses that, too, or is away.
        """
        probe = self._taken
        if probe is None:
            following = self._ledger.last_message() - refused.id
            if following < 1:
                return False
            probe = self._ledger.messages_after(refused.id + number % following, 1)[0]
        if self._sink.deliver([probe]) < 1:
            return False
        self._taken = probe
        return True

    def _try_or_put_aside(self, message: Message) -> int:
        """Offer a message a last time to a receiver that is known to take others; returns 1: it is taken or put aside.

        Raises:
            SinkError: the receiver is away now.
            StorageError: it cannot be put aside.
        """
        try:
            taken = self._sink.deliver([message])
            self._taken = message
            return taken
        except DeliveryError as refusal:
            self._refusals += 1
            if not refusal.refused:
                raise
            self._rejected.put(message, refusal.message, self._refusals)
            self._put_aside_for = refusal.message
            log.error(
                "%s does not take %s, and takes others. %s It is put aside and will be offered again at the next start.",
                self._sink.name,
                message.key,
                refusal.message,
                extra={"sink": self._sink.name, "key": message.key},
            )
            self._note_rejected(1)
            return 1

    def _went_well(self) -> None:
        self._backoff.succeeded()
        with self._turn:
            failed, self._failing_since = self._failing_since is not None, None
            self._state = DeliveryState(self._sink.name, self._state.rejected)
        if failed:
            log.info("%s takes messages again.", self._sink.name, extra={"sink": self._sink.name})

    def _wait_after(self, failure: ReidEdgeError) -> None:
        """Note a failure, say it where it is news, and wait; a stop ends the wait."""
        seconds = self._backoff.failed()
        if isinstance(failure, DeliveryError) and failure.wait_seconds is not None:
            seconds = max(seconds, min(failure.wait_seconds, LONGEST_ASKED_SECONDS))
        with self._turn:
            news = failure.message != self._state.error
            self._state = DeliveryState(self._sink.name, self._state.rejected, failure.message)
            if self._failing_since is None:
                self._failing_since = time.monotonic()
        if news:
            log.warning("%s %s", failure.message, failure.hint, extra={"sink": self._sink.name})
        self._stopping.wait(seconds)

    def _offer_rejected_again(self) -> None:
        """At the start: what was put aside is offered once more, because the receiver may have been mended."""
        for each in self._rejected:
            while not self._stopping.is_set():
                try:
                    self._sink.deliver([each.message])
                except ReidEdgeError as failure:
                    if isinstance(failure, DeliveryError) and failure.refused:
                        break
                    self._wait_after(failure)
                else:
                    self._went_well()
                    self._rejected.remove(each.message)
                    self._note_rejected(-1)
                    break

    def _note_rejected(self, more: int) -> None:
        with self._turn:
            self._state = DeliveryState(
                self._sink.name, self._state.rejected + more, self._state.error, self._state.failing_seconds
            )
