"""Messages to a receiver one after the other, never past one that did not arrive."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from reid_edge.watch.delivery.failure import DeliveryError
from reid_edge.watch.ledger.ledger import Message


def deliver_in_order(messages: Sequence[Message], send: Callable[[Message], None]) -> int:
    """Send until one does not arrive; returns how many of them, from the first on, did.

    Raises:
        DeliveryError: the first one did not.
    """
    for count, message in enumerate(messages):
        try:
            send(message)
        except DeliveryError:
            if count == 0:
                raise
            return count
    return len(messages)
