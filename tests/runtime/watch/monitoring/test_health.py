from __future__ import annotations

from pathlib import Path

import pytest

from reid_edge.watch.configuration import Configuration
from reid_edge.watch.delivery.worker import DeliveryState
from reid_edge.watch.monitoring.health import problems

CONFIGURATION = Configuration((Path("/media/card"),), stuck_seconds=300.0, disk_reserve_bytes=500_000_000)
WELL = DeliveryState("webhook", 3, "It does not answer.", failing_seconds=299.0)
STUCK = DeliveryState("mqtt", 0, "It does not answer.", failing_seconds=301.0)


@pytest.mark.parametrize(
    ("age", "free", "absent", "deliveries", "kinds"),
    [
        (1.0, 10**9, [], [WELL], []),
        (300.1, 10**9, [], [], ["loop_stalled"]),
        (1.0, 499_999_999, [], [], ["disk_nearly_full"]),
        (1.0, None, [], [], ["disk_nearly_full"]),
        (1.0, 10**9, ["/media/card"], [], ["folder_absent"]),
        (1.0, 10**9, [], [WELL, STUCK], ["delivery_stuck"]),
        (
            999.0,
            0,
            ["/a", "/b"],
            [STUCK],
            ["loop_stalled", "disk_nearly_full", "folder_absent", "folder_absent", "delivery_stuck"],
        ),
    ],
)
def test_each_reason_is_named(
    age: float, free: int | None, absent: list[str], deliveries: list[DeliveryState], kinds: list[str]
) -> None:
    found = problems(CONFIGURATION, age, free, absent, deliveries)
    assert [each.kind for each in found] == kinds
    assert all(each.text.endswith(".") for each in found)
