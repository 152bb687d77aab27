"""What a discovery found, as data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from reid_edge.discover.constraints import Seen

WhyAlone = Literal["no-animal", "too-few-photos", "nothing-comparable", "held-apart", "resembles-none"]
WHY_ALONE: dict[WhyAlone, str] = {
    "no-animal": "no animal stands out in the photo",
    "too-few-photos": "too few photos to know how much two strangers share",
    "nothing-comparable": "no other photo shows this side of this species",
    "held-apart": "what it resembles most is certainly another animal",
    "resembles-none": "it resembles no group enough",
}


@dataclass(frozen=True)
class Pair:
    """Two animals that were compared.

    Attributes:
        first, second: the animals.
        probability: that they are one, by this pair alone and the time and place of both.
        remark: what time and place say; '' for nothing.
    """

    first: Seen
    second: Seen
    probability: float
    remark: str = ""


@dataclass(frozen=True)
class Group:
    """One individual.

    Attributes:
        name: of the known individual, else `group 1`, `group 2`, ...
        is_known: whether the gallery has it.
        members: without those of the gallery.
        probability: that all members are one animal: of the weakest join that made the group.
        ties: the strongest pairs that together connect all members.
        nearest: the group that it would be joined with next; '' for none.
        nearest_probability: that the two are one animal.
    """

    name: str
    is_known: bool
    members: tuple[Seen, ...]
    probability: float
    ties: tuple[Pair, ...]
    nearest: str = ""
    nearest_probability: float = 0.0


@dataclass(frozen=True)
class Alone:
    """An animal that is in no group.

    Attributes:
        name: that it has in questions: `alone 1`, ...
        seen: the animal.
        why: a code, see `WHY_ALONE`.
        nearest: the strongest pair that it is in; None where it was compared with none.
    """

    name: str
    seen: Seen
    why: WhyAlone
    nearest: Pair | None


@dataclass(frozen=True)
class Question:
    """A pair that a person should look at.

    Attributes:
        kind: `join`: are two groups one animal? `split`: is one group two animals?
        pair: the two photos that show it best.
        groups: whom the question is about.
        probability: that the two are one animal.
        photos: how many photos the answer moves at least.
        effect: how many photos the answer is expected to move, photos * p of a join, three times photos * (1 - p) of a split.
    """

    kind: Literal["join", "split"]
    pair: Pair
    groups: tuple[str, ...]
    probability: float
    photos: int
    effect: float


@dataclass(frozen=True)
class Occasion:
    """A day, for the discovery curve.

    Attributes:
        date: ISO 8601; '' for photos without a time, which come last.
        photos: animals in photos of that day.
        individuals: that were seen on it.
        new: of these, those that were seen for the first time.
        total: individuals so far; `total_low` and `total_high` where uncertain joins are made, or likely ones are not.
    """

    date: str
    photos: int
    individuals: int
    new: int
    total: int
    total_low: int
    total_high: int


@dataclass(frozen=True)
class DiscoveryReport:
    """All of it.

    Attributes:
        groups: largest first, known ones included where they got members.
        alone: in no group.
        questions: most effect first.
        occasions: by date.
        individuals_low, individuals_high: how many groups and single animals there are with a join at 10 % and only at 90 %.
        notes: what a person should know, a sentence each.
    """

    groups: tuple[Group, ...]
    alone: tuple[Alone, ...]
    questions: tuple[Question, ...]
    occasions: tuple[Occasion, ...]
    individuals_low: int
    individuals_high: int
    notes: tuple[str, ...] = ()

    @property
    def individuals(self) -> int:
        """Groups and animals that are alone."""
        return len(self.groups) + self.animals_alone

    @property
    def animals_alone(self) -> int:
        """Those of `alone` that are animals: in the others' photos none stands out."""
        return sum(each.why != "no-animal" for each in self.alone)

    @property
    def found_in_words(self) -> str:
        """What was found: "2 groups and 1 animal alone; no animal stands out in 1 photo"."""
        groups, alone, empty = len(self.groups), self.animals_alone, len(self.alone) - self.animals_alone
        text = f"{groups} group{'' if groups == 1 else 's'} and {alone} animal{'' if alone == 1 else 's'} alone"
        return text + (f"; no animal stands out in {empty} photo{'' if empty == 1 else 's'}" if empty else "")

    @property
    def individuals_in_words(self) -> str:
        """How many individuals there may be: "between 3 and 5 individuals", "1 individual"."""
        low, high = self.individuals_low, self.individuals_high
        return ("" if low == high else f"between {low} and ") + f"{high} individual{'' if high == 1 else 's'}"

    def as_json(self) -> dict[str, Any]:
        """As docs/discovery.schema.json describes it."""
        return {
            "schema": "reid-edge/discovery/1",
            "individuals": {"found": self.individuals, "low": self.individuals_low, "high": self.individuals_high},
            "groups": [
                {
                    "name": each.name,
                    "is_known": each.is_known,
                    "probability": each.probability,
                    "animals": [_seen(one) for one in each.members],
                    "ties": [_pair(pair) for pair in each.ties],
                    "nearest": each.nearest or None,
                    "nearest_probability": each.nearest_probability,
                }
                for each in self.groups
            ],
            "alone": [
                {
                    "name": each.name,
                    "animal": _seen(each.seen),
                    "why": each.why,
                    "nearest": _pair(each.nearest) if each.nearest else None,
                }
                for each in self.alone
            ],
            "questions": [
                {
                    "kind": each.kind,
                    "groups": list(each.groups),
                    **_pair(each.pair),
                    "probability": each.probability,
                    "photos": each.photos,
                    "effect": each.effect,
                }
                for each in self.questions
            ],
            "occasions": [asdict(each) for each in self.occasions],
            "notes": list(self.notes),
        }


COLUMNS = ("group", "is_known", "probability", "photo", "path", "animal", "taken_at", "id", "why_alone")


def csv_rows(report: DiscoveryReport) -> list[Sequence[str]]:
    """One row per animal, in the order of `COLUMNS`."""
    rows: list[Sequence[str]] = [
        (each.name, str(each.is_known).lower(), f"{each.probability:.4f}", *_cells(one), "")
        for each in report.groups
        for one in each.members
    ]
    return rows + [("", "false", "", *_cells(each.seen), each.why) for each in report.alone]


def _cells(seen: Seen) -> tuple[str, ...]:
    sighting = seen.sighting
    return sighting.photo_name, sighting.photo_path, str(sighting.animal_index + 1), sighting.taken_at, seen.key


def _seen(seen: Seen) -> dict[str, Any]:
    sighting = seen.sighting
    return {
        "id": seen.key,
        "photo": sighting.photo_name,
        "path": sighting.photo_path,
        "animal": sighting.animal_index + 1,
        "taken_at": sighting.taken_at,
        "individual": seen.name or None,
    }


def _pair(pair: Pair) -> dict[str, Any]:
    return {"first": _seen(pair.first), "second": _seen(pair.second), "probability": pair.probability, "remark": pair.remark}
