"""Messages to systemd by sd_notify(3): one datagram each to the socket that `NOTIFY_SOCKET` names.

Without that variable (a terminal, a container) nothing is sent. A datagram that cannot be sent never stops the daemon.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping

_SEND_SECONDS = 1.0


class Notifier:
    """The daemon's messages to the service manager.

    Args:
        environment: `NOTIFY_SOCKET`, a path or an abstract name that begins with @, and `WATCHDOG_USEC`, `WATCHDOG_PID`.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        name = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + name[1:] if name.startswith("@") else name
        self._watchdog_seconds = _watchdog_seconds(environment)
        self._last_watchdog: float | None = None

    def ready(self) -> None:
        """The daemon has opened its gallery, pack and ledger, and watches; also at the end of a reload."""
        self._send("READY=1")

    def reloading(self) -> None:
        """The configuration is being read again; `ready` follows."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        """The daemon ends by itself."""
        self._send("STOPPING=1")

    def status(self, text: str) -> None:
        """One line for `systemctl status`."""
        self._send("STATUS=" + " ".join(text.split()))

    def watchdog(self) -> None:
        """The loop runs. May be called in every turn: it sends a message as often as the watchdog needs one, without a watchdog none."""
        if self._watchdog_seconds is None:
            return
        now = time.monotonic()
        if self._last_watchdog is None or now - self._last_watchdog >= self._watchdog_seconds / 4:
            self._last_watchdog = now
            self._send("WATCHDOG=1")

    def _send(self, text: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
                channel.settimeout(_SEND_SECONDS)
                channel.sendto(text.encode("utf-8", "backslashreplace"), self._address)
        except OSError:
            return


def _watchdog_seconds(environment: Mapping[str, str]) -> float | None:
    """The period of the watchdog (sd_watchdog_enabled(3)); None where there is none, or where it is for another process."""
    period, process = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
    if not period.isdecimal() or int(period) == 0 or (process and process != str(os.getpid())):
        return None
    return int(period) / 1e6
