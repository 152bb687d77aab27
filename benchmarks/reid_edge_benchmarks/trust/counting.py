"""What was observed becomes a row: a count, a share with its interval, and whether the law is kept."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

_NORMAL_95 = 1.959964  # the standard normal's 97.5 % quantile


@dataclass(frozen=True)
class Measure:
    """One count of a law.

    Attributes:
        name: of its observations.
        counted: what is counted, in words.
        allowed: the largest share that keeps the law; None where another field says it, or the count is only reported.
        promised: the pack's promised error rate is the largest share.
        beside: the measure whose share is the largest one. What the answers' own probabilities say of the difference is added, where the
            observations have `expected`.
    """

    name: str
    counted: str
    allowed: float | None = None
    promised: bool = False
    beside: str = ""


@dataclass(frozen=True)
class Observation:
    """One trial of a measure.

    Attributes:
        measure: its name.
        hit: whether that happened which is counted.
        expected: how likely the answer itself holds that to be, 0..1; None where it does not say.
    """

    measure: str
    hit: bool
    expected: float | None = None


@dataclass
class Tally:
    """The trials of one measure, added query by query."""

    count: int = 0
    trials: int = 0
    queries: set[int] = field(default_factory=set)
    individuals: set[str] = field(default_factory=set)
    expected: list[float] = field(default_factory=list)

    def add(self, seen: Observation, query: int, individual: str) -> None:
        """One trial of a query photo, numbered, of an individual."""
        self.count += seen.hit
        self.trials += 1
        self.queries.add(query)
        self.individuals.add(individual)
        if seen.expected is not None:
            self.expected.append(seen.expected)

    @property
    def share(self) -> float:
        """Of the trials; NaN of none."""
        return self.count / self.trials if self.trials else math.nan

    @property
    def mean_expected(self) -> float:
        """0 where the answers do not say."""
        return sum(self.expected) / len(self.expected) if self.expected else 0.0


def rows(measures: tuple[Measure, ...], tallies: dict[str, Tally], promised: float) -> dict[str, dict[str, Any]]:
    """The rows of one law and set as plain data, by the measure's name; a measure without a trial has none.

    Args:
        measures: of the law.
        tallies: by the measure's name.
        promised: the error rate that the pack was calibrated for, 0..1.
    """
    made = {}
    for measure in measures:
        tally = tallies.get(measure.name)
        if tally is None:
            continue
        low, high = wilson_interval(tally.share, len(tally.queries))
        allowed = _allowed(measure, tally, tallies, promised)
        made[measure.name] = {
            "counted": measure.counted,
            "count": tally.count,
            "trials": tally.trials,
            "queries": len(tally.queries),
            "individuals": len(tally.individuals),
            "share": tally.share,
            "low": low,
            "high": high,
            "allowed": allowed,
            "kept": None if allowed is None else kept(tally.share, low, allowed),
        }
    return made


def kept(share: float, low: float, allowed: float) -> str:
    """``yes``; ``no``; or ``unclear`` where the share is above what is allowed, but its interval is not."""
    return "yes" if share <= allowed else "unclear" if low <= allowed else "no"


def wilson_interval(share: float, trials: int) -> tuple[float, float]:
    """The 95 % interval of a share of independent trials (Wilson 1927), which has a width where none or all of them hit.

    Args:
        share: 0..1.
        trials: 1 or more.
    """
    square = _NORMAL_95**2
    middle = (share + square / (2 * trials)) / (1 + square / trials)
    half = _NORMAL_95 * math.sqrt(share * (1 - share) / trials + square / (4 * trials**2)) / (1 + square / trials)
    return max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half))


def _allowed(measure: Measure, tally: Tally, tallies: dict[str, Tally], promised: float) -> float | None:
    if measure.promised:
        return promised
    if measure.beside:
        other = tallies[measure.beside]
        return other.share + max(0.0, tally.mean_expected - other.mean_expected)
    return measure.allowed
