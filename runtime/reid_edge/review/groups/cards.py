"""The groups of a discovery as the page shows them: each has a token that changes with its members, so that a late answer is noticed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from reid_edge.discover.constraints import Seen
from reid_edge.discover.report import WHY_ALONE, DiscoveryReport
from reid_edge.review.naming import suggested_name


@dataclass(frozen=True)
class Card:
    """A group, or an animal that is alone.

    Attributes:
        token: of its members; another one as soon as somebody changes the group.
        name: `group 3`, `alone 1`, or of the known individual that the photos are joined with.
        is_known: whether it is joined with a known individual.
        members: that nobody named.
        probability: that all are one animal; None where it is alone.
        nearest, nearest_probability: what it would be joined with next; '' for nothing.
        why: why it is alone, in words; '' of a group.
        suggestion: a name.
    """

    token: str
    name: str
    is_known: bool
    members: tuple[Seen, ...]
    probability: float | None
    nearest: str
    nearest_probability: float
    why: str
    suggestion: str


@dataclass(frozen=True)
class GroupsState:
    """The grouping as it is now.

    Attributes:
        report: of the discovery.
        cards: by token, groups first, largest first.
        named: animals that have a name by now, of `total`.
        total: animals that the discovery found without a name.
    """

    report: DiscoveryReport
    cards: Mapping[str, Card]
    named: int
    total: int


def state_of(report: DiscoveryReport, seen: Sequence[Seen], recorded: Sequence[Seen], names: Iterable[str]) -> GroupsState:
    """The cards of a report.

    Args:
        report: of now.
        seen: the animals as they are now.
        recorded: the same animals as the discovery found them.
        names: of the catalogue, for suggestions.
    """
    taken = list(names)
    cards = []
    for group in report.groups:
        suggestion = group.name if group.is_known else suggested_name(taken)
        taken.append(suggestion)
        facts = (group.probability, group.nearest, group.nearest_probability, "", suggestion)
        cards.append(Card(token_of(group.members), group.name, group.is_known, group.members, *facts))
    for each in report.alone:
        suggestion = suggested_name(taken)
        taken.append(suggestion)
        cards.append(Card(token_of([each.seen]), each.name, False, (each.seen,), None, "", 0.0, WHY_ALONE[each.why], suggestion))
    new = [place for place, each in enumerate(recorded) if not each.name]
    named = sum(not seen[place].is_new for place in new)
    return GroupsState(report, {each.token: each for each in cards}, named, len(new))


def token_of(members: Sequence[Seen]) -> str:
    """Names a group in addresses: the same for the same members."""
    return hashlib.sha256("\n".join(sorted(each.key for each in members)).encode()).hexdigest()[:20]
