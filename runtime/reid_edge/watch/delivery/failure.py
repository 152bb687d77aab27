"""Why a message did not arrive, as far as the next step depends on it."""

from __future__ import annotations

from reid_edge.watch.outputs.sinks import SinkError


class DeliveryError(SinkError):
    """The first of the messages did not arrive.

    Attributes:
        refused: the receiver is there and answered that it does not take this message. Whether it takes any other is found by trying
            (`courier.py`). False for a receiver that is away, busy or broken.
        wait_seconds: how long the receiver asks to be left alone, or None.
    """

    def __init__(self, message: str, hint: str = "", refused: bool = False, wait_seconds: float | None = None) -> None:
        super().__init__(message, hint)
        self.refused = refused
        self.wait_seconds = wait_seconds
