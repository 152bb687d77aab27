"""The contract of a sink, which takes the messages of the ledger's outbox, and one step of delivery to a sink."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from reid_edge.errors import ReidEdgeError
from reid_edge.watch.ledger.ledger import Ledger, Message


class SinkError(ReidEdgeError):
    """Messages could not be delivered now. They stay in the outbox and are tried again after a pause."""

    exit_code = 5


class Sink(Protocol):
    """Takes messages in the order of their ids.

    Attributes:
        name: the same in every run; the ledger stores the progress of the sink under it.
    """

    name: str

    def deliver(self, messages: Sequence[Message]) -> int:
        """Take messages; returns how many of them, from the first on, are delivered: on the disk, or acknowledged.

        Raises:
            SinkError, StorageError: none was delivered; they must be tried again later.
        """
        ...

    def close(self) -> None:
        """Close files and connections; nothing is lost, because the ledger stores what was delivered."""
        ...


def deliver_waiting(ledger: Ledger, sink: Sink, limit: int = 200) -> int:
    """Deliver up to `limit` waiting messages to one sink and note it in the ledger; returns how many were delivered.

    A kill between the two delivers messages again: a sink recognises them by their id or key.

    Raises:
        SinkError, StorageError: try again later.
    """
    messages = ledger.messages_after(ledger.delivered(sink.name), limit)
    if not messages:
        return 0
    taken = sink.deliver(messages)
    if taken:
        ledger.mark_delivered(sink.name, messages[taken - 1].id)
    return taken
