"""What carries the ledger's messages to the outside: the contract of every sink, and how the daemon empties the outbox into one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from reid_edge.errors import ReidEdgeError
from reid_edge.watch.ledger.ledger import Ledger, Message


class SinkError(ReidEdgeError):
    """Messages could not be delivered now; they stay in the outbox and are tried again with back-off."""

    exit_code = 5


class Sink(Protocol):
    """Something that messages are delivered to, in the order of their ids.

    Attributes:
        name: stable between runs; how the ledger remembers how far this sink has got.
    """

    name: str

    def deliver(self, messages: Sequence[Message]) -> int:
        """Take messages; returns how many of them, from the first on, are safely away: on the disk, or acknowledged.

        Raises:
            SinkError, StorageError: they are to be tried again later. What was taken before stays away.
        """
        ...

    def close(self) -> None:
        """Give up files and connections; nothing is lost, because the ledger remembers what was delivered."""
        ...


def deliver_waiting(ledger: Ledger, sink: Sink, limit: int = 200) -> int:
    """Deliver up to `limit` waiting messages to one sink and note it in the ledger; returns how many there were.

    A kill between delivering and noting repeats messages: a sink recognises them by their id or key.

    Raises:
        SinkError, StorageError: tried again later.
    """
    messages = ledger.messages_after(ledger.delivered(sink.name), limit)
    if not messages:
        return 0
    taken = sink.deliver(messages)
    if taken:
        ledger.mark_delivered(sink.name, messages[taken - 1].id)
    return taken
