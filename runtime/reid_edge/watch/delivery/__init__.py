"""Delivering the ledger's messages to a webhook and an MQTT broker: at least once, in order, whatever the network does.

What the daemon calls:

    deliveries = Deliveries(configuration, ledger)     # a thread per network sink, which reads the outbox and notes its progress itself
    deliveries.reconfigure(configuration)              # after SIGHUP
    deliveries.states()                                # for the metrics and the health
    deliveries.stop()                                  # before the ledger is closed; what is not delivered stays in the ledger
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from reid_edge.watch.configuration import Configuration

if TYPE_CHECKING:
    from reid_edge.watch.delivery.courier import Courier, DeliveryState
    from reid_edge.watch.ledger.ledger import Ledger
    from reid_edge.watch.outputs.sinks import Sink

STOP_SECONDS = 2.0


def open_sinks(configuration: Configuration, out: Path) -> list[Sink]:
    """The network sinks that the configuration asks for; nothing is connected yet.

    Args:
        configuration: its `webhook` and `mqtt`.
        out: the daemon's folder; it names this device to the broker.

    Raises:
        UsageError: MQTT is asked for and paho-mqtt is not installed.
    """
    sinks: list[Sink] = []
    if configuration.webhook is not None:
        from reid_edge.watch.delivery.webhook import WebhookSink

        sinks.append(WebhookSink(configuration.webhook))
    if configuration.mqtt is not None:
        from reid_edge.watch.delivery.mqtt import MqttSink

        sinks.append(MqttSink(configuration.mqtt, out))
    return sinks


class Deliveries:
    """All network sinks, each with a thread that waits, tries and tries again, so that a dead network never slows the answers down.

    Raises:
        UsageError: see `open_sinks`.
        GalleryError, StorageError: of the ledger.
    """

    def __init__(self, configuration: Configuration, ledger: Ledger) -> None:
        self._ledger = ledger
        self._out = configuration.out
        self._asked = (configuration.webhook, configuration.mqtt)
        self._couriers = self._new_couriers(configuration)
        self._start()

    def reconfigure(self, configuration: Configuration) -> None:
        """Go on with other addresses, from the message where each sink is; a sink that is new begins with the first message.

        Raises:
            UsageError: see `open_sinks`.
            GalleryError, StorageError: of the ledger. After each of them the deliveries go on as they were.
        """
        asked = (configuration.webhook, configuration.mqtt)
        if asked == self._asked:
            return
        couriers = self._new_couriers(configuration)
        self.stop()
        self._asked, self._couriers = asked, couriers
        self._start()

    def states(self) -> list[DeliveryState]:
        """How each delivery is doing now."""
        return [courier.state() for courier in self._couriers]

    def stop(self) -> None:
        """End the threads, within STOP_SECONDS: one that waits for an answer is left behind, and touches the ledger no more."""
        for courier in self._couriers:
            courier.stop()
        end = time.monotonic() + STOP_SECONDS
        for courier in self._couriers:
            courier.join(max(0.0, end - time.monotonic()))
        self._couriers = []

    def _new_couriers(self, configuration: Configuration) -> list[Courier]:
        from reid_edge.watch.delivery.courier import Courier
        from reid_edge.watch.delivery.rejected import RejectedMessages

        sinks = open_sinks(configuration, self._out)
        return [Courier(sink, self._ledger, RejectedMessages(self._out, sink.name)) for sink in sinks]

    def _start(self) -> None:
        for courier in self._couriers:
            courier.start()
