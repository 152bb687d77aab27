from __future__ import annotations

import base64
import socket
import threading
from collections.abc import Callable
from dataclasses import replace
from email.utils import formatdate
from typing import Any

import pytest

from reid_edge.watch.configuration import Configuration, Webhook, read_configuration
from reid_edge.watch.delivery import Deliveries
from reid_edge.watch.delivery.backoff import Backoff
from reid_edge.watch.delivery.sending import DeliveryError
from reid_edge.watch.delivery.webhook import WebhookSink
from reid_edge.watch.delivery.worker import REFUSALS
from reid_edge.watch.ledger.ledger import Ledger

Fill = Callable[..., list[str]]


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real waits are tested in test_backoff.py."""
    monkeypatch.setattr("reid_edge.watch.delivery.worker.Backoff", lambda: Backoff(first=0.02, longest=0.05))


def configuration(ledger: Ledger, **given: Any) -> Configuration:
    return read_configuration(None, {"folders": ["photos"], "out": ledger.path.parent, **given})


def test_a_message_is_posted_as_json_with_its_idempotency_key(ledger: Ledger, fill: Fill, receiver: Any) -> None:
    fill(ledger, 2)
    sink = WebhookSink(Webhook(receiver.url, {"X-Station": "7"}))
    assert sink.deliver(ledger.messages_after(0)) == 2
    first = receiver.received[0]
    assert first.pop("made_at")
    assert first == {
        "schema": "reid-edge/watch/1", "kind": "photo", "id": 1, "key": "photo:0000", "camera": "camera 0",
        "photo": {"sha256": "0000"}, "number": 0,
    }  # fmt: skip
    headers = receiver.headers[1]
    assert headers["Idempotency-Key"] == "photo:0001"
    assert headers["Content-Type"] == "application/json"
    assert headers["X-Station"] == "7"
    assert headers["path"] == "/hook?station=7"


def test_a_name_and_password_in_the_address_become_a_header_and_are_never_shown(
    ledger: Ledger, fill: Fill, receiver: Any
) -> None:
    fill(ledger, 1)
    sink = WebhookSink(Webhook(receiver.url.replace("127", "ranger:pass%20word@127")))
    assert sink.deliver(ledger.messages_after(0)) == 1
    assert receiver.headers[0]["Authorization"] == "Basic " + base64.b64encode(b"ranger:pass word").decode()
    receiver.stop()
    with pytest.raises(DeliveryError) as unreachable:
        sink.deliver(ledger.messages_after(0))
    assert "pass" not in unreachable.value.message + unreachable.value.hint


def test_how_many_arrived_is_told_when_a_later_one_fails(ledger: Ledger, fill: Fill, receiver: Any) -> None:
    fill(ledger, 5)
    receiver.answer = lambda body: (500 if body["number"] == 3 else 200, {})
    assert WebhookSink(Webhook(receiver.url)).deliver(ledger.messages_after(0)) == 3
    assert receiver.keys == ["photo:0000", "photo:0001", "photo:0002"]


@pytest.mark.parametrize(
    ("status", "headers", "refused", "wait", "said"),
    [
        (400, {}, True, None, "refuses a message: 400 Bad Request, so says the receiver"),
        (404, {}, True, None, "refuses a message: 404"),
        (422, {"Retry-After": "5"}, True, 5.0, "refuses a message: 422"),
        (401, {}, False, None, "takes no messages now: 401"),
        (407, {}, False, None, "takes no messages now: 407"),
        (408, {}, False, None, "takes no messages now: 408"),
        (429, {"Retry-After": "120"}, False, 120.0, "takes no messages now: 429"),
        (500, {}, False, None, "takes no messages now: 500"),
        (503, {"Retry-After": "soon"}, False, None, "takes no messages now: 503"),
        (302, {"Location": "http://elsewhere/"}, False, None, "has moved to 'http://elsewhere/'"),
        (307, {"Location": "http://elsewhere/"}, False, None, "has moved to"),
    ],
)
def test_an_answer_is_about_the_message_or_about_the_receiver(
    ledger: Ledger, fill: Fill, receiver: Any, status: int, headers: dict[str, str], refused: bool, wait: float | None, said: str
) -> None:
    fill(ledger, 1)
    receiver.answer = lambda body: (status, headers)
    with pytest.raises(DeliveryError) as failure:
        WebhookSink(Webhook(receiver.url)).deliver(ledger.messages_after(0))
    assert (failure.value.refused, failure.value.wait_seconds) == (refused, wait)
    assert said in failure.value.message
    assert failure.value.hint
    assert receiver.attempts == 1


def test_a_date_to_come_back_at_counts_by_the_clock_of_the_receiver(ledger: Ledger, fill: Fill, receiver: Any) -> None:
    fill(ledger, 1)
    # 90 s after the receiver's own time, which the server writes as Date from this machine's clock.
    import time

    receiver.answer = lambda body: (503, {"Retry-After": formatdate(time.time() + 90, usegmt=True)})
    with pytest.raises(DeliveryError) as failure:
        WebhookSink(Webhook(receiver.url)).deliver(ledger.messages_after(0))
    assert failure.value.wait_seconds is not None
    assert 88 <= failure.value.wait_seconds <= 91


def test_a_receiver_that_never_answers_costs_no_more_than_the_timeout(ledger: Ledger, fill: Fill) -> None:
    fill(ledger, 1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        sink = WebhookSink(Webhook(f"http://127.0.0.1:{silent.getsockname()[1]}/", timeout_seconds=0.2))
        with pytest.raises(DeliveryError, match="did not answer in time") as failure:
            sink.deliver(ledger.messages_after(0))
    assert not failure.value.refused


def _length(request: bytes) -> int:
    """Of the body, as the header says."""
    return int(request.lower().split(b"content-length:")[1].split(b"\r\n")[0])


@pytest.mark.parametrize("answer", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-", b"HTTP/1.1 999999 x\r\n\r\n"])
def test_a_broken_answer_is_not_taken_for_a_receipt(ledger: Ledger, fill: Fill, answer: bytes) -> None:
    fill(ledger, 1)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer_once() -> None:
            connection, _ = server.accept()
            with connection:
                request = b""
                while b"\r\n\r\n" not in request or len(request) < request.index(b"\r\n\r\n") + 4 + _length(request):
                    request += connection.recv(65536)  # what is left unread would reset the connection
                connection.sendall(answer)

        threading.Thread(target=answer_once, daemon=True).start()
        sink = WebhookSink(Webhook(f"http://127.0.0.1:{server.getsockname()[1]}/", timeout_seconds=300))
        if answer.endswith(b"Content-"):
            # The status line has arrived, and with it the receipt: what is missing are headers that nobody reads.
            assert sink.deliver(ledger.messages_after(0)) == 1
            return
        with pytest.raises(DeliveryError, match="not reached"):
            sink.deliver(ledger.messages_after(0))


def test_a_certificate_that_is_not_trusted_is_said_and_one_that_is_is_taken(
    ledger: Ledger, fill: Fill, receiver: Any, certificate: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(ledger, 1)
    receiver.stop()
    receiver.start(certificate)
    address = receiver.url.replace("http:", "https:")
    with pytest.raises(DeliveryError, match=r"certificate of the webhook .* is not accepted") as failure:
        WebhookSink(Webhook(address)).deliver(ledger.messages_after(0))
    assert not failure.value.refused
    assert "clock" in failure.value.hint
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    assert WebhookSink(Webhook(address)).deliver(ledger.messages_after(0)) == 1
    assert receiver.keys == ["photo:0000"]


def test_a_receiver_that_goes_and_comes_back_gets_everything_in_order(
    ledger: Ledger, fill: Fill, receiver: Any, wait_until: Callable[..., None]
) -> None:
    keys = fill(ledger, 30)
    deliveries = Deliveries(configuration(ledger, webhook=receiver.url), ledger)
    wait_until(lambda: len(receiver.received) >= 5)
    for round_ in range(3):
        receiver.stop()
        keys += fill(ledger, 10, first=30 + 10 * round_)
        wait_until(lambda: "not reached" in deliveries.states()[0].error)
        receiver.start()
        wait_until(lambda: ledger.delivered("webhook") == ledger.last_message())
    wait_until(lambda: deliveries.states()[0].error == "")
    deliveries.stop()
    assert list(dict.fromkeys(receiver.keys)) == keys
    assert ledger.counts().undelivered == {"webhook": 0}


def test_a_restart_goes_on_where_it_was(ledger: Ledger, fill: Fill, receiver: Any, wait_until: Callable[..., None]) -> None:
    asked = configuration(ledger, webhook=receiver.url)
    first = fill(ledger, 7)
    deliveries = Deliveries(asked, ledger)
    wait_until(lambda: ledger.delivered("webhook") == 7)
    deliveries.stop()
    second = fill(ledger, 4, first=7)
    deliveries = Deliveries(asked, ledger)
    wait_until(lambda: ledger.delivered("webhook") == 11)
    deliveries.stop()
    assert receiver.keys == first + second


def test_another_address_is_taken_while_it_runs(
    ledger: Ledger, fill: Fill, receiver: Any, wait_until: Callable[..., None]
) -> None:
    fill(ledger, 3)
    with socket.create_server(("127.0.0.1", 0)) as dead:
        address = f"http://127.0.0.1:{dead.getsockname()[1]}/"
    asked = configuration(ledger, webhook=address)
    deliveries = Deliveries(asked, ledger)
    wait_until(lambda: "not reached" in deliveries.states()[0].error)
    deliveries.reconfigure(replace(asked, webhook=Webhook(receiver.url)))
    wait_until(lambda: ledger.delivered("webhook") == 3)
    deliveries.reconfigure(replace(asked, webhook=None))
    assert deliveries.states() == []
    deliveries.stop()
    assert len(receiver.keys) == 3


def test_a_reload_sends_rejected_messages_again(
    ledger: Ledger, fill: Fill, receiver: Any, wait_until: Callable[..., None]
) -> None:
    fill(ledger, 3)
    receiver.answer = lambda body: (422 if body["number"] == 1 else 200, {})
    settings = configuration(ledger, webhook=receiver.url)
    deliveries = Deliveries(settings, ledger)
    wait_until(lambda: ledger.delivered("webhook") == 3)
    assert [state.rejected for state in deliveries.states()] == [1]
    receiver.answer = lambda body: (200, {})
    deliveries.reconfigure(settings)
    wait_until(lambda: [state.rejected for state in deliveries.states()] == [0])
    deliveries.stop()
    assert receiver.keys == ["photo:0000", "photo:0002", "photo:0001"]


def test_expired_credentials_reject_no_message(
    ledger: Ledger, fill: Fill, receiver: Any, wait_until: Callable[..., None]
) -> None:
    keys = fill(ledger, 5)
    receiver.answer = lambda body: (401, {})
    deliveries = Deliveries(configuration(ledger, webhook=receiver.url), ledger)
    wait_until(lambda: receiver.attempts > 2 * REFUSALS)
    receiver.answer = lambda body: (200, {})
    wait_until(lambda: ledger.delivered("webhook") == 5)
    deliveries.stop()
    assert receiver.keys == keys


def test_stopping_does_not_wait_for_a_receiver_that_hangs(
    ledger: Ledger, fill: Fill, receiver: Any, wait_until: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reid_edge.watch.delivery.STOP_SECONDS", 0.1)
    let_go = threading.Event()

    def hang(body: dict[str, Any]) -> tuple[int, dict[str, str]]:
        let_go.wait(60)
        return 200, {}

    receiver.answer = hang
    fill(ledger, 2)
    deliveries = Deliveries(configuration(ledger, webhook=receiver.url), ledger)
    (worker,) = deliveries._workers
    wait_until(lambda: receiver.attempts == 1)
    deliveries.stop()
    assert worker.is_alive()  # and a daemon thread, which does not keep the process
    assert worker.daemon
    ledger.close()
    let_go.set()
    worker.join(300)
    assert not worker.is_alive()
    assert receiver.keys[0] == "photo:0000"
