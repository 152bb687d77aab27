"""The device's clock. Code that writes times takes a `Clock`, so that a test can set the time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone

Clock = Callable[[], datetime]
"""Returns the current time with a time zone."""


def system_clock() -> datetime:
    """The time of the device's clock, in UTC."""
    return datetime.now(timezone.utc)


def now(clock: Clock = system_clock) -> str:
    """The current time as ISO 8601 in UTC, to the second."""
    return clock().astimezone(timezone.utc).isoformat(timespec="seconds")
