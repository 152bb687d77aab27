"""Query photos that are in the database already, or nearly: they would find themselves, and the figures would be too good."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reid_edge.errors import UsageError
from reid_edge.gallery.enrolment_list import Enrolment
from reid_edge_calibration.labels.dates import day_of
from reid_edge_calibration.labels.labelled_photo import counted, first_few
from reid_edge_calibration.labels.photo_print import PhotoPrint, nearest_prints, photo_print
from reid_edge_calibration.progress import Progress


@dataclass(frozen=True)
class Leakage:
    """Of each query photo that is in the database too, the photo that it is like.

    Attributes:
        same_bytes: the same file.
        near_duplicates: to the eye the same picture, see `photo_print`.
        same_encounter: the same individual on the same encounter, or on the same day where no encounter is told.
    """

    same_bytes: Mapping[Path, Path]
    near_duplicates: Mapping[Path, Path]
    same_encounter: Mapping[Path, Path]

    @property
    def nearly(self) -> frozenset[Path]:
        """Query photos that are not the same file, but would be found for the wrong reason."""
        return frozenset((*self.near_duplicates, *self.same_encounter)) - frozenset(self.same_bytes)

    def notes(self, name: str, queries: int, dropped: bool) -> tuple[str, ...]:
        """What was found, a sentence each, with counts and examples."""
        notes = []
        if self.same_bytes:
            names = first_few([path.name for path in self.same_bytes])
            notes.append(f"{name}: query photos that are database photos too were left out, they would find themselves: {names}.")
        done = "left out; --keep-leaks keeps them" if dropped else "kept; --drop-leaks leaves them out"
        for found, what in (
            (self.near_duplicates, "near-duplicates of database photos"),
            (self.same_encounter, "of an encounter or day of the same individual that the database has too"),
        ):
            if found:
                share = f"{len(found)} of {counted(queries, 'query photo')} ({len(found) / queries:.0%})"
                pairs = first_few([f"{query.name} and {other.name}" for query, other in found.items()], 3)
                notes.append(f"{name}: {what}: {share}; {done}: {pairs}.")
        return tuple(notes)


def find_leakage(database: Sequence[Enrolment], queries: Sequence[Enrolment], name: str, progress: Progress) -> Leakage:
    """Look for query photos that are in the database too.

    Args:
        database, queries: who each photo shows.
        name: of the photos, for messages.
        progress: wraps a list and a word for it; every photo is read once, at reduced size.

    Raises:
        UsageError: the same file is labelled as two individuals.
    """
    paths = list(dict.fromkeys(row.path for row in (*database, *queries)))
    prints = {path: photo_print(path) for path in progress(paths, f"Looking for duplicates in {name}")}
    same_bytes = _same_bytes(database, queries, name, prints)
    asked = [row for row in queries if row.path not in same_bytes]
    met = {(row.identity, when): row.path for row in reversed(database) if (when := _met(row))}
    same_encounter = {row.path: met[row.identity, _met(row)] for row in asked if (row.identity, _met(row)) in met}
    return Leakage(same_bytes, _near_duplicates(database, asked, prints), same_encounter)


def _met(row: Enrolment) -> str:
    """The encounter; where none is told, the day; '' where that is not told either."""
    return row.encounter or day_of(row.taken_at) or ""


def _same_bytes(
    database: Sequence[Enrolment], queries: Sequence[Enrolment], name: str, prints: Mapping[Path, PhotoPrint]
) -> dict[Path, Path]:
    enrolled = {prints[row.path].sha256: row for row in reversed(database)}
    found = {}
    for row in queries:
        twin = enrolled.get(prints[row.path].sha256)
        if twin is not None and twin.identity != row.identity:
            raise UsageError(
                f"{name}: {row.path} is labelled {row.identity}, but the same photo {twin.path} is {twin.identity}.",
                "Correct one of the two; delete both where the photo shows several individuals.",
            )
        if twin is not None:
            found[row.path] = twin.path
    return found


def _near_duplicates(
    database: Sequence[Enrolment], queries: Sequence[Enrolment], prints: Mapping[Path, PhotoPrint]
) -> dict[Path, Path]:
    """Of any individual: a near-duplicate under another name is one all the more."""
    kept, asked = (
        [(row.path, bits) for row in rows if (bits := prints[row.path].bits) is not None] for rows in (database, queries)
    )
    if not kept or not asked:
        return {}
    nearest = nearest_prints(np.stack([bits for _, bits in asked]), np.stack([bits for _, bits in kept]))
    return {path: kept[place][0] for (path, _), place in zip(asked, nearest, strict=True) if place >= 0}
