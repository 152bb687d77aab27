"""Is the daemon well? Each way of not being well has a code and a sentence with the remedy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from reid_edge.watch.configuration import Configuration
from reid_edge.watch.delivery.worker import DeliveryState


@dataclass(frozen=True)
class Problem:
    """One reason not to be healthy.

    Attributes:
        kind: `loop_stalled`, `disk_nearly_full`, `folder_absent` or `delivery_stuck`.
        text: for people, with the figures and the way out.
    """

    kind: str
    text: str


def problems(
    configuration: Configuration,
    loop_age_seconds: float,
    free_bytes: int | None,
    absent: Iterable[str],
    deliveries: Sequence[DeliveryState],
) -> list[Problem]:
    """Everything that is wrong now; nothing where the daemon is healthy.

    Args:
        configuration: its `disk_reserve_bytes` and `stuck_seconds` are the bounds.
        loop_age_seconds: since the daemon's loop last came round.
        free_bytes: of the disk of `out`; None where it cannot be asked.
        absent: watched folders that are missing.
        deliveries: of every network sink.
    """
    found = []
    if loop_age_seconds > configuration.stuck_seconds:
        found.append(
            Problem("loop_stalled", f"The daemon's loop has been stuck for {loop_age_seconds:.0f} s. See its log; restart it.")
        )
    if free_bytes is None:
        found.append(
            Problem(
                "disk_nearly_full", "The free space of the output folder's disk is unknown: the disk does not answer. Check it."
            )
        )
    elif free_bytes < configuration.disk_reserve_bytes:
        reserve = configuration.disk_reserve_bytes / 1e6
        found.append(
            Problem(
                "disk_nearly_full",
                f"{free_bytes / 1e6:.0f} MB are free, {reserve:.0f} MB should be. Free some space; nothing is lost.",
            )
        )
    found += [Problem("folder_absent", f"The folder {path} is missing. Mount it, or put the card back.") for path in absent]
    found += [
        Problem("delivery_stuck", f"{state.error} It has been failing for {state.failing_seconds:.0f} s; messages wait.")
        for state in deliveries
        if state.failing_seconds > configuration.stuck_seconds
    ]
    return found
