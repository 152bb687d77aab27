"""Delivery of the ledger's messages to a webhook and an MQTT broker: at least once, and in order for each receiver.

What the daemon calls:

    deliveries = Deliveries(configuration, ledger)     # starts a thread for each network sink; it reads the outbox and notes its progress
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
    from reid_edge.watch.delivery.worker import DeliveryState, DeliveryWorker
    from reid_edge.watch.ledger.ledger import Ledger
    from reid_edge.watch.outputs.sinks import Sink

STOP_SECONDS = 2.0


def open_sinks(configuration: Configuration, out: Path) -> list[Sink]:
    """The network sinks of the configuration, not connected yet.

    Args:
        configuration: its `webhook` and `mqtt`.
        out: the daemon's folder; the MQTT client id is derived from it.

    Raises:
        UsageError: `mqtt` is set and paho-mqtt is not installed.
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
    """All network sinks, each with a thread of its own, so that a network that is down never slows the answers.

    Raises:
        UsageError: see `open_sinks`.
        GalleryError, StorageError: the ledger cannot be used.
    """

    def __init__(self, configuration: Configuration, ledger: Ledger) -> None:
        self._ledger = ledger
        self._out = configuration.out
        self._settings = (configuration.webhook, configuration.mqtt)
        self._workers = self._new_workers(configuration)
        self._start()

    def reconfigure(self, configuration: Configuration) -> None:
        """Continue with the new addresses where each sink is; a new sink begins with the first message. Rejected messages are sent again.

        Raises:
            UsageError: see `open_sinks`.
            GalleryError, StorageError: the ledger cannot be used. After each of these errors the deliveries go on as they were.
        """
        settings = (configuration.webhook, configuration.mqtt)
        if settings == self._settings and not any(state.rejected for state in self.states()):
            return
        workers = self._new_workers(configuration)
        self.stop()
        self._settings, self._workers = settings, workers
        self._start()

    def states(self) -> list[DeliveryState]:
        """The state of each delivery now."""
        return [worker.state() for worker in self._workers]

    def stop(self) -> None:
        """End the threads within STOP_SECONDS. One that still waits for a receiver is left behind, and uses the ledger no more."""
        for worker in self._workers:
            worker.stop()
        end = time.monotonic() + STOP_SECONDS
        for worker in self._workers:
            worker.join(max(0.0, end - time.monotonic()))
        self._workers = []

    def _new_workers(self, configuration: Configuration) -> list[DeliveryWorker]:
        from reid_edge.watch.delivery.rejected import RejectedMessages
        from reid_edge.watch.delivery.worker import DeliveryWorker

        sinks = open_sinks(configuration, self._out)
        return [DeliveryWorker(sink, self._ledger, RejectedMessages(self._out, sink.name)) for sink in sinks]

    def _start(self) -> None:
        for worker in self._workers:
            worker.start()
