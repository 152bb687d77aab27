from __future__ import annotations

import itertools
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
from reid_edge.watch.delivery.courier import REFUSALS, Courier
from reid_edge.watch.delivery.failure import DeliveryError
from reid_edge.watch.delivery.rejected import RejectedMessages, all_rejected
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
        self.poison: set[int] = set()
        self.put_aside: set[int] = set()
        self.courier: Courier | None = None
        self.closed = False

    def deliver(self, messages: Sequence[Message]) -> int:
        for count, message in enumerate(messages):
            outcome = "refused" if message.id in self.poison else next(self.plan, "taken")
            if outcome in ("taken", "answer lost", "stopped after"):
                self.arrived.append(message.id)
            if outcome.startswith("stopped"):
                assert self.courier is not None
                self.courier.stop()
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


def run_until_all_is_away(ledger: Ledger, network: Network, wait_until: Callable[..., None]) -> None:
    """A daemon that is started again whenever it stopped."""

    def no_waits() -> Backoff:
        return Backoff(first=0.0)

    for _ in itertools.count():
        courier = Courier(network, ledger, RejectedMessages(ledger.path.parent, network.name), no_waits())
        network.courier = courier
        courier.start()
        wait_until(lambda c=courier: not c.is_alive() or ledger.delivered(network.name) == ledger.last_message())  # type: ignore[misc]
        away = ledger.delivered(network.name) == ledger.last_message()
        courier.stop()
        courier.join()
        network.put_aside |= {each.message.id for each in all_rejected(ledger.path.parent)}
        if away:
            return


@settings(max_examples=60)
@given(
    st.integers(1, 30),
    st.lists(st.tuples(st.sampled_from(OUTCOMES), st.integers(1, 2 * REFUSALS)), max_size=12).map(
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
        run_until_all_is_away(ledger, network, wait_until)
        aside = {each.message.id for each in all_rejected(Path(folder))}
        assert set(network.arrived) | aside == set(range(1, count + 1))
        # A message is put aside only where it was refused often while another was taken.
        assert not aside or plan.count("refused") >= REFUSALS
        # Order, of all and so per camera; what was put aside at some time may come late, by intention. Where nothing was ever taken,
        # a receiver that refuses often is tried with later messages.
        if plan.count("refused") < REFUSALS or plan[0] == "taken":
            in_order = [number for number in dict.fromkeys(network.arrived) if number not in network.put_aside]
            assert in_order == sorted(in_order)


def test_a_message_that_is_never_taken_is_put_aside_and_the_others_arrive_in_order(
    ledger: Ledger, fill: Callable[..., list[str]], wait_until: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    fill(ledger, 12)
    network = Network()
    network.poison = {5}
    run_until_all_is_away(ledger, network, wait_until)
    assert network.arrived == [1, 2, 3, 4, 4, 6, 7, 8, 9, 10, 11, 12]
    (aside,) = all_rejected(ledger.path.parent)
    assert (aside.sink, aside.message, aside.reason, aside.tries) == (
        "network", ledger.messages_after(4, 1)[0], "It says no.", REFUSALS + 1,
    )  # fmt: skip
    assert "does not take photo:0004, and takes others" in caplog.text


def test_many_of_them_are_passed_by_quickly_once_the_reason_is_known(
    ledger: Ledger, fill: Callable[..., list[str]], wait_until: Callable[..., None]
) -> None:
    fill(ledger, 40)
    network = Network()
    network.poison = set(range(1, 40, 2))
    run_until_all_is_away(ledger, network, wait_until)
    assert list(dict.fromkeys(network.arrived)) == list(range(2, 41, 2))
    assert [each.tries for each in all_rejected(ledger.path.parent)] == [REFUSALS + 1] + 19 * [3]


def test_neighbours_that_are_never_taken_are_all_put_aside(
    ledger: Ledger, fill: Callable[..., list[str]], wait_until: Callable[..., None]
) -> None:
    fill(ledger, 60)
    network = Network()
    network.poison = {*range(1, 26), *range(30, 50), 60}
    run_until_all_is_away(ledger, network, wait_until)
    assert list(dict.fromkeys(network.arrived)) == [26, 27, 28, 29, *range(50, 60)]
    assert [each.message.id for each in all_rejected(ledger.path.parent)] == sorted(network.poison)


def test_a_receiver_that_refuses_everything_loses_nothing_and_gets_all_in_order_once_it_is_mended(
    ledger: Ledger, fill: Callable[..., list[str]], wait_until: Callable[..., None]
) -> None:
    class Refusing(Network):
        """Refuses everything until it is mended, which happens between two attempts and not within one."""

        mended = False

        def deliver(self, messages: Sequence[Message]) -> int:
            if len(messages) > 1 and self.mended:
                self.poison = set()
            return super().deliver(messages)

    fill(ledger, 8)
    network = Refusing()
    network.poison = set(range(1, 9))
    courier = Courier(network, ledger, RejectedMessages(ledger.path.parent, "network"), Backoff(first=0.0))
    courier.start()
    wait_until(lambda: courier._refusals > 3 * REFUSALS)
    assert courier.state().error == "It says no."
    assert courier.state().failing_seconds > 0
    assert ledger.counts().undelivered == {"network": 8}
    network.mended = True
    wait_until(lambda: ledger.delivered("network") == 8)
    wait_until(lambda: courier.state().error == "")
    courier.stop()
    courier.join()
    assert network.arrived == list(range(1, 9))
    assert all_rejected(ledger.path.parent) == []
    assert network.closed


def test_what_was_put_aside_is_offered_again_at_the_next_start(
    ledger: Ledger, fill: Callable[..., list[str]], wait_until: Callable[..., None]
) -> None:
    fill(ledger, 3)
    network = Network()
    network.poison = {1, 2}
    run_until_all_is_away(ledger, network, wait_until)
    assert set(network.arrived) == {3}
    network.poison = {2}
    fill(ledger, 1, first=3)
    run_until_all_is_away(ledger, network, wait_until)
    assert list(dict.fromkeys(network.arrived)) == [3, 1, 4]
    assert [each.message.id for each in all_rejected(ledger.path.parent)] == [2]


def test_after_a_restart_it_still_knows_what_the_receiver_takes(
    ledger: Ledger, fill: Callable[..., list[str]], wait_until: Callable[..., None]
) -> None:
    fill(ledger, 3)
    network = Network()
    network.poison = {2, 3, 4}
    run_until_all_is_away(ledger, network, wait_until)
    fill(ledger, 1, first=3)
    run_until_all_is_away(ledger, network, wait_until)
    assert set(network.arrived) == {1}
    assert [each.message.id for each in all_rejected(ledger.path.parent)] == [2, 3, 4]


def test_a_message_that_cannot_be_put_aside_for_want_of_room_waits(
    ledger: Ledger, fill: Callable[..., list[str]], wait_until: Callable[..., None]
) -> None:
    fill(ledger, 2)
    in_the_way = ledger.path.parent / "rejected"
    in_the_way.write_text("")  # no folder can be made here, as on a disk without room
    network = Network()
    network.poison = {1}
    courier = Courier(network, ledger, RejectedMessages(ledger.path.parent, "network"), Backoff(first=0.0))
    courier.start()
    wait_until(lambda: "cannot be put aside" in courier.state().error)
    assert ledger.delivered("network") == 0
    in_the_way.unlink()
    wait_until(lambda: ledger.delivered("network") == 2)
    courier.stop()
    courier.join()
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
    courier = Courier(busy, ledger, RejectedMessages(ledger.path.parent, "network"), Backoff(first=0.0))
    courier.start()
    wait_until(lambda: courier.state().error != "")
    courier.stop()
    courier.join(10)
    assert not courier.is_alive()
    assert busy.attempts == 1


def test_a_mistake_in_a_library_does_not_end_the_delivering(
    ledger: Ledger, fill: Callable[..., list[str]], wait_until: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    class Mistaken(Network):
        def deliver(self, messages: Sequence[Message]) -> int:
            if next(self.plan, "") == "mistake":
                raise KeyError("no such thing")
            return super().deliver(messages)

    fill(ledger, 3)
    network = Mistaken(["mistake", "mistake"])
    run_until_all_is_away(ledger, network, wait_until)
    assert network.arrived == [1, 2, 3]
    assert "Delivering to network went wrong" in caplog.text


def test_a_file_among_the_rejected_that_is_none_is_left_alone(tmp_path: Path, ledger: Ledger, fill: Callable[..., Any]) -> None:
    fill(ledger, 1)
    rejected = RejectedMessages(tmp_path, "webhook")
    rejected.put(ledger.messages_after(0)[0], "no", 10)
    (tmp_path / "rejected/webhook/000000000000.json").write_text("{}")
    (tmp_path / "rejected/webhook/0.json").write_bytes(b"\xff")
    assert [each.message.key for each in rejected] == ["photo:0000"]
    assert json.loads((tmp_path / "rejected/webhook/000000000001.json").read_text())["reason"] == "no"
