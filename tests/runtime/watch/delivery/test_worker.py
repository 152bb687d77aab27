from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reid_edge.errors import StorageError
from reid_edge.watch.delivery.backoff import Backoff
from reid_edge.watch.delivery.rejected import RejectedMessages, all_rejected
from reid_edge.watch.delivery.sending import DeliveryError
from reid_edge.watch.delivery.worker import REFUSALS, DeliveryWorker
from reid_edge.watch.ledger.ledger import Ledger, Message
from reid_edge.watch.outputs.sinks import SinkError

# What a network can do to one message: take it; lose it on the way; lose the answer; say no; lose power before or after it arrived.
OUTCOMES = ("taken", "lost", "answer lost", "refused", "disk full", "stopped before", "stopped after")


class Network:
    """A sink behind a network that does to each message what a plan says, and takes everything once the plan is over."""

    name = "network"

    def __init__(self, plan: Sequence[str] = ()) -> None:
        self.plan = iter(plan)
        self.arrived: list[int] = []
        self.refused: set[int] = set()  # messages that the receiver never takes
        self.rejected: set[int] = set()  # messages that were rejected at some time
        self.worker: DeliveryWorker | None = None
        self.closed = False

    def deliver(self, messages: Sequence[Message]) -> int:
        for count, message in enumerate(messages):
            outcome = "refused" if message.id in self.refused else next(self.plan, "taken")
            if outcome in ("taken", "answer lost", "stopped after"):
                self.arrived.append(message.id)
            if outcome.startswith("stopped"):
                assert self.worker is not None
                self.worker.stop()
            if outcome == "taken":
                continue
            if count:
                return count
            if outcome == "disk full":
                raise StorageError("The disk is full.", "Make room.")
            if outcome == "refused":
                raise DeliveryError("It says no.", "Ask it.", refused=True)
            raise SinkError("It is away.", "Wait.")
        return len(messages)

    def close(self) -> None:
        self.closed = True


def new_worker(sink: Network, ledger: Ledger) -> DeliveryWorker:
    """A worker that does not wait between attempts."""
    sink.worker = DeliveryWorker(sink, ledger, RejectedMessages(ledger.path.parent, sink.name), Backoff(first=0.0))
    return sink.worker


def deliver_all(ledger: Ledger, network: Network, wait_until: Callable[..., None]) -> None:
    """A daemon that is started again whenever it stopped."""
    while True:
        worker = new_worker(network, ledger)
        worker.start()
        wait_until(lambda w=worker: not w.is_alive() or ledger.delivered(network.name) == ledger.last_message())
        is_finished = ledger.delivered(network.name) == ledger.last_message()
        worker.stop()
        worker.join()
        network.rejected |= {each.message.id for each in all_rejected(ledger.path.parent)}
        if is_finished:
            return


@settings(max_examples=60)
@given(
    st.integers(1, 30),
    st.lists(st.tuples(st.sampled_from(OUTCOMES), st.integers(1, 3 * REFUSALS)), max_size=12).map(
        lambda runs: [outcome for outcome, times in runs for _ in range(times if outcome == "refused" else (times + 3) // 4)]
    ),
)
def test_whatever_the_network_does_every_message_arrives_at_least_once_and_in_order(
    fill: Callable[..., list[str]], wait_until: Callable[..., None], count: int, plan: list[str]
) -> None:
    with tempfile.TemporaryDirectory() as folder, Ledger.open(Path(folder) / "ledger.sqlite") as ledger:
        ledger.database.execute("PRAGMA synchronous = OFF")  # the disk is not what is tested here
        fill(ledger, count)
        network = Network(plan)
        deliver_all(ledger, network, wait_until)
        rejected = {each.message.id for each in all_rejected(Path(folder))}
        assert set(network.arrived) | rejected == set(range(1, count + 1))
        assert len(network.rejected) <= plan.count("refused") // REFUSALS
        # Order, of all messages and so of each camera; one that was rejected and taken later comes late.
        in_order = [number for number in dict.fromkeys(network.arrived) if number not in network.rejected]
        assert in_order == sorted(in_order)


def test_a_message_that_is_always_refused_is_rejected_and_the_others_arrive_in_order(
    ledger: Ledger, fill: Callable[..., list[str]], wait_until: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    fill(ledger, 12)
    network = Network()
    network.refused = {5}
    deliver_all(ledger, network, wait_until)
    assert network.arrived == [1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12]
    (rejected,) = all_rejected(ledger.path.parent)
    assert (rejected.sink, rejected.message, rejected.reason, rejected.tries) == (
        "network", ledger.messages_after(4, 1)[0], "It says no.", REFUSALS,
    )  # fmt: skip
    assert f"network refused photo:0004 {REFUSALS} times: It says no." in caplog.text


def test_neighbours_that_are_always_refused_are_all_rejected(
    ledger: Ledger, fill: Callable[..., list[str]], wait_until: Callable[..., None]
) -> None:
    fill(ledger, 60)
    network = Network()
    network.refused = {*range(1, 26), *range(30, 50), 60}
    deliver_all(ledger, network, wait_until)
    assert network.arrived == [26, 27, 28, 29, *range(50, 60)]
    assert [each.message.id for each in all_rejected(ledger.path.parent)] == sorted(network.refused)


def test_a_receiver_that_takes_nothing_now_loses_nothing_and_gets_all_in_order_later(
    ledger: Ledger, fill: Callable[..., list[str]], wait_until: Callable[..., None]
) -> None:
    class Away(Network):
        attempts = 0
        away = True

        def deliver(self, messages: Sequence[Message]) -> int:
            self.attempts += 1
            if self.away:
                raise DeliveryError("It is away.", "Wait.")
            return super().deliver(messages)

    fill(ledger, 8)
    network = Away()
    worker = new_worker(network, ledger)
    worker.start()
    wait_until(lambda: network.attempts > 3 * REFUSALS)
    assert worker.state().error == "It is away."
    assert worker.state().failing_seconds > 0
    assert ledger.counts().undelivered == {"network": 8}
    network.away = False
    wait_until(lambda: ledger.delivered("network") == 8)
    wait_until(lambda: worker.state().error == "")
    worker.stop()
    worker.join()
    assert network.arrived == list(range(1, 9))
    assert all_rejected(ledger.path.parent) == []
    assert network.closed


def test_a_delivery_whose_last_message_was_rejected_is_not_failing(
    ledger: Ledger, fill: Callable[..., list[str]], wait_until: Callable[..., None]
) -> None:
    fill(ledger, 1)
    network = Network()
    network.refused = {1}
    worker = new_worker(network, ledger)
    worker.start()
    wait_until(lambda: worker.state().rejected == 1 and worker.state().error == "")
    assert worker.state().failing_seconds == 0
    worker.stop()
    worker.join()


def test_rejected_messages_are_sent_again_at_the_next_start(
    ledger: Ledger, fill: Callable[..., list[str]], wait_until: Callable[..., None]
) -> None:
    fill(ledger, 3)
    network = Network()
    network.refused = {1, 2}
    deliver_all(ledger, network, wait_until)
    assert set(network.arrived) == {3}
    network.refused = {2}
    fill(ledger, 1, first=3)
    deliver_all(ledger, network, wait_until)
    assert list(dict.fromkeys(network.arrived)) == [3, 1, 4]
    assert [each.message.id for each in all_rejected(ledger.path.parent)] == [2]


def test_a_message_that_cannot_be_written_among_the_rejected_waits(
    ledger: Ledger, fill: Callable[..., list[str]], wait_until: Callable[..., None]
) -> None:
    fill(ledger, 2)
    in_the_way = ledger.path.parent / "rejected"
    in_the_way.write_text("")  # no folder can be made here, as on a disk without room
    network = Network()
    network.refused = {1}
    worker = new_worker(network, ledger)
    worker.start()
    wait_until(lambda: "cannot be written" in worker.state().error)
    assert ledger.delivered("network") == 0
    in_the_way.unlink()
    wait_until(lambda: ledger.delivered("network") == 2)
    worker.stop()
    worker.join()
    assert [each.message.id for each in all_rejected(ledger.path.parent)] == [1]


def test_the_receiver_is_left_alone_for_as_long_as_it_asks_and_a_stop_does_not_wait_for_that(
    ledger: Ledger, fill: Callable[..., list[str]], wait_until: Callable[..., None]
) -> None:
    class Busy(Network):
        attempts = 0

        def deliver(self, messages: Sequence[Message]) -> int:
            self.attempts += 1
            raise DeliveryError("It is busy.", "Wait.", wait_seconds=3600.0)

    fill(ledger, 1)
    busy = Busy()
    worker = new_worker(busy, ledger)
    worker.start()
    wait_until(lambda: worker.state().error != "")
    worker.stop()
    worker.join(300)
    assert not worker.is_alive()
    assert busy.attempts == 1


def test_a_defect_in_a_library_does_not_end_the_delivery(
    ledger: Ledger, fill: Callable[..., list[str]], wait_until: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    class Mistaken(Network):
        def deliver(self, messages: Sequence[Message]) -> int:
            if next(self.plan, "") == "mistake":
                raise KeyError("no such thing")
            return super().deliver(messages)

    fill(ledger, 3)
    network = Mistaken(["mistake", "mistake"])
    deliver_all(ledger, network, wait_until)
    assert network.arrived == [1, 2, 3]
    assert "Delivery to network failed unexpectedly" in caplog.text


def test_another_file_among_the_rejected_messages_is_skipped(tmp_path: Path, ledger: Ledger, fill: Callable[..., Any]) -> None:
    fill(ledger, 1)
    rejected = RejectedMessages(tmp_path, "webhook")
    rejected.put(ledger.messages_after(0)[0], "no", 10)
    (tmp_path / "rejected/webhook/000000000000.json").write_text("{}")
    (tmp_path / "rejected/webhook/0.json").write_bytes(b"\xff")
    assert [each.message.key for each in rejected] == ["photo:0000"]
    assert json.loads((tmp_path / "rejected/webhook/000000000001.json").read_text())["reason"] == "no"
