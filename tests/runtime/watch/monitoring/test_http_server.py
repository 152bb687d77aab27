from __future__ import annotations

import json
import re
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from reid_edge.errors import UsageError
from reid_edge.watch.configuration import Configuration
from reid_edge.watch.delivery.worker import DeliveryState
from reid_edge.watch.ledger.ledger import LEDGER_NAME
from reid_edge.watch.monitoring import Monitor
from reid_edge.watch.monitoring.http_server import MonitoringServer


@pytest.fixture
def monitor(out: Path, tmp_path: Path) -> Monitor:
    card = tmp_path / "card"
    card.mkdir()
    configuration = Configuration((card,), out=out, disk_reserve_bytes=0)
    return Monitor(configuration, lambda: [DeliveryState("webhook", 1, "It is away.", 12.5)])


@pytest.fixture
def server(monitor: Monitor) -> Iterator[MonitoringServer]:
    opened = MonitoringServer("127.0.0.1:0", monitor)
    yield opened
    opened.close()


def get(server: MonitoringServer, path: str, method: str = "GET") -> tuple[int, str, str]:
    request = urllib.request.Request(f"http://{server.address}{path}", method=method)
    try:
        with urllib.request.urlopen(request, timeout=300) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["Content-Type"], error.read().decode()


def test_metrics_tell_what_the_ledger_and_the_process_know(server: MonitoringServer, monitor: Monitor) -> None:
    monitor.answered(0.2)
    monitor.answered(7.0)
    status, kind, text = get(server, "/metrics")
    assert status == 200
    assert kind == "text/plain; version=0.0.4; charset=utf-8"
    samples = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    expected = {
        'reid_edge_watch_files{state="seen"}': "1",
        'reid_edge_watch_files{state="decided"}': "3",
        'reid_edge_watch_files{state="quarantined"}': "1",
        'reid_edge_watch_photos{state="decided"}': "3",
        'reid_edge_watch_answers_total{verdict="known"}': "2",
        'reid_edge_watch_answers_total{verdict="empty"}': "1",
        'reid_edge_watch_answers_total{verdict="new"}': "0",
        "reid_edge_watch_lag_photos": "2",
        'reid_edge_watch_delivery_backlog{sink="webhook"}': "2",
        'reid_edge_watch_delivery_rejected{sink="webhook"}': "1",
        'reid_edge_watch_delivery_failing_seconds{sink="webhook"}': "12.5",
        'reid_edge_watch_folder_present{folder="/media/card"}': "1",
        'reid_edge_watch_folder_present{folder="/media/\\"away\\"\\n\\\\xff"}': "0",
        'reid_edge_watch_answer_seconds_bucket{le="0.25"}': "1",
        'reid_edge_watch_answer_seconds_bucket{le="10"}': "2",
        'reid_edge_watch_answer_seconds_bucket{le="+Inf"}': "2",
        "reid_edge_watch_answer_seconds_sum": "7.2",
        "reid_edge_watch_answer_seconds_count": "2",
        "reid_edge_watch_healthy": "1",
        "reid_edge_watch_ledger_readable": "1",
    }
    assert {key: samples.get(key) for key in expected} == expected
    assert int(samples["process_resident_memory_bytes"]) > 10**7
    assert int(samples["reid_edge_watch_disk_free_bytes"]) > 0
    assert float(samples["reid_edge_watch_last_photo_age_seconds"]) >= 0
    assert float(samples["reid_edge_watch_lag_seconds"]) >= 0
    # https://prometheus.io/docs/instrumenting/exposition_formats/: every sample line has this form.
    label = r'[a-z_]+="(?:[^"\\\n]|\\[\\n"])*"'
    form = re.compile(rf"[a-z_]+(?:\{{{label}(?:,{label})*\}})? (?:[0-9.e+-]+|NaN)")
    assert [line for line in text.splitlines() if not line.startswith("#") and not form.fullmatch(line)] == []


def test_a_damaged_ledger_takes_only_its_own_figures_away(server: MonitoringServer, out: Path) -> None:
    (out / LEDGER_NAME).write_bytes(b"no ledger" * 1000)
    status, _, text = get(server, "/metrics")
    assert status == 200
    assert "reid_edge_watch_ledger_readable 0\n" in text
    assert "reid_edge_watch_healthy" in text


def test_a_healthy_daemon_answers_200_and_another_503_with_the_reasons(server: MonitoringServer, monitor: Monitor) -> None:
    assert get(server, "/healthz") == (200, "application/json", '{"healthy": true, "reasons": []}\n')
    monitor.configuration.folders[0].rmdir()
    monitor.configuration = replace(monitor.configuration, disk_reserve_bytes=10**18, stuck_seconds=1.0)
    status, _, text = get(server, "/healthz")
    assert status == 503
    told = json.loads(text)
    assert told["healthy"] is False
    assert [each["kind"] for each in told["reasons"]] == ["disk_nearly_full", "folder_absent", "delivery_stuck"]
    assert "reid_edge_watch_healthy 0\n" in get(server, "/metrics")[2]


def test_a_folder_whose_mount_point_is_there_without_its_card_is_absent(server: MonitoringServer, monitor: Monitor) -> None:
    monitor.absent(monitor.configuration.folders)
    assert get(server, "/healthz")[0] == 503
    monitor.absent([])
    assert get(server, "/healthz")[0] == 200


def test_the_health_is_told_while_the_loop_is_stuck(
    server: MonitoringServer, monitor: Monitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monitor._beat -= 301.0  # five minutes ago
    status, _, text = get(server, "/healthz")
    assert (status, json.loads(text)["reasons"][0]["kind"]) == (503, "loop_stalled")
    monitor.beat()
    assert get(server, "/healthz")[0] == 200


def test_other_pages_are_not_there_and_a_head_has_no_body(server: MonitoringServer) -> None:
    assert get(server, "/../../etc/passwd")[0] == 404
    assert get(server, "/healthz?x=1")[0] == 200
    assert get(server, "/healthz", "HEAD")[::2] == (200, "")
    assert get(server, "/metrics", "POST")[0] == 501


def test_nonsense_on_the_line_does_not_stop_it(server: MonitoringServer) -> None:
    host, _, port = server.address.rpartition(":")
    for nonsense in (b"", b"\0" * 100, bytes(range(256)) * 4, b"GET /metrics HTTP/1.1\r\nA" * 100):
        with socket.create_connection((host, int(port)), timeout=300) as connection:
            connection.sendall(nonsense)
    assert get(server, "/healthz")[0] == 200


def test_an_address_that_is_in_use_is_said(server: MonitoringServer, monitor: Monitor) -> None:
    with pytest.raises(UsageError, match="cannot be used: Address already in use") as refused:
        MonitoringServer(server.address, monitor)
    assert refused.value.hint
