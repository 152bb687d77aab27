"""A webhook's server and an MQTT broker that are down for a while: real ones, stopped and started while photos are answered."""

from __future__ import annotations

import json
import random
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from reid_edge.processes import find_program
from reid_edge_benchmarks.reliability.arriving import lay
from reid_edge_benchmarks.reliability.conservation import prove
from reid_edge_benchmarks.reliability.daemon import Daemon
from reid_edge_benchmarks.reliability.ledger_state import LedgerState, after_death, look
from reid_edge_benchmarks.reliability.outcome import Fault, Outcome, Place, Skipped, Tally
from reid_edge_benchmarks.reliability.photos import frames

SMALL, FULL = (1, 12), (12, 40)  # times down, photos each time
_DOWN_SECONDS = 1.0
_PATIENCE = 180.0


def run(place: Place, full: bool) -> Outcome:
    """Both, and the daemon killed now and then as well."""
    times, photos = FULL if full else SMALL
    tally = Tally()
    for kind in (_HttpReceiver, _Broker):
        try:
            _deliver(place, kind(place), times, photos, tally)
        except Skipped as reason:
            tally.notes.append(f"Not made here: {reason}.")
    if not tally.figures:
        raise Skipped(" ".join(tally.notes))
    return tally.outcome()


def _deliver(place: Place, receiver: _HttpReceiver | _Broker, times: int, photos: int, tally: Tally) -> None:
    folder, out = place.fresh("delivery-incoming"), place.fresh("delivery") / "out"
    put_in: dict[bytes, bytes] = {}
    daemon = place.daemon([folder], out, *receiver.options)
    chance = random.Random(23)
    receiver.start()
    try:
        daemon.start()
        for number in range(times):
            for camera in ("a", "b"):
                put_in |= lay(folder / camera, frames(photos // 2, first=1000 * number + 500 * (camera == "b")), f"R{number}")
            time.sleep(chance.uniform(0.1, 0.8))
            receiver.stop(number)
            tally.add(f"{receiver.name}: times down")
            if number % 2:
                daemon.kill()
                daemon.start()
                tally.add(f"{receiver.name}: daemon killed meanwhile")
            time.sleep(_DOWN_SECONDS)
            daemon.until(_decided(len(put_in)), _PATIENCE)
            receiver.start()
        _until_all_there(daemon, receiver)
        tally.expect(daemon.stop() == 0, f"The daemon did not end well. {daemon.tail()}")
        _until_all_there(daemon, receiver)
    finally:
        if daemon.running:
            daemon.kill()
        receiver.close()
    tally.conserved(prove(out, put_in), receiver.name)
    _compare(receiver, out, tally)


def _decided(photos: int) -> Callable[[LedgerState], bool]:
    return lambda state: len(state.decided) == photos


def _until_all_there(daemon: Daemon, receiver: _HttpReceiver | _Broker) -> None:
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        state = look(daemon.out)
        if state is not None and {message.key for message in state.messages} <= {key for key, _ in receiver.received()}:
            return
        time.sleep(0.2)


def _compare(receiver: _HttpReceiver | _Broker, out: Path, tally: Tally) -> None:
    state = after_death(out)
    messages = {message.key: message for message in state.messages} if state else {}
    received = receiver.received()
    keys = [key for key, _ in received]
    lost = set(messages) - set(keys)
    tally.add(f"{receiver.name}: messages", len(messages))
    tally.figures[f"{receiver.name}: lost"] = len(lost)
    tally.add(f"{receiver.name}: delivered again", len(keys) - len(set(keys)))
    tally.expect(not lost, f"{receiver.name}: {len(lost)} of {len(messages)} messages are lost.")
    strangers = [key for key in set(keys) - set(messages) if state is None or not state.may_be_pruned(key)]
    tally.expect(not strangers, f"{receiver.name}: something was delivered that is not in the ledger.")
    tally.expect(
        all(body.get("key") == key for key, body in received), f"{receiver.name}: a body has another key than its message."
    )
    first = [messages[key] for key in dict.fromkeys(keys) if key in messages]
    disordered = 0
    for camera in {message.camera for message in first}:
        ids = [message.id for message in first if message.camera == camera]
        disordered += ids != sorted(ids)
    tally.figures[f"{receiver.name}: cameras out of order"] = disordered
    tally.expect(disordered == 0, f"{receiver.name}: {disordered} cameras were told out of order.")


class _HttpReceiver:
    """An HTTP server of its own: it notes what it gets; down it refuses connections, answers 503, or hangs up in the middle."""

    name = "webhook"

    def __init__(self, place: Place) -> None:
        self._port = _free_port()
        self._server: ThreadingHTTPServer | None = None
        self._received: list[tuple[str, dict[str, Any]]] = []
        self._lock = threading.Lock()
        self._how = "up"
        self.options = ["--webhook", f"http://127.0.0.1:{self._port}/hook"]

    def start(self) -> None:
        """Up."""
        self._how = "up"
        if self._server is None:
            self._server = ThreadingHTTPServer(("127.0.0.1", self._port), self._handler())
            self._server.daemon_threads = True
            threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self, number: int) -> None:
        """Down, each time in another way."""
        self._how = ("gone", "busy", "hanging up")[number % 3]
        if self._how == "gone":
            self.close()

    def close(self) -> None:
        """Gone."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def received(self) -> list[tuple[str, dict[str, Any]]]:
        """Idempotency key and body of everything that was taken, in order."""
        with self._lock:
            return list(self._received)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if receiver._how == "hanging up":  # it took the message, and its receipt is lost
                    receiver._note(self.headers["Idempotency-Key"], body)
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                self.send_response(503 if receiver._how == "busy" else 204)
                if receiver._how != "busy":
                    receiver._note(self.headers["Idempotency-Key"], body)
                self.end_headers()

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        return Handler

    def _note(self, key: str, body: bytes) -> None:
        with self._lock:
            self._received.append((key, json.loads(body)))


class _Broker:
    """Mosquitto with a disk for its sessions, and a subscriber whose session it keeps while either is away."""

    name = "mqtt"

    def __init__(self, place: Place) -> None:
        self._program = find_program("mosquitto", "/usr/sbin:/usr/local/sbin")
        if self._program is None:
            raise Skipped("an MQTT broker, because mosquitto is not installed")
        try:
            import paho.mqtt.client  # noqa: F401
        except ModuleNotFoundError:
            raise Skipped("an MQTT broker, because paho-mqtt is not installed") from None
        self._folder = place.fresh("broker")
        port = _free_port()
        self._port = port
        self._settings = self._folder / "mosquitto.conf"
        self._settings.write_text(
            f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence true\npersistence_location {self._folder}/\n"
            "max_queued_messages 0\nmax_inflight_messages 1\nuser root\n",
            encoding="utf-8",
        )
        self._process: subprocess.Popen[bytes] | None = None
        self._received: list[tuple[str, dict[str, Any]]] = []
        self._lock = threading.Lock()
        self._subscriber: Any = None
        self.options = ["--mqtt", f"mqtt://127.0.0.1:{port}"]

    def start(self) -> None:
        """Up, and the subscriber with it."""
        log = (self._folder / "mosquitto.log").open("ab")
        self._process = subprocess.Popen([self._program or "", "-c", str(self._settings)], stdout=log, stderr=log)
        log.close()
        _wait_for(lambda: _accepts(self._port), "the broker")
        if self._subscriber is None:
            self._subscriber = self._subscribed()

    def stop(self, number: int) -> None:
        """Down; it keeps on its disk what it acknowledged."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(30)

    def close(self) -> None:
        """Gone, and the subscriber with it."""
        if self._subscriber is not None:
            self._subscriber.disconnect()
            self._subscriber.loop_stop()
        if self._process is not None and self._process.poll() is None:
            self.stop(0)

    def received(self) -> list[tuple[str, dict[str, Any]]]:
        """Key and body of every message, in order."""
        with self._lock:
            return list(self._received)

    def _subscribed(self) -> Any:
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion

        subscribed = threading.Event()
        client = Client(CallbackAPIVersion.VERSION2, "reliability", clean_session=False)
        client.reconnect_delay_set(1, 1)

        def take(_: Any, __: Any, message: Any) -> None:
            body = json.loads(message.payload)
            with self._lock:
                self._received.append((body["key"], body))

        client.on_message = take

        def subscribe(*_: Any) -> None:
            client.subscribe("reid-edge/#", qos=1)

        client.on_connect = subscribe
        client.on_subscribe = lambda *_: subscribed.set()
        client.connect("127.0.0.1", self._port)
        client.loop_start()
        if not subscribed.wait(30):
            raise AssertionError("The subscriber did not subscribe.")
        return client


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _wait_for(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + 30.0
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not start.")
        time.sleep(0.05)


FAULT = Fault(
    "delivery",
    "Webhook and MQTT broker down for a while, the daemon killed meanwhile",
    "delivered at least once, lost 0, order per camera",
    run,
)
