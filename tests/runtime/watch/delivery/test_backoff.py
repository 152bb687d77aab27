from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from reid_edge.watch.delivery.backoff import Backoff


@given(st.integers(), st.integers(1, 200))
def test_waits_double_from_one_second_to_five_minutes_and_are_at_most_halved(seed: int, failures: int) -> None:
    backoff = Backoff(source=random.Random(seed))
    for failure in range(failures):
        full = min(300.0, 2.0**failure)
        assert full / 2 <= backoff.failed() <= full
    backoff.succeeded()
    assert 0.5 <= backoff.failed() <= 1.0


def test_two_devices_do_not_call_at_the_same_moment() -> None:
    waits = {Backoff(source=random.Random(seed)).failed() for seed in range(100)}
    assert len(waits) == 100
