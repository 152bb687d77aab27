"""Messages by MQTT 5: each is published with quality of service 1; the broker's PUBACK is the receipt."""

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
from reid_edge.installation import install_command
from reid_edge.watch.configuration import Mqtt
from reid_edge.watch.delivery.payload import payload
from reid_edge.watch.delivery.sending import DeliveryError, deliver_in_order
from reid_edge.watch.ledger.ledger import Message

if TYPE_CHECKING:
    from paho.mqtt.client import Client

SESSION_SECONDS = 7 * 86400
_PORTS = {"mqtt": 1883, "mqtts": 8883}
_KEEP_ALIVE_SECONDS = 60
_LOST = -1  # in place of a message id: the connection ended


class MqttSink:
    """Publishes each message to `topic`, in order and one at a time, so that a lost connection never swaps two messages.

    The session is persistent: `clean start` is off, the broker keeps the session for SESSION_SECONDS, and the client id stays the same.
    The message's key is sent as the user property `idempotency-key`; the payload is that of the webhook.

    Args:
        mqtt: the broker, and the template of the topics.
        out: the daemon's folder; the client id is derived from it where none is configured.

    Raises:
        UsageError: paho-mqtt is not installed.
    """

    name = "mqtt"

    def __init__(self, mqtt: Mqtt, out: Path) -> None:
        try:
            import paho.mqtt.client  # noqa: F401 (a missing library is an error now, not at the first message)
        except ModuleNotFoundError as error:
            raise UsageError("mqtt needs the package paho-mqtt, which is not installed.", install_command("watch")) from error
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
        """Disconnect from the broker."""
        self._drop()

    def topic(self, message: Message) -> str:
        """The topic of a message. Characters of a camera's name that a topic cannot hold (/ + # and control characters) become _."""
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
        except ValueError as error:  # the topic or the payload is longer than MQTT allows
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
                raise DeliveryError(
                    f"The broker {self._shown} does not acknowledge a message.", "Delivery is tried again."
                ) from None
            if subject == _LOST:
                refused = reason.value in _REFUSALS_BY_DISCONNECT
                raise DeliveryError(
                    f"The broker {self._shown} ended the connection: {reason}.", "Delivery is tried again.", refused
                )
            if subject == number:
                if reason.is_failure:
                    refused = reason.value in _REFUSALS_BY_PUBACK
                    text = f"The broker {self._shown} does not take a message: {reason}."
                    raise DeliveryError(text, "Check the user's rights, and the topic.", refused)
                return

    def _connected(self) -> Client:
        """The client, connected.

        Raises:
            DeliveryError: the broker is not reached or refuses the connection.
        """
        if self._client is not None and self._client.is_connected():
            return self._client
        self._drop()
        client, connack = self._new_client()
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
            raise DeliveryError(f"The broker {self._shown} is not reached: {reason}.", "Delivery is tried again.") from error
        client.loop_start()
        self._client = client
        try:
            answer = connack.get(timeout=self._mqtt.timeout_seconds)
        except queue.Empty:
            self._drop()
            raise DeliveryError(f"The broker {self._shown} does not answer CONNECT.", "Delivery is tried again.") from None
        if answer.is_failure:
            self._drop()
            raise DeliveryError(
                f"The broker {self._shown} refuses the connection: {answer}.", "Check the name and the password in its address."
            )
        return client

    def _new_client(self) -> tuple[Client, queue.SimpleQueue[Any]]:
        """A client that is not connected yet, and the queue of its CONNACK (or of the end of the connection before it)."""
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
        # Each connection has its own queues, so that late events of an earlier connection are not mixed up with this one's.
        events: queue.SimpleQueue[tuple[int, Any]] = queue.SimpleQueue()
        connack: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._events = events

        def on_connect(client: Client, data: Any, flags: Any, reason: Any, properties: Any) -> None:
            connack.put(reason)

        def on_publish(client: Client, data: Any, number: int, reason: Any, properties: Any) -> None:
            events.put((number, reason))

        def on_disconnect(client: Client, data: Any, flags: Any, reason: Any, properties: Any) -> None:
            connack.put(reason)
            events.put((_LOST, reason))

        client.on_connect, client.on_publish, client.on_disconnect = on_connect, on_publish, on_disconnect
        return client, connack

    def _drop(self) -> None:
        """Give up the connection and everything that paho would send again by itself; the ledger decides what is sent."""
        client, self._client = self._client, None
        if client is not None:
            client.disconnect()
            client.loop_stop()


# MQTT 5, 3.14.2.1 and 3.4.2.1: reason codes that are about the message. A broker that cannot read or carry it ends the connection.
_REFUSALS_BY_DISCONNECT = frozenset({0x81, 0x82, 0x90, 0x95, 0x99, 0x9A, 0x9B})
_REFUSALS_BY_PUBACK = frozenset({0x80, 0x83, 0x87, 0x90, 0x99})


def _properties(packet: str) -> Any:
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties

    return Properties(getattr(PacketTypes, packet))  # type: ignore[no-untyped-call]


def _client_id(out: Path) -> str:
    """Derived from this machine and folder; at most 23 letters and digits, which every broker takes (MQTT 5, 3.1.3.1)."""
    return "reidedge" + hashlib.sha256(f"{socket.gethostname()}\0{out}".encode("utf-8", "surrogateescape")).hexdigest()[:15]
