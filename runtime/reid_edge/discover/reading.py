"""From a grouping to the report: groups with what ties them, animals that are alone and why, questions, the discovery curve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from reid_edge.discover.constraints import Constraints, Seen
from reid_edge.discover.grouping import Grouping, Join, labels_of
from reid_edge.discover.pair_model import LEAST_PHOTOS, DiscoveryModel, sigmoid
from reid_edge.discover.report import Alone, DiscoveryReport, Group, Occasion, Pair, Question, WhyAlone
from reid_edge.discover.tracks import TrackSpan
from reid_edge.gallery.time_place import TimePlaceModel

_SURE, _UNSURE = 0.9, 0.1
_WRONG_JOIN = 3.0
"""A wrong join counts so many times a missing one: it hides an animal, where a missing join is offered again."""


@dataclass(frozen=True)
class Reading:
    """What the report is made of.

    Attributes:
        seen: N animals.
        log_odds: float32 [N, N], NaN where a pair has no evidence.
        constraints, grouping, model, prior: as the grouping was made.
    """

    seen: Sequence[Seen]
    log_odds: NDArray[np.float32]
    constraints: Constraints
    grouping: Grouping
    model: DiscoveryModel
    prior: TimePlaceModel

    def report(self, notes: Sequence[str] = ()) -> DiscoveryReport:
        """All of it."""
        groups = self.grouping.groups()
        names = self._names(groups)
        found, alone = [], []
        for members in groups:
            new = [place for place in members if self.seen[place].is_new]
            if not new:
                continue
            if self._is_single(members):
                alone.append(self._alone(names[members], members[0]))
            else:
                found.append(self._group(names, members, new))
        found.sort(key=lambda each: (-len(each.members), each.is_known, _number(each.name)))
        alone.sort(key=lambda each: _number(each.name))
        sure, unsure = (self._groups_at(probability) for probability in (_SURE, _UNSURE))
        return DiscoveryReport(
            tuple(found),
            tuple(alone),
            tuple(self._questions(names)),
            tuple(self._occasions(groups, unsure, sure)),
            self._with_new(unsure),
            self._with_new(sure),
            tuple(notes),
        )

    def _names(self, groups: Sequence[tuple[int, ...]]) -> dict[tuple[int, ...], str]:
        """By members; new groups are counted from the largest."""
        names: dict[tuple[int, ...], str] = {}
        counts = {"group": 0, "alone": 0}
        for members in sorted(groups, key=lambda each: (-len(each), self.seen[each[0]].key)):
            known = next((self.seen[place].name for place in members if self.seen[place].name), "")
            kind = "alone" if self._is_single(members) else "group"
            counts[kind] += not known
            names[members] = known or f"{kind} {counts[kind]}"
        return names

    def _is_single(self, members: tuple[int, ...]) -> bool:
        """Whether it is one photo, or one animal that was followed once through a video."""
        spans = {TrackSpan.of(self.seen[place].sighting) for place in members if not self.seen[place].name}
        return len(members) == 1 or (spans != {None} and len(spans) == 1 and not any(self.seen[place].name for place in members))

    def _groups_at(self, probability: float) -> list[tuple[int, ...]]:
        made = next(
            (place for place, join in enumerate(self.grouping.joins) if self._probability(join) < probability),
            len(self.grouping.joins),
        )
        return self.grouping.groups(made)

    def _with_new(self, groups: Sequence[tuple[int, ...]]) -> int:
        """How many of them have a new animal in them; a photo alone in which no animal stands out is none."""
        return sum(
            any(self.seen[place].is_new for place in members)
            and (len(members) > 1 or self.seen[members[0]].sighting.box is not None)
            for members in groups
        )

    def _probability(self, join: Join) -> float:
        return 1.0 if np.isinf(join.log_odds) else self.model.join_probability(join.log_odds)

    def _group(self, names: dict[tuple[int, ...], str], members: tuple[int, ...], new: Sequence[int]) -> Group:
        inside = set(members)
        made, later = self.grouping.joins[: self.grouping.made], self.grouping.joins[self.grouping.made :]
        weakest = min((self._probability(join) for join in made if join.first[0] in inside), default=1.0)
        name = names[members]
        nearest, probability = "", 0.0
        for join in later:  # the first that the whole group is in
            if members[0] in join.first or members[0] in join.second:
                other = join.second if members[0] in join.first else join.first
                nearest = next(names[each] for each in names if each[0] in other)
                probability = self._probability(join)
                break
        return Group(
            name,
            any(self.seen[place].name for place in members),
            tuple(self.seen[place] for place in new),
            weakest,
            tuple(self._ties(members)),
            nearest,
            probability,
        )

    def _ties(self, members: Sequence[int]) -> list[Pair]:
        """The strongest pairs that connect all members, as far as pairs do (Kruskal 1956)."""
        inside = self.log_odds[np.ix_(members, members)]
        rows, columns = np.triu_indices(len(members), 1)
        strengths = inside[rows, columns]
        compared = np.flatnonzero(~np.isnan(strengths))
        part = list(range(len(members)))
        ties = []
        for place in compared[np.argsort(-strengths[compared], kind="stable")]:
            one, other = int(rows[place]), int(columns[place])
            if part[one] != part[other]:
                old, new = part[other], part[one]
                part = [new if each == old else each for each in part]
                if not (self.seen[members[one]].name and self.seen[members[other]].name):
                    ties.append(self._pair(members[one], members[other]))
        return ties

    def _pair(self, one: int, other: int) -> Pair:
        first, second = sorted((self.seen[one], self.seen[other]), key=lambda each: each.key)
        value = float(self.log_odds[one, other])
        probability = 0.5 if np.isnan(value) else sigmoid(value)
        return Pair(first, second, probability, self.prior.remark(first.sighting, second.sighting))

    def _strongest(self, some: Sequence[int], others: Sequence[int]) -> tuple[int, int] | None:
        """The pair with the highest log odds; none that a person could not answer."""
        between = self.log_odds[np.ix_(some, others)]
        for place, other in self.constraints.unsure:
            for one, two in ((place, other), (other, place)):
                if one in some and two in others:
                    between[some.index(one), others.index(two)] = np.nan
        if np.isnan(between).all():
            return None
        row, column = np.unravel_index(np.nanargmax(between), between.shape)
        return some[int(row)], others[int(column)]

    def _alone(self, name: str, place: int) -> Alone:
        span = TrackSpan.of(self.seen[place].sighting)
        others = [
            each
            for each, other in enumerate(self.seen)
            if each != place and (span is None or TrackSpan.of(other.sighting) != span)
        ]
        strongest = self._strongest([place], others) if others else None
        why: WhyAlone = "resembles-none"
        if self.seen[place].sighting.box is None:
            why = "no-animal"
        elif len(self.seen) < LEAST_PHOTOS:
            why = "too-few-photos"
        elif strongest is None:
            why = "nothing-comparable"
        elif self.constraints.different[strongest] and self.log_odds[strongest] >= self.grouping.least:
            why = "held-apart"
        return Alone(name, self.seen[place], why, self._pair(*strongest) if strongest else None)

    def _questions(self, names: dict[tuple[int, ...], str]) -> list[Question]:
        """One for each join: those that are made may be wrong, and so may those that are not."""
        name_of = {place: name for members, name in names.items() for place in members}
        questions = []
        for number, join in enumerate(self.grouping.joins):
            probability = self._probability(join)
            strongest = self._strongest(join.first, join.second)
            photos = min(len(join.first), len(join.second))
            is_made = number < self.grouping.made
            effect = photos * (_WRONG_JOIN * (1 - probability) if is_made else probability)
            if np.isinf(join.log_odds) or strongest is None or effect < 0.01:
                continue
            groups = tuple(dict.fromkeys((name_of[strongest[0]], name_of[strongest[1]])))
            kind: Literal["join", "split"] = "split" if is_made else "join"
            questions.append(Question(kind, self._pair(*strongest), groups, probability, photos, effect))
        return sorted(questions, key=lambda each: (-each.effect, each.pair.first.key, each.pair.second.key))

    def _occasions(
        self, groups: Sequence[tuple[int, ...]], unsure: Sequence[tuple[int, ...]], sure: Sequence[tuple[int, ...]]
    ) -> list[Occasion]:
        new = [place for place in range(len(self.seen)) if self.seen[place].is_new]
        days = {place: self.seen[place].sighting.taken_at.strip()[:10].replace(":", "-") for place in new}
        labels = [labels_of(each, len(self.seen)) for each in (groups, unsure, sure)]
        occasions: list[Occasion] = []
        so_far: list[set[int]] = [set(), set(), set()]
        for day in sorted(set(days.values()), key=lambda each: (not each, each)):
            places = [place for place in new if days[place] == day]
            before = len(so_far[0])
            for total, label in zip(so_far, labels, strict=True):
                total.update(int(label[place]) for place in places)
            seen = len({int(labels[0][place]) for place in places})
            totals = [len(each) for each in so_far]
            occasions.append(Occasion(day, len(places), seen, totals[0] - before, totals[0], totals[1], totals[2]))
        return occasions


def _number(name: str) -> tuple[int, str]:
    """So that `group 10` comes after `group 9`."""
    digits = name.rpartition(" ")[2]
    return (int(digits), "") if digits.isascii() and digits.isdigit() else (0, name)
