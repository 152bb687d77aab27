"""Messages by MQTT 5: each published with quality of service 1, and the broker's PUBACK as the receipt."""

from __future__ import annotations

import hashlib
import queue
import re
import socket
import ssl
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from reid_edge.errors import UsageError
from reid_edge.watch.configuration import Mqtt
from reid_edge.watch.delivery.failure import DeliveryError
from reid_edge.watch.delivery.in_order import deliver_in_order
from reid_edge.watch.delivery.payload import payload
from reid_edge.watch.ledger.ledger import Message

if TYPE_CHECKING:
    from paho.mqtt.client import Client

SESSION_SECONDS = 7 * 86400
_PORTS = {"mqtt": 1883, "mqtts": 8883}
_KEEP_ALIVE_SECONDS = 60
_LOST = -1  # in place of a message id: the connection ended


class MqttSink:
    """Publishes each message to `topic`, in order, one at a time, so that a lost connection never swaps two.

    The session is persistent (`clean start` off, kept by the broker for SESSION_SECONDS) under a client id that stays the same. The
    message's key travels as the user property `idempotency-key`, the payload is that of the webhook.

    Args:
        mqtt: the broker, and how the topics are made.
        out: the daemon's folder; it makes the client id where none is configured.

    Raises:
        UsageError: paho-mqtt is not installed.
    """

    name = "mqtt"

    def __init__(self, mqtt: Mqtt, out: Path) -> None:
        try:
            import paho.mqtt.client  # noqa: F401 (it is asked for, so it is missed here and not at the first message)
        except ModuleNotFoundError as error:
            raise UsageError(
                "mqtt needs the package paho-mqtt, which is not installed.", "pip install 'reid-edge[watch]'"
            ) from error
        parts = urlsplit(mqtt.url)
        self._mqtt = mqtt
        self._secure = parts.scheme == "mqtts"
        self._host = parts.hostname or ""
        self._port = parts.port or _PORTS[parts.scheme]
        self._user = unquote(parts.username) if parts.username else None
        self._password = unquote(parts.password) if parts.password else None
        self._client_id = mqtt.client_id or _client_id(out)
        self._shown = f"{parts.scheme}://{self._host}:{self._port}"
        self._client: Client | None = None
        self._events: queue.SimpleQueue[tuple[int, Any]] = queue.SimpleQueue()

    def deliver(self, messages: Sequence[Message]) -> int:
        """Publish the messages one after the other; returns how many of them, from the first on, the broker has acknowledged.

        Raises:
            DeliveryError: the first one was not.
        """
        return deliver_in_order(messages, self._publish)

    def close(self) -> None:
        """Say good-bye to the broker."""
        client, self._client = self._client, None
        if client is not None:
            client.disconnect()
            client.loop_stop()

    def topic(self, message: Message) -> str:
        """Where a message is published; what a topic must not hold (/ + # and control characters) is _ in a camera's name."""
        camera = re.sub(r"[/+#\x00-\x1f\x7f-\x9f\ud800-\udfff]", "_", message.camera) or "_"
        fields = {"camera": camera, "kind": message.kind, "sink": self.name}
        return re.sub(r"\{([a-z]+)\}", lambda found: fields[found[1]], self._mqtt.topic)

    def _publish(self, message: Message) -> None:
        client = self._connected()
        properties = _properties("PUBLISH")
        properties.ContentType = "application/json"
        properties.UserProperty = ("idempotency-key", message.key)
        try:
            published = client.publish(
                self.topic(message), payload(message), qos=1, retain=self._mqtt.retain, properties=properties
            )
            self._await(published.mid)
        except ValueError as error:  # a topic or a payload that MQTT has no room for
            raise DeliveryError(f"MQTT cannot carry {message.key}: {error}.", "Shorten the topic.", refused=True) from error
        except DeliveryError:
            self._drop()
            raise

    def _await(self, number: int) -> None:
        """Wait for the PUBACK of a message.

        Raises:
            DeliveryError: none came in time, the connection ended, or the broker refuses the message.
        """
        end = time.monotonic() + self._mqtt.timeout_seconds
        while True:
            try:
                subject, reason = self._events.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                raise DeliveryError(f"The broker {self._shown} does not acknowledge.", "It is tried again.") from None
            if subject == _LOST:
                # MQTT 5, 4.13: a broker that cannot take a message (too large, malformed) names it by ending the connection.
                refused = reason.getName() in _ABOUT_THE_MESSAGE
                raise DeliveryError(f"The broker {self._shown} ended the connection: {reason}.", "It is tried again.", refused)
            if subject == number:
                if reason.is_failure:
                    raise DeliveryError(
                        f"The broker {self._shown} refuses: {reason}.",
                        "Check the rights of the user, and the topic.",
                        refused=True,
                    )
                return

    def _connected(self) -> Client:
        """The client, connected.

        Raises:
            DeliveryError: the broker is not reached or does not let this client in.
        """
        if self._client is not None and self._client.is_connected():
            return self._client
        self._drop()
        client, greeting = self._new_client()
        session = _properties("CONNECT")
        session.SessionExpiryInterval = SESSION_SECONDS
        try:
            client.connect(self._host, self._port, _KEEP_ALIVE_SECONDS, clean_start=False, properties=session)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            if isinstance(error, (TimeoutError, socket.timeout)):
                reason = "it did not answer in time"
            elif isinstance(error, ssl.SSLCertVerificationError):
                reason = f"its certificate is not accepted, {error.verify_message}; check the clock of this device"
            raise DeliveryError(f"The broker {self._shown} is not reached: {reason}.", "It is tried again.") from error
        client.loop_start()
        self._client = client
        try:
            answer = greeting.get(timeout=self._mqtt.timeout_seconds)
        except queue.Empty:
            self._drop()
            raise DeliveryError(f"The broker {self._shown} does not greet back.", "It is tried again.") from None
        if answer.is_failure:
            self._drop()
            raise DeliveryError(
                f"The broker {self._shown} lets nobody in: {answer}.", "Check the name and the password in its address."
            )
        return client

    def _new_client(self) -> tuple[Client, queue.SimpleQueue[Any]]:
        """A client that has not connected, and where the broker's greeting, or the end of the connection before it, will come in."""
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

        client = Client(
            CallbackAPIVersion.VERSION2, self._client_id, protocol=MQTTProtocolVersion.MQTTv5, reconnect_on_failure=False
        )
        if self._user is not None:
            client.username_pw_set(self._user, self._password)
        if self._secure:
            client.tls_set_context(ssl.create_default_context())
        client.connect_timeout = self._mqtt.timeout_seconds
        # Each connection has queues of its own, so that what an earlier one still says is not taken for this one's.
        events: queue.SimpleQueue[tuple[int, Any]] = queue.SimpleQueue()
        greeting: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._events = events

        def on_connect(client: Client, data: Any, flags: Any, reason: Any, properties: Any) -> None:
            greeting.put(reason)

        def on_publish(client: Client, data: Any, number: int, reason: Any, properties: Any) -> None:
            events.put((number, reason))

        def on_disconnect(client: Client, data: Any, flags: Any, reason: Any, properties: Any) -> None:
            greeting.put(reason)
            events.put((_LOST, reason))

        client.on_connect, client.on_publish, client.on_disconnect = on_connect, on_publish, on_disconnect
        return client, greeting

    def _drop(self) -> None:
        """Forget the connection with everything that paho would send again by itself: the ledger says what is to be sent."""
        client, self._client = self._client, None
        if client is not None:
            client.disconnect()
            client.loop_stop()


# MQTT 5, 2.4: reason codes 0x81, 0x82, 0x90, 0x95, 0x99, 0x9A, 0x9B, by the names that paho gives them.
_ABOUT_THE_MESSAGE = frozenset(
    {
        "Malformed packet",
        "Protocol error",
        "Topic name invalid",
        "Packet too large",
        "Payload format invalid",
        "Retain not supported",
        "QoS not supported",
    }
)


def _properties(packet: str) -> Any:
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties

    return Properties(getattr(PacketTypes, packet))  # type: ignore[no-untyped-call]


def _client_id(out: Path) -> str:
    """At most 23 letters and digits, which every broker takes (MQTT 5, 3.1.3.1): this machine and folder, always the same."""
    return "reidedge" + hashlib.sha256(f"{socket.gethostname()}\0{out}".encode("utf-8", "surrogateescape")).hexdigest()[:15]
