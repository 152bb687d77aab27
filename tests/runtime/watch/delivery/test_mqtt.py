"""Against a real Mosquitto, where it is installed (Debian: apt install mosquitto)."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from reid_edge.errors import UsageError
from reid_edge.watch.configuration import Configuration, Mqtt, read_configuration
from reid_edge.watch.delivery import Deliveries
from reid_edge.watch.delivery.backoff import Backoff
from reid_edge.watch.delivery.mqtt import MqttSink
from reid_edge.watch.delivery.rejected import all_rejected
from reid_edge.watch.delivery.sending import DeliveryError
from reid_edge.watch.ledger.ledger import Ledger, Message

Fill = Callable[..., list[str]]
Wait = Callable[..., None]


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real waits are tested in test_backoff.py."""
    pytest.importorskip("paho.mqtt.client")
    monkeypatch.setattr("reid_edge.watch.delivery.worker.Backoff", lambda: Backoff(first=0.02, longest=0.05))


class Broker:
    """A Mosquitto that can be stopped and started on the same port, and what a subscriber with a session of its own received."""

    def __init__(self, mosquitto: str, folder: Path) -> None:
        self.mosquitto, self.folder = mosquitto, folder
        self.lines = ["allow_anonymous true"]
        self.process: subprocess.Popen[bytes] | None = None
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        self.received: list[tuple[str, dict[str, Any], str]] = []
        self.subscriber: Any = None
        self.ready = False

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def start(self) -> None:
        configuration = self.folder / "mosquitto.conf"
        store = f"persistence true\npersistence_location {self.folder}/\nautosave_interval 1\n"
        user = "user root\n" if self.folder.owner() == "root" else ""
        configuration.write_text(f"listener {self.port} 127.0.0.1\n{user}{store}" + "\n".join(self.lines) + "\n")
        log = (self.folder / "mosquitto.log").open("ab")
        with log:
            self.process = subprocess.Popen([self.mosquitto, "-c", str(configuration)], stdout=log, stderr=log)

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(30)
            self.process = None

    def subscribe(self, wait_until: Wait, **login: str) -> None:
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
        from paho.mqtt.packettypes import PacketTypes
        from paho.mqtt.properties import Properties

        client = Client(CallbackAPIVersion.VERSION2, "listener", protocol=MQTTProtocolVersion.MQTTv5)
        if login:
            client.username_pw_set(**login)

        def on_message(client: Any, data: Any, message: Any) -> None:
            key = dict(message.properties.UserProperty)["idempotency-key"]
            self.received.append((message.topic, json.loads(message.payload), key))

        def on_subscribe(*_: Any) -> None:
            self.ready = True

        client.on_message = on_message
        client.on_subscribe = on_subscribe
        client.on_connect = lambda client, *_: client.subscribe("#", qos=1)
        client.reconnect_delay_set(1, 1)
        session: Any = Properties(PacketTypes.CONNECT)
        session.SessionExpiryInterval = 3600
        wait_until(self._listens)
        client.connect("127.0.0.1", self.port, clean_start=False, properties=session)
        client.loop_start()
        self.subscriber = client
        wait_until(lambda: self.ready)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    @property
    def keys(self) -> list[str]:
        return [key for _, _, key in self.received]


@pytest.fixture
def broker(tmp_path: Path, program: Callable[[str], str]) -> Iterator[Broker]:
    folder = tmp_path / "broker"
    folder.mkdir()
    made = Broker(program("mosquitto"), folder)
    yield made
    if made.subscriber is not None:
        made.subscriber.disconnect()
        made.subscriber.loop_stop()
    made.stop()


def configuration(ledger: Ledger, **given: Any) -> Configuration:
    return read_configuration(None, {"folders": ["photos"], "out": ledger.path.parent, **given})


def test_a_message_is_published_under_its_camera_with_its_key(
    ledger: Ledger, fill: Fill, broker: Broker, wait_until: Wait, tmp_path: Path
) -> None:
    fill(ledger, 2)
    ledger.post("event", "event:1:1", "ridge/a+b#\u00e9", {"event": 1})
    broker.start()
    broker.subscribe(wait_until)
    sink = MqttSink(Mqtt(broker.url), tmp_path)
    assert sink.deliver(ledger.messages_after(0)) == 3
    sink.close()
    wait_until(lambda: len(broker.received) == 3)
    assert [topic for topic, _, _ in broker.received] == [
        "reid-edge/camera 0/photo", "reid-edge/camera 1/photo", "reid-edge/ridge_a_b_\u00e9/event",
    ]  # fmt: skip
    assert broker.keys == ["photo:0000", "photo:0001", "event:1:1"]
    body = broker.received[2][1]
    assert (body["camera"], body["event"], body["key"], body["id"]) == ("ridge/a+b#\u00e9", 1, "event:1:1", 3)


def test_a_broker_that_goes_and_comes_back_gets_everything_in_order(
    ledger: Ledger, fill: Fill, broker: Broker, wait_until: Wait
) -> None:
    broker.start()
    broker.subscribe(wait_until)
    keys = fill(ledger, 40)
    deliveries = Deliveries(configuration(ledger, mqtt=broker.url), ledger)
    wait_until(lambda: ledger.delivered("mqtt") >= 5)
    for round_ in range(2):
        broker.stop()
        keys += fill(ledger, 10, first=40 + 10 * round_)
        wait_until(lambda: "not reached" in deliveries.states()[0].error)
        broker.start()
        wait_until(lambda: ledger.delivered("mqtt") == ledger.last_message())
    deliveries.stop()
    # What the broker acknowledged is in its store; the subscriber's own session gets it when it is back (it tries every second).
    wait_until(lambda: set(broker.keys) == set(keys))
    assert list(dict.fromkeys(broker.keys)) == keys


def test_a_topic_that_the_broker_refuses_is_rejected_and_the_others_go_on(
    ledger: Ledger, fill: Fill, broker: Broker, wait_until: Wait
) -> None:
    rights = broker.folder / "rights"
    rights.write_text("topic readwrite reid-edge/#\ntopic deny reid-edge/camera 1/#\n")
    rights.chmod(0o600)
    broker.lines += [f"acl_file {rights}"]
    fill(ledger, 9)
    broker.start()
    deliveries = Deliveries(configuration(ledger, mqtt=broker.url), ledger)
    wait_until(lambda: ledger.delivered("mqtt") == 9)
    deliveries.stop()
    rejected = all_rejected(ledger.path.parent)
    assert [each.message.camera for each in rejected] == ["camera 1"] * 3
    assert "Not authorized" in rejected[0].reason


@pytest.mark.parametrize("limit", ["message_size_limit 2000", "max_packet_size 2000"])
def test_a_message_that_is_too_large_for_the_broker_is_rejected(
    ledger: Ledger, fill: Fill, broker: Broker, wait_until: Wait, limit: str
) -> None:
    broker.lines += [limit]
    fill(ledger, 1)
    ledger.post("event", "event:1:1", "ridge", {"text": "x" * 10_000})
    fill(ledger, 1, first=1)
    broker.start()
    deliveries = Deliveries(configuration(ledger, mqtt=broker.url), ledger)
    wait_until(lambda: ledger.delivered("mqtt") == 3)
    deliveries.stop()
    assert [each.message.key for each in all_rejected(ledger.path.parent)] == ["event:1:1"]


def test_a_wrong_password_is_said_and_nothing_is_lost(
    ledger: Ledger, fill: Fill, broker: Broker, wait_until: Wait, tmp_path: Path
) -> None:
    passwords = broker.folder / "passwords"
    subprocess.run(["mosquitto_passwd", "-b", "-c", passwords, "ranger", "right"], check=True, capture_output=True)
    passwords.chmod(0o600)
    broker.lines = ["allow_anonymous false", f"password_file {passwords}"]
    fill(ledger, 1)
    broker.start()
    wait_until(broker._listens)
    wrong = MqttSink(Mqtt(broker.url.replace("//", "//ranger:wrong@")), tmp_path)
    with pytest.raises(DeliveryError, match="refuses the connection: Not authorized") as refused:
        wrong.deliver(ledger.messages_after(0))
    assert not refused.value.refused
    assert "wrong" not in refused.value.message
    right = MqttSink(Mqtt(broker.url.replace("//", "//ranger:right@")), tmp_path)
    assert right.deliver(ledger.messages_after(0)) == 1
    right.close()


def test_mqtts_trusts_the_certificates_of_the_machine_only(
    ledger: Ledger,
    fill: Fill,
    broker: Broker,
    wait_until: Wait,
    tmp_path: Path,
    certificate: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broker.lines += [f"certfile {certificate[0]}", f"keyfile {certificate[1]}"]
    fill(ledger, 1)
    broker.start()
    wait_until(broker._listens)
    secure = Mqtt(broker.url.replace("mqtt:", "mqtts:"))
    with pytest.raises(DeliveryError, match="certificate is not accepted"):
        MqttSink(secure, tmp_path).deliver(ledger.messages_after(0))
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    sink = MqttSink(secure, tmp_path)
    assert sink.deliver(ledger.messages_after(0)) == 1
    sink.close()


def test_a_broker_that_is_away_or_mute_is_no_refusal(ledger: Ledger, fill: Fill, tmp_path: Path) -> None:
    fill(ledger, 1)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        sink = MqttSink(Mqtt(f"mqtt://127.0.0.1:{port}", timeout_seconds=0.2), tmp_path)
        with pytest.raises(DeliveryError, match="does not answer CONNECT") as failure:
            sink.deliver(ledger.messages_after(0))
        assert not failure.value.refused
    with pytest.raises(DeliveryError, match="not reached") as failure:
        sink.deliver(ledger.messages_after(0))
    assert not failure.value.refused
    sink.close()


def test_the_client_id_stays_the_same_and_differs_between_folders(tmp_path: Path) -> None:
    ids = [MqttSink(Mqtt("mqtt://x"), out)._client_id for out in (tmp_path, tmp_path, tmp_path / "other")]
    assert ids[0] == ids[1] != ids[2]
    assert all(len(each) <= 23 and each.isalnum() for each in ids)


def test_a_missing_library_is_said_where_mqtt_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "paho.mqtt.client", None)
    with pytest.raises(UsageError, match="paho-mqtt") as refused:
        MqttSink(Mqtt("mqtt://x"), tmp_path)
    assert ".[watch]" in refused.value.hint


def test_a_topic_may_leave_the_camera_out(tmp_path: Path) -> None:
    message = Message(1, "folder", "folder:1:1", "", {}, "")
    assert MqttSink(Mqtt("mqtt://x", topic="park/{kind}"), tmp_path).topic(message) == "park/folder"
    assert MqttSink(Mqtt("mqtt://x", topic="{sink}/{camera}"), tmp_path).topic(message) == "mqtt/_"
