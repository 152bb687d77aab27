"""A ledger with messages, and a receiver over HTTP that can be stopped and started on the same port."""

from __future__ import annotations

import http.server
import json
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from reid_edge.watch.ledger.ledger import Ledger


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.sqlite") as opened:
        yield opened


@pytest.fixture(scope="session")
def fill() -> Callable[..., list[str]]:
    """Posts `count` photos of three cameras, from number `first` on; returns their keys in order."""

    def post(ledger: Ledger, count: int, first: int = 0) -> list[str]:
        keys = [f"photo:{number:04d}" for number in range(first, first + count)]
        with ledger.transaction():
            for number, key in enumerate(keys, first):
                ledger.post("photo", key, f"camera {number % 3}", {"photo": {"sha256": f"{number:04d}"}, "number": number})
        return keys

    return post


@pytest.fixture(scope="session")
def wait_until() -> Callable[..., None]:
    """Returns as soon as it is true; the time limit only ends a failure."""

    def wait(true: Callable[[], bool], seconds: float = 300.0) -> None:
        end = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < end, "it did not become true"
            time.sleep(0.005)

    return wait


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory, program: Callable[[str], str]) -> tuple[Path, Path]:
    """A certificate for localhost that signs itself, and its key; skips without openssl."""
    folder = tmp_path_factory.mktemp("certificate")
    command = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    more = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", "key.pem", "-out", "certificate.pem"]
    subprocess.run([program("openssl"), *command.split(), *more], cwd=folder, check=True, capture_output=True)
    return folder / "certificate.pem", folder / "key.pem"


Answer = tuple[int, dict[str, str]]


@dataclass
class Receiver:
    """Answers POSTs over HTTP. `answer` gets the body and may say another status and headers than 200."""

    answer: Callable[[dict[str, Any]], Answer] = lambda body: (200, {})
    port: int = 0
    received: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    attempts: int = 0
    _server: http.server.ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?station=7"

    @property
    def keys(self) -> list[str]:
        return [body["key"] for body in self.received]

    def start(self, certificate: tuple[Path, Path] | None = None) -> None:
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                receiver.attempts += 1
                status, headers = receiver.answer(body)
                if 200 <= status < 300:
                    receiver.received.append(body)
                    receiver.headers.append({"path": self.path, **dict(self.headers)})
                text = b"" if status < 300 else b"so says the receiver"
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, request: Any, client_address: Any) -> None:
                pass

        self._server = Server(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_address[1]
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    made.start()
    yield made
    made.stop()
