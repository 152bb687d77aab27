"""Every fault, in the order of the table in docs/reliability.md."""

from __future__ import annotations

from reid_edge_benchmarks.reliability.faults import (
    arrivals,
    broken_photos,
    clock,
    delivery,
    disk_full,
    kill,
    power_cut,
    real_photos,
    steady_memory,
    two_daemons,
    unmounted,
)

FAULTS = {
    module.FAULT.name: module.FAULT
    for module in (
        kill,
        power_cut,
        disk_full,
        unmounted,
        arrivals,
        clock,
        broken_photos,
        two_daemons,
        steady_memory,
        delivery,
        real_photos,
    )
}
