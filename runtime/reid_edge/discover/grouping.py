"""Animals into groups: average linkage (Sokal & Michener 1958) of the log odds of pairs, within what is certain.

Two groups are joined by the mean over all pairs between them, so that one false pair does not join two animals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reid_edge.discover.constraints import Constraints


@dataclass(frozen=True)
class Join:
    """Two groups that became one.

    Attributes:
        log_odds: the mean over their pairs; infinite where it was certain.
        first, second: their members, sorted; `first` holds the smallest.
    """

    log_odds: float
    first: tuple[int, ...]
    second: tuple[int, ...]


@dataclass(frozen=True)
class Grouping:
    """All joins, surest first, and where to stop.

    Attributes:
        count: N animals, numbered from 0.
        joins: until no two groups may be joined.
        least: log odds from which on joins are made.
    """

    count: int
    joins: tuple[Join, ...]
    least: float

    @property
    def made(self) -> int:
        """How many of the joins are made."""
        return self.made_at(self.least)

    def made_at(self, least: float) -> int:
        """How many of the joins have these log odds or more, up to the first that has not."""
        return next((place for place, join in enumerate(self.joins) if join.log_odds < least), len(self.joins))

    def groups(self, made: int | None = None) -> list[tuple[int, ...]]:
        """The groups after so many joins, by their smallest member; after those that are made where None."""
        groups: dict[int, tuple[int, ...]] = {place: (place,) for place in range(self.count)}
        for join in self.joins[: self.made if made is None else made]:
            groups[join.first[0]] = tuple(sorted(join.first + join.second))
            del groups[join.second[0]]
        return [groups[place] for place in sorted(groups)]


def group(log_odds: NDArray[np.float32], constraints: Constraints, least: float) -> Grouping:
    """Join the two groups with the highest mean log odds, again and again.

    Args:
        log_odds: float32 [N, N], symmetric; NaN where a pair has no evidence: groups without any pair that has are never joined.
        constraints: pairs that are one animal are joined first, unless that would break one of those that are different.
        least: see `Grouping`.
    """
    agglomeration = _Agglomeration(log_odds, constraints.different)
    for one, other in constraints.same:
        agglomeration.join_certain(one, other)
    agglomeration.join_all()
    return Grouping(len(log_odds), tuple(agglomeration.joins), least)


class _Agglomeration:
    """Groups are rows, named by their smallest member; those of absorbed groups are dead."""

    def __init__(self, log_odds: NDArray[np.float32], different: NDArray[np.bool_]) -> None:
        self.joins: list[Join] = []
        known = ~np.isnan(log_odds)
        self._sum = np.where(known, log_odds, 0).astype(np.float64)
        self._pairs = known.astype(np.float64)
        self._apart = different.copy()
        np.fill_diagonal(self._apart, True)
        self._members: dict[int, tuple[int, ...]] = {place: (place,) for place in range(len(log_odds))}
        self._group_of = list(range(len(log_odds)))

    def join_certain(self, one: int, other: int) -> None:
        first, second = sorted((self._group_of[one], self._group_of[other]))
        if first != second and not self._apart[first, second]:
            self._join(first, second, float("inf"))

    def join_all(self) -> None:
        mean = np.full(self._sum.shape, -np.inf)
        possible = (self._pairs > 0) & ~self._apart
        np.divide(self._sum, self._pairs, out=mean, where=possible)
        absorbed = [place for place in range(len(mean)) if place not in self._members]
        mean[absorbed], mean[:, absorbed] = -np.inf, -np.inf
        best = mean.max(axis=1, initial=-np.inf)
        while len(best):
            first = int(best.argmax())
            if best[first] == -np.inf:
                return
            second = int(mean[first].argmax())
            first, second = sorted((first, second))
            self._join(first, second, float(mean[first, second]))
            changed = (mean[:, first] >= best) | (mean[:, second] >= best)
            mean[second], mean[:, second] = -np.inf, -np.inf
            row = np.full(len(mean), -np.inf)
            alive = np.zeros(len(mean), bool)
            alive[list(self._members)] = True
            possible = alive & (self._pairs[first] > 0) & ~self._apart[first]
            np.divide(self._sum[first], self._pairs[first], out=row, where=possible)
            mean[first], mean[:, first] = row, row
            changed |= row > best
            changed[[first, second]] = True
            best[changed] = mean[changed].max(axis=1)

    def _join(self, first: int, second: int, log_odds: float) -> None:
        members = self._members[first], self._members.pop(second)
        self.joins.append(Join(log_odds, *members))
        self._members[first] = tuple(sorted(members[0] + members[1]))
        for place in members[1]:
            self._group_of[place] = first
        for table in (self._sum, self._pairs):
            table[first] += table[second]
            table[:, first] = table[first]
        self._apart[first] |= self._apart[second]
        self._apart[:, first] = self._apart[first]
        self._apart[first, first] = True


def labels_of(groups: Sequence[Sequence[int]], count: int) -> NDArray[np.int64]:
    """int64 [N], the number of each animal's group."""
    labels = np.empty(count, np.int64)
    for number, members in enumerate(groups):
        labels[list(members)] = number
    return labels
