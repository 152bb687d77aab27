"""kill -9 of the page in the middle of decisions: what was answered is in the gallery once, what was not is there once or not at all."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import socket
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

from reid_edge.gallery import Gallery
from reid_edge.review.identification import PackChoice
from reid_edge.review.server import run
from reid_edge.review.services import Services, Sources
from reid_edge.review.web.security import Access

_CLIENTS = 3
_LONGEST_SECONDS = 0.6


def measure_kills(gallery: Path, kills: int, seed: int = 1) -> dict[str, Any]:
    """Start the server, decide from several clients at once, kill it at a random moment, look; again and again.

    The server is forked from this process, which has its modules loaded already, so that hundreds of starts take minutes.
    """
    numbers = random.Random(seed)
    lost = doubled = torn = acknowledged = unanswered = 0
    sent: set[str] = set()
    answered: set[str] = set()
    for number in range(kills):
        server = _Server(gallery)
        server.wait()
        clients = [_Client(server.address, number, client) for client in range(_CLIENTS)]
        for client in clients:
            client.start()
        time.sleep(numbers.uniform(0.02, _LONGEST_SECONDS))
        server.kill()
        for client in clients:
            client.join()
            sent |= client.sent
            answered |= client.answered
        acknowledged += sum(len(client.answered) for client in clients)
        unanswered += sum(len(client.sent - client.answered) for client in clients)
    with Gallery.open(gallery) as opened:
        reviews = opened.reviews()
        events = Counter(each.payload["photo_sha256"] for each in opened.history() if each.kind == "confirmed")
        torn = sum(not each.identity for each in reviews)
    stored = Counter(each.photo_sha256 for each in reviews)
    lost = len(answered - set(stored))
    doubled = sum(count > 1 for count in stored.values()) + sum(count > 1 for count in events.values())
    unknown = len(set(stored) - sent)
    return {
        "kills": kills,
        "acknowledged": acknowledged,
        "in_flight": unanswered,
        "lost": lost,
        "doubled": doubled,
        "half_written": torn + unknown + len(set(stored) ^ set(events)),
    }


class _Server:
    """The real application in a process that can be killed."""

    def __init__(self, gallery: Path) -> None:
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self._socket.listen()
        self.address = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._process = multiprocessing.get_context("fork").Process(target=_serve, args=(gallery, self._socket))
        self._process.start()
        self._socket.close()

    def wait(self) -> None:
        """Return when it answers."""
        while True:
            try:
                with urllib.request.urlopen(f"{self.address}/healthz", timeout=60):
                    return
            except OSError:
                time.sleep(0.02)

    def kill(self) -> None:
        os.kill(self._process.pid or 0, signal.SIGKILL)
        self._process.join()


class _Client(threading.Thread):
    """Decides about one photo after another until the server is gone."""

    def __init__(self, address: str, run: int, number: int) -> None:
        super().__init__()
        self._address, self._run_number, self._number = address, run, number
        self.sent: set[str] = set()
        self.answered: set[str] = set()

    def run(self) -> None:
        for count in range(10_000):
            sha256 = f"{self._run_number:016x}{self._number:016x}{count:032x}"
            body = {"photo_sha256": sha256, "kind": "confirmed", "identity": "Chipo", "person": "Ana", "expected": 0}
            request = urllib.request.Request(
                f"{self._address}/api/decisions", json.dumps(body).encode(), {"Content-Type": "application/json"}
            )
            self.sent.add(sha256)
            try:
                with urllib.request.urlopen(request, timeout=10) as response:
                    if response.status == 201:
                        response.read()
                        self.answered.add(sha256)
            except urllib.error.HTTPError:
                continue
            except (OSError, ValueError):
                return


def _serve(gallery: Path, listening: socket.socket) -> None:
    services = Services(gallery, PackChoice("field", "cpu", 1), Sources(), Access())
    services.start = lambda: None  # type: ignore[method-assign]  # no networks: kills are about decisions
    run(services, listening, pages=False)
