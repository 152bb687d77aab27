"""`/metrics` for Prometheus and `/healthz` for whoever watches the watcher, over HTTP, read only."""

from __future__ import annotations

import http.server
import json
import socket
import threading
from typing import TYPE_CHECKING, Any

from reid_edge import __version__
from reid_edge.errors import UsageError
from reid_edge.watch.monitoring.metrics import CONTENT_TYPE

if TYPE_CHECKING:
    from reid_edge.watch.monitoring import Monitor

_SLOW_CLIENT_SECONDS = 10.0


class MonitoringServer:
    """Answers in threads of its own, so also when the daemon's loop is stuck.

    Args:
        address: `host:port`, as `Configuration.http`; port 0 takes any free one.
        monitor: what it tells.

    Attributes:
        address: `host:port` where it really listens.

    Raises:
        UsageError: the address is in use or not of this machine.
    """

    def __init__(self, address: str, monitor: Monitor) -> None:
        host, _, port = address.rpartition(":")
        handler = type("MonitorHandler", (_Handler,), {"monitor": monitor})
        server_class = _ServerV6 if host.startswith("[") else _Server
        try:
            self._server = server_class((host.strip("[]"), int(port)), handler)
        except OSError as error:
            raise UsageError(
                f"The address {address} for metrics cannot be used: {error.strerror or error}.", "Give another one, or port 0."
            ) from error
        self.address = f"{host}:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, name="monitoring", daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: a client that went away is no news."""


class _ServerV6(_Server):
    address_family = socket.AF_INET6


class _Handler(http.server.BaseHTTPRequestHandler):
    monitor: Monitor
    timeout = _SLOW_CLIENT_SECONDS
    server_version = f"reid-edge/{__version__}"
    sys_version = ""

    def do_GET(self) -> None:
        """Answer for the two pages."""
        path = self.path.partition("?")[0]
        if path == "/metrics":
            self._answer(200, CONTENT_TYPE, self.monitor.metrics())
        elif path == "/healthz":
            found = self.monitor.problems()
            body = {"healthy": not found, "reasons": [{"kind": each.kind, "text": each.text} for each in found]}
            self._answer(503 if found else 200, "application/json", json.dumps(body) + "\n")
        else:
            self._answer(404, "text/plain; charset=utf-8", "There are /metrics and /healthz.\n")

    do_HEAD = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: a scrape every few seconds would drown the log."""

    def _answer(self, code: int, kind: str, text: str) -> None:
        body = text.encode("utf-8", "backslashreplace")
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
