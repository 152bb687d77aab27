"""Waiting times between attempts: longer after every failure, and different on every device."""

from __future__ import annotations

import random

FIRST_SECONDS = 1.0
LONGEST_SECONDS = 300.0


class Backoff:
    """Waiting times that double from `first` to `longest` seconds, each shortened at random by up to a half.

    The random part keeps a hundred devices from calling at the same moment when their server is back.
    """

    def __init__(
        self, first: float = FIRST_SECONDS, longest: float = LONGEST_SECONDS, source: random.Random | None = None
    ) -> None:
        self._first = first
        self._longest = longest
        self._random = source or random.Random()
        self._failures = 0

    def failed(self) -> float:
        """Note a failure; returns the seconds to wait."""
        full = min(self._longest, self._first * 2.0 ** min(self._failures, 60))
        self._failures += 1
        return full * self._random.uniform(0.5, 1.0)

    def succeeded(self) -> None:
        """Start again from the shortest wait."""
        self._failures = 0
