"""Sending messages one after the other, and what kind of failure stopped it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from reid_edge.watch.ledger.ledger import Message
from reid_edge.watch.outputs.sinks import SinkError


class DeliveryError(SinkError):
    """The first of the messages was not delivered.

    Attributes:
        refused: the receiver refuses this message. False: the receiver takes no message now, because it is away, busy or misconfigured.
        wait_seconds: how long the receiver asks to be left alone, or None.
    """

    def __init__(self, message: str, hint: str = "", refused: bool = False, wait_seconds: float | None = None) -> None:
        super().__init__(message, hint)
        self.refused = refused
        self.wait_seconds = wait_seconds


def deliver_in_order(messages: Sequence[Message], send: Callable[[Message], None]) -> int:
    """Send until a message fails; returns how many messages, from the first on, were delivered.

    Raises:
        DeliveryError: the first message failed.
    """
    for count, message in enumerate(messages):
        try:
            send(message)
        except DeliveryError:
            if count == 0:
                raise
            return count
    return len(messages)
