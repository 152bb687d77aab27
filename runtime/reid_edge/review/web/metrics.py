"""Figures for Prometheus about the page and the API."""

from __future__ import annotations

import time
from collections import Counter
from threading import Lock

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reid_edge.review.services import Services
from reid_edge.watch.monitoring.metrics import Exposition, Histogram

_BOUNDS = (0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 10.0)


class Counters:
    """What happened since the start. Threads may share it."""

    def __init__(self) -> None:
        self.seconds = Histogram(_BOUNDS)
        self._requests: Counter[str] = Counter()
        self._answered = 0
        self._lock = Lock()

    def count_request(self, status: int, seconds: float) -> None:
        """A request was answered."""
        self.seconds.observe(seconds)
        with self._lock:
            self._requests[f"{status // 100}xx"] += 1

    def count_answers(self, number: int) -> None:
        """Animals of photos that were sent in were answered."""
        with self._lock:
            self._answered += number

    def page(self, services: Services) -> str:
        """The page of metrics.

        Raises:
            GalleryError, StorageError: the gallery or the answers cannot be read.
        """
        services.queue.refresh()
        counts = services.queue.counts()
        page = Exposition("reid_edge_review_")
        page.gauge(
            "animals",
            "Animals of the queue by verdict, decided or not.",
            *(
                ({"verdict": verdict, "decided": str(decided).lower()}, number)
                for (verdict, decided), number in sorted(counts.items())
            ),
        )
        page.gauge("enrolling", "Reviewed animals that wait to be described.", ({}, len(services.enroller.waiting())))
        page.counter("answers_total", "Animals of photos that were sent in and answered.", ({}, self._answered))
        page.counter(
            "requests_total", "Requests by status.", *(({"status": key}, n) for key, n in sorted(self._requests.items()))
        )
        page.histogram("request_seconds", "How long requests took.", self.seconds)
        return page.text()


class CountRequests:
    """The middleware that counts."""

    def __init__(self, app: ASGIApp, counters: Counters) -> None:
        self._app = app
        self._counters = counters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and count its answer."""
        start, status = time.monotonic(), 500

        async def noted(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            if scope["type"] == "http":
                self._counters.count_request(status, time.monotonic() - start)
