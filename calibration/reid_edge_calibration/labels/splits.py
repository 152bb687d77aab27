"""Open-set splits: which labelled photos are the database, and which are asked for.

Some individuals are held out wholly, so that their photos have to be answered with "new"; of the others, some photos, encounters or the
later days are asked for. Both are dealt out evenly over individuals with few and with many photos. Nothing depends on the order of
the labels; the seed decides.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reid_edge.errors import UsageError
from reid_edge_calibration.labels.dates import day_of, noted_dates
from reid_edge_calibration.labels.encounters import infer_encounters
from reid_edge_calibration.labels.labelled_photo import LabelledPhoto, counted, first_few
from reid_edge_calibration.labels.request import LabelRequest
from reid_edge_calibration.progress import Progress

FEWEST_INDIVIDUALS = 3
"""Two in the database, so that one can be taken for the other, and one held out."""

MOST_UNDATED = 0.05
"""The share of photos without a date up to which days are trusted to say what came later."""

_LARGEST_STRATUM = 5  # 16 photos and more

_WORDS = {"photo": "photo", "encounter": "encounter", "time": "day"}


@dataclass(frozen=True)
class Split:
    """Database and query photos, the kind of split, and notes for the user."""

    database: tuple[LabelledPhoto, ...]
    queries: tuple[LabelledPhoto, ...]
    how: str
    notes: tuple[str, ...] = ()


def split_photos(photos: Sequence[LabelledPhoto], request: LabelRequest, name: str, progress: Progress) -> Split:
    """Split the photos of one species as asked, or as the photos allow.

    Where `request.split` is None: the source's own split, where it has one; days, where nearly all photos are dated and half of the
    individuals with several photos were met on two; encounters, where most photos name one; days, where anybody was met on two; or else
    encounters that are inferred, see `infer_encounters`; photos, where these leave nothing to ask for, except where it is known that each
    individual was met once.

    Args:
        photos: one label a photo.
        request: how.
        name: of the photos, for messages.

    Raises:
        UsageError: one individual only, too few for unknowns, nothing to ask for, or the labels do not say what the split needs.
    """
    individuals = {photo.enrolment.identity for photo in photos}
    if len(individuals) < 2:
        raise UsageError(
            f"All photos of {name} show one individual, {min(individuals)}.",
            "Add photos of others; the difference is what is learnt.",
        )
    given = [photo for photo in photos if photo.split in ("database", "query")]
    if request.split == "given" or (request.split is None and given):
        return _given(photos, name)
    ordered = sorted(photos, key=lambda photo: (photo.enrolment.identity, str(photo.enrolment.path)))
    # A photo that a given split has on both sides is one photo.
    ordered = list({str(photo.enrolment.path): photo for photo in ordered}.values())
    how, units, notes = _units(ordered, request.split, name, progress)
    return _open_set(units, how, request, name, notes)


def stratum(photos: int) -> int:
    """The stratum of an individual with that many photos: 1, 2 to 3, 4 to 7, 8 to 15, 16 and more."""
    return min(photos.bit_length(), _LARGEST_STRATUM)


def _given(photos: Sequence[LabelledPhoto], name: str) -> Split:
    database, queries = (tuple(photo for photo in photos if photo.split == side) for side in ("database", "query"))
    for side, rows in (("database", database), ("query", queries)):
        if not rows:
            raise UsageError(
                f"{name} has no row with split {side!r}.", "Look at its column split, or choose --split time, encounter or photo."
            )
    others = Counter(photo.split or "nothing" for photo in photos) - Counter({"database": len(database), "query": len(queries)})
    notes = [
        f"{name}: left out because the split is {value}: {counted(count, 'photo')}." for value, count in sorted(others.items())
    ]
    return Split(database, queries, "given", tuple(notes))


Units = Mapping[str, Sequence[Sequence[LabelledPhoto]]]
"""Per individual, the photos that stay together, such as those of one encounter; of days, the earliest first."""


def _units(photos: Sequence[LabelledPhoto], how: str | None, name: str, progress: Progress) -> tuple[str, Units, list[str]]:
    """How to split, into what, and notes."""
    notes: list[str] = []
    encounters = {photo.enrolment.path: photo.enrolment.encounter for photo in photos}
    known = sum(map(bool, encounters.values()))
    mostly_known = 2 * known > len(photos)
    if how in (None, "time"):
        noted = noted_dates(photos, progress)
        days = {path: day_of(text) for path, text in noted.items()}
        problem = _problem_of_days(photos, noted, days, name)
        dated = {path: day or "" for path, day in days.items()}
        if how == "time" and problem:
            raise problem
        spread = _spread(_together(photos, dated))
        if not problem and (how == "time" or spread >= 0.5 or (spread and not mostly_known)):
            undated = sum(not day for day in dated.values())
            if undated:
                notes.append(
                    f"{name}: without a date, and taken for one of the individual's first day: {counted(undated, 'photo')}."
                )
            return "time", _together(photos, dated), notes
        if problem and any(day is None or day for day in days.values()):
            notes.append(f"{name}: days were not used to split. {problem.message}")
        if not problem and not mostly_known:
            raise _met_once(name, "day")
    if how == "encounter" and not known:
        raise UsageError(f"{name} names no encounters.", "Fill in a column encounter, or choose --split time or photo.")
    if how == "encounter" or (how is None and mostly_known):
        alone = {path: encounter or f"\0{path}" for path, encounter in encounters.items()}
        if known < len(photos):
            notes.append(f"{name}: without an encounter, and taken for one of its own: {counted(len(photos) - known, 'photo')}.")
        return "encounter", _together(photos, alone), notes
    if how is None:
        inferred = _together(photos, infer_encounters(photos, noted_dates(photos, progress), name, progress))
        if _spread(inferred):
            notes.append(
                f"{name}: too few days or encounters are known. Photos of an individual that were taken within half an hour or look the "
                "same are kept on one side; others of one encounter may still be on both."
            )
            return "encounter", inferred, notes
        notes.append(f"{name}: too few days or encounters are known, so photos of one encounter may be on both sides.")
    return "photo", _together(photos, {path: str(path) for path in encounters}), notes


def _problem_of_days(
    photos: Sequence[LabelledPhoto], noted: Mapping[Path, str], days: Mapping[Path, str | None], name: str
) -> UsageError | None:
    """Why days cannot say what came later, if they cannot."""
    way_out = "Write dates as 2020-01-31 or 2020-01-31 14:05, or choose --split encounter or photo."
    unclear = [f"{noted[photo.enrolment.path]!r} ({photo.where})" for photo in photos if days[photo.enrolment.path] is None]
    if unclear:
        return UsageError(f"{len(unclear)} dates of {name} cannot be read: {first_few(unclear, 3)}.", way_out)
    example_of = {len(day): f"{day} ({photo.where})" for photo in photos if (day := days[photo.enrolment.path])}
    if len(example_of) > 1:
        listed = ", ".join(example for _, example in sorted(example_of.items()))
        return UsageError(f"Some dates of {name} are days and some only months or years, which have no order: {listed}.", way_out)
    undated = [photo.where for photo in photos if not days[photo.enrolment.path]]
    if len(undated) > MOST_UNDATED * len(photos):
        return UsageError(f"{len(undated)} of {len(photos)} photos of {name} have no date: {first_few(undated)}.", way_out)
    return None


def _together(photos: Sequence[LabelledPhoto], key_of: Mapping[Path, str]) -> Units:
    """Each individual's photos by their key, in the order of the keys; those without a key are with its first."""
    grouped: dict[str, dict[str, list[LabelledPhoto]]] = {}
    for photo in photos:
        grouped.setdefault(photo.enrolment.identity, {}).setdefault(key_of[photo.enrolment.path], []).append(photo)
    for groups in grouped.values():
        if "" in groups and len(groups) > 1:
            without = groups.pop("")
            groups[min(groups)] += without
    return {identity: [groups[key] for key in sorted(groups)] for identity, groups in sorted(grouped.items())}


def _spread(units: Units) -> float:
    """Of the individuals with several photos, the share whose photos are not all together."""
    several = [len(own) > 1 for own in units.values() if sum(map(len, own)) > 1]
    return sum(several) / max(len(several), 1)


def _met_once(name: str, word: str) -> UsageError:
    if word == "photo":
        return UsageError(
            f"Every individual of {name} has one photo: there is nothing to ask for.", "Add photos of the same ones."
        )
    return UsageError(
        f"All photos that {name} has of an individual are of one {word}, so a query would find a photo that was taken beside it.",
        f"Add photos of another {word}, or choose --split photo and expect probabilities that are too good.",
    )


def _open_set(units: Units, how: str, request: LabelRequest, name: str, notes: Sequence[str]) -> Split:
    if not _spread(units):
        raise _met_once(name, _WORDS[how])
    rng = np.random.default_rng(request.seed)
    names = sorted(units)
    order = [names[index] for index in rng.permutation(len(names))]
    strata = {identity: stratum(sum(map(len, units[identity]))) for identity in names}
    # One who can be asked for stays in the database, whatever the draw: the first in order is the last of its stratum.
    stays = next(identity for identity in order if len(units[identity]) > 1)
    # Strata in a random order, too: which of the small ones has one held out is then left to the seed.
    turn = {each: place for place, each in reversed(list(enumerate(strata[identity] for identity in order)))}
    order.sort(key=lambda identity: (turn[strata[identity]], identity == stays))
    held_out = _held_out(order, strata, stays, request.unknown_share, name)
    known = [identity for identity in order if identity not in held_out]
    asked = _dealt([min(request.query_share * len(units[identity]), len(units[identity]) - 1) for identity in known])
    database: list[LabelledPhoto] = []
    queries = [photo for identity in sorted(held_out) for unit in units[identity] for photo in unit]
    unknown_photos = len(queries)
    for identity, count in zip(known, asked, strict=True):
        own = units[identity]
        last = range(len(own) - count, len(own)) if how == "time" else rng.permutation(len(own))[:count]
        for index, unit in enumerate(own):
            (queries if index in last else database).extend(unit)
    said = (
        f"{name}: split by {_WORDS[how]}, {len(known)} individuals with {len(database)} photos in the database and "
        f"{len(queries) - unknown_photos} to ask for, {len(held_out)} held out as unknown with {unknown_photos}."
    )
    return Split(_in_order(database), _in_order(queries), how, (said, *notes))


def _held_out(order: Sequence[str], strata: Mapping[str, int], stays: str, share: float, name: str) -> frozenset[str]:
    """The first few of each stratum."""
    sizes = Counter(strata[identity] for identity in order)
    counts = dict(zip(sizes, _dealt([share * size for size in sizes.values()]), strict=True))
    own = strata[stays]
    if counts[own] == sizes[own]:
        counts[own] -= 1
    if not any(counts.values()) and len(sizes) > 1:
        counts[next(each for each in sizes if each != own)] = 1
    total = sum(counts.values())
    if len(order) < FEWEST_INDIVIDUALS or not total:
        raise UsageError(
            f"{name} has {len(order)} individuals, too few to hold one out as unknown.",
            f"Give photos of {FEWEST_INDIVIDUALS} individuals or more: two for the database and one that is unknown.",
        )
    if len(order) - total < 2:
        raise UsageError(
            f"An unknown share of {share:g} leaves fewer than two of the {len(order)} individuals of {name} in the database.",
            "Choose a smaller --unknown-share, or give photos of more individuals.",
        )
    place = Counter[int]()
    held_out = []
    for identity in order:
        if place[strata[identity]] < counts[strata[identity]]:
            held_out.append(identity)
        place[strata[identity]] += 1
    return frozenset(held_out)


def _dealt(expected: Sequence[float]) -> list[int]:
    """Whole numbers whose sum over any run of neighbours is within one of what is expected of it; at least one in all."""
    sums = np.floor(np.cumsum(expected) + 0.5 + 1e-9).astype(int)
    dealt = np.diff(sums, prepend=0)
    if not dealt.sum():
        dealt[int(np.argmax(expected))] = 1
    return [int(count) for count in dealt]


def _in_order(photos: Iterable[LabelledPhoto]) -> tuple[LabelledPhoto, ...]:
    return tuple(sorted(photos, key=lambda photo: (photo.enrolment.identity, str(photo.enrolment.path))))
