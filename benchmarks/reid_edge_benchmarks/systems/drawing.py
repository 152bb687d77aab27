"""A part of a labelled set, drawn by a seed: few photos of each of several individuals, for systems that take seconds for a pair."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, zip_longest
from pathlib import Path

import numpy as np

from reid_edge.gallery.enrolment_list import METADATA, Enrolment
from reid_edge_calibration.labels.labelled_set import LabelledSet

UNKNOWN_SHARE = 0.25
"""The part of the drawn queries that show unknown individuals, where there are so many."""
_LISTED = ("set", "image_id", "split", "fold")
_COLUMNS = ("image_id", "identity", "path", "date", "orientation", "species", "split", "encounter", "fold")

Rows = Mapping[str, Sequence[Enrolment]]


@dataclass(frozen=True)
class Part:
    """How much of a fold is drawn, at most.

    Attributes:
        queries: query photos, a quarter of them of unknown individuals.
        individuals: known individuals.
        database: database photos of each known individual, of different viewpoints first.
    """

    queries: int
    individuals: int
    database: int


def draw(labelled: LabelledSet, part: Part, seed: int) -> LabelledSet:
    """A part of one fold. Individuals take turns, so that each has as many queries as any other, as far as it has photos.

    Args:
        labelled: the fold.
        part: how much of it.
        seed: of the order of individuals and photos.
    """
    rng = np.random.default_rng(seed)
    database, queries = (_shuffled(rows, rng) for rows in (labelled.database, labelled.queries))
    known = [name for name in queries if name in database][: part.individuals]
    unknown = [name for name in queries if name not in database]
    strangers = _in_turns([queries[name] for name in unknown])[: round(UNKNOWN_SHARE * part.queries)]
    asked = _in_turns([queries[name] for name in known])[: part.queries - len(strangers)]
    kept = [row for name in known for row in _views_in_turns(database[name])[: part.database]]
    return replace(labelled, database=tuple(kept), queries=(*asked, *strangers))


def write_part(folds: Iterable[LabelledSet], folder: Path, listing: Path | None) -> Path:
    """Write the drawn folds of one set as ``NAME/metadata.csv``, with absolute paths of the photos.

    Args:
        folds: drawn from the same set.
        folder: that gets the folder NAME.
        listing: a CSV table of set, image_id, split and fold, in which the rows of this set are replaced; None for none.

    Returns:
        The table.

    Raises:
        OSError: a file cannot be written.
    """
    folds = list(folds)
    name = folds[0].name
    rows = [_row(row, split, fold.fold) for fold in folds for split, row in _by_split(fold)]
    table = folder / name / METADATA
    table.parent.mkdir(parents=True, exist_ok=True)
    _write(table, _COLUMNS, rows)
    if listing:
        _write(listing, _LISTED, [*_others(listing, name), *({**row, "set": name} for row in rows)])
    return table


def _shuffled(rows: Sequence[Enrolment], rng: np.random.Generator) -> Rows:
    """By individual its photos, both in an order of the generator."""
    photos: dict[str, list[Enrolment]] = {}
    for row in rows:
        photos.setdefault(row.identity, []).append(row)
    names = sorted(photos)
    return {
        names[place]: [photos[names[place]][each] for each in rng.permutation(len(photos[names[place]]))]
        for place in rng.permutation(len(names))
    }


def _in_turns(groups: Sequence[Sequence[Enrolment]]) -> list[Enrolment]:
    """The first of each group, then the second of each, and so on."""
    return [row for row in chain.from_iterable(zip_longest(*groups)) if row is not None]


def _views_in_turns(photos: Sequence[Enrolment]) -> list[Enrolment]:
    views: dict[str, list[Enrolment]] = {}
    for row in photos:
        views.setdefault(row.viewpoint, []).append(row)
    return _in_turns(list(views.values()))


def _by_split(labelled: LabelledSet) -> Iterable[tuple[str, Enrolment]]:
    yield from (("database", row) for row in labelled.database)
    yield from (("query", row) for row in labelled.queries)


def _row(row: Enrolment, split: str, fold: str) -> dict[str, str]:
    return {
        "image_id": row.path.stem,
        "identity": row.identity,
        "path": str(row.path.resolve()),
        "date": row.taken_at,
        "orientation": row.viewpoint,
        "species": row.species,
        "split": split,
        "encounter": row.encounter,
        "fold": fold,
    }


def _others(listing: Path, name: str) -> list[dict[str, str]]:
    """The rows of other sets that the list has already."""
    if not listing.exists():
        return []
    with listing.open(newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if row["set"] != name]


def _write(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
