from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import pytest

from reid_edge.watch.service.notify import Notifier

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="there are no Unix sockets here")


def received(channel: socket.socket) -> list[str]:
    channel.setblocking(False)
    messages = []
    while True:
        try:
            messages.append(channel.recv(4096).decode())
        except BlockingIOError:
            return messages


@pytest.mark.parametrize("abstract", [False, True])
def test_systemd_hears_how_the_daemon_is(tmp_path: Path, abstract: bool) -> None:
    name = f"@reid-edge-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind("\0" + name[1:] if abstract else name)
        notifier = Notifier({"NOTIFY_SOCKET": name})
        notifier.status("3 photos\nwait \udcff")
        notifier.ready()
        notifier.reloading()
        notifier.stopping()
        status, ready, reloading, stopping = received(channel)
    assert (status, ready, stopping) == ("STATUS=3 photos wait \\udcff", "READY=1", "STOPPING=1")
    reload, at = reloading.split("\n")
    assert reload == "RELOADING=1"
    microseconds = int(at.removeprefix("MONOTONIC_USEC="))
    assert abs(microseconds - time.clock_gettime_ns(time.CLOCK_MONOTONIC) / 1000) < 60e6


def test_the_watchdog_is_fed_as_often_as_it_needs_it_and_no_more(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(tmp_path / "notify"))
        often = Notifier({"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "200000", "WATCHDOG_PID": str(os.getpid())})
        began = time.monotonic()
        messages: list[str] = []
        while len(messages) < 4:
            often.watchdog()
            messages += received(channel)
        assert set(messages) == {"WATCHDOG=1"}
        assert len(messages) <= 1 + (time.monotonic() - began) / 0.05  # a quarter of the time that systemd waits
        for environment in ({}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "200000", "WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "x"}):
            Notifier({"NOTIFY_SOCKET": str(tmp_path / "notify"), **environment}).watchdog()
        assert received(channel) == []


@pytest.mark.parametrize("name", ["", "/nowhere/notify", "@nobody-listens-here", "relative", "/" + "x" * 200])
def test_without_a_listener_nothing_happens(name: str) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "1000"})
    notifier.ready()
    notifier.watchdog()
    notifier.stopping()
