"""The photos that a viewpoint head is trained on: the vectors of labelled photos, and of the same photos mirrored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reid_edge.describe.description import Describer
from reid_edge.describe.orientation import Chip
from reid_edge.errors import PhotoError, UsageError
from reid_edge.gallery.enrolment_list import Enrolment, read_source
from reid_edge.photo import read_photo

DescribeHalves = Callable[[Path, Sequence[bool]], list[NDArray[np.float32]]]
Progress = Callable[[Sequence[Enrolment]], Iterable[Enrolment]]
FEWEST_INDIVIDUALS = 4
FEWEST_PHOTOS = 4


@dataclass(frozen=True)
class ViewpointPhotos:
    """N photos, some of them mirrored, and from which of C viewpoints each shows its animal.

    Attributes:
        vectors: float32 [N, D] of length 1, see `reid_edge.describe.description.Describer.halves`.
        viewpoints: C names in lower case, sorted.
        viewpoint: int64 [N], place in `viewpoints`.
        individual: int64 [N], the same number for photos of the same individual.
        mirrored: bool [N].
        unreadable: photos that could not be read and were left out.
    """

    vectors: NDArray[np.float32]
    viewpoints: tuple[str, ...]
    viewpoint: NDArray[np.int64]
    individual: NDArray[np.int64]
    mirrored: NDArray[np.bool_]
    unreadable: tuple[Path, ...] = ()

    def __len__(self) -> int:
        return len(self.vectors)

    def part(self, chosen: NDArray[np.bool_]) -> ViewpointPhotos:
        """The chosen photos, bool [N], of the same C viewpoints."""
        columns = {name: getattr(self, name)[chosen] for name in ("vectors", "viewpoint", "individual", "mirrored")}
        return replace(self, **columns)


def read_labels(
    sources: Sequence[Path], fold: str | None, species: Sequence[str], per_viewpoint: int | None = None
) -> list[Enrolment]:
    """The labelled photos that state a viewpoint, in the order of their sources.

    Args:
        sources: CSV tables with the columns identity, path and orientation, or folders that hold metadata.csv.
        fold: rows of this fold only; None for all.
        species: of these only, in lower case; all where empty.
        per_viewpoint: at most so many photos of each viewpoint, dealt out over the individuals; None for all.

    Raises:
        UsageError: a source cannot be read, states no viewpoint, states a single one, or has too few photos or individuals.
        StorageError: a source may not be read.
    """
    rows = [row for source in sources for row in read_source(source, fold=fold)]
    rows = [row for row in rows if not species or row.species.casefold() in species]
    stated = [row for row in rows if row.viewpoint]
    counts = Counter(row.viewpoint for row in stated)
    listed = ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
    where = f"The labels{f' of the fold {fold}' if fold else ''}"
    if not stated:
        raise UsageError(
            f"{where} state no viewpoint: none of their {len(rows)} photos has one.",
            "Fill in the column orientation, for example with left and right.",
        )
    if len(counts) < 2:
        raise UsageError(
            f"{where} state one viewpoint only: {listed}.",
            "Label photos of a second viewpoint; the difference is what is learned.",
        )
    if min(counts.values()) < FEWEST_PHOTOS:
        raise UsageError(f"{where} have too few photos of a viewpoint: {listed}.", f"Label {FEWEST_PHOTOS} or more of each.")
    if len({row.identity for row in stated}) < FEWEST_INDIVIDUALS:
        raise UsageError(
            f"{where} show {len({row.identity for row in stated})} individuals with a viewpoint.",
            f"Label photos of {FEWEST_INDIVIDUALS} individuals or more: the head is tested on individuals that it has not seen.",
        )
    return stated if per_viewpoint is None else _subset(stated, per_viewpoint)


def describe_photos(
    rows: Sequence[Enrolment], viewpoints: Sequence[str], describe: DescribeHalves, progress: Progress, mirror: bool = True
) -> ViewpointPhotos:
    """The vectors of each photo, as it is and mirrored.

    A photo that is mirrored shows the other side: `left` becomes `right` wherever it stands in a name; `front` and `back` stay. A mirrored
    photo whose viewpoint is not among `viewpoints` is left out.

    Args:
        rows: photos that state one of the viewpoints.
        viewpoints: names in lower case.
        describe: see `halves_of_photo`.
        progress: wraps the rows.
        mirror: False leaves mirrored photos out.

    Raises:
        UsageError: no photo can be read.
        EngineError: a network failed.
    """
    names, individuals = tuple(sorted(viewpoints)), sorted({row.identity for row in rows})
    found: list[tuple[NDArray[np.float32], int, int, bool]] = []
    unreadable = []
    for row in progress(rows):
        sides = [(row.viewpoint, False)] + ([(mirrored_viewpoint(row.viewpoint), True)] if mirror else [])
        wanted = [(name, mirrored) for name, mirrored in sides if name in names]
        try:
            vectors = describe(row.path, [mirrored for _, mirrored in wanted])
        except PhotoError:
            unreadable.append(row.path)
            continue
        for vector, (name, mirrored) in zip(vectors, wanted, strict=True):
            found.append((vector, names.index(name), individuals.index(row.identity), mirrored))
    if not found:
        raise UsageError(f"None of the {len(rows)} labelled photos can be read.", "Check the paths in the table.")
    columns = [np.array(column) for column in zip(*found, strict=True)]
    return ViewpointPhotos(columns[0], names, *columns[1:], tuple(unreadable))


def halves_of_photo(describer: Describer, embedding: str) -> DescribeHalves:
    """A function from a photo's path, and whether to mirror it, to the vectors of its largest animal, one for each of the answers."""

    def describe(path: Path, mirrored: Sequence[bool]) -> list[NDArray[np.float32]]:
        chip = Chip.of(describer.animals(read_photo(path))[0])
        flipped = replace(chip, rgb=np.ascontiguousarray(chip.rgb[:, ::-1]), mask=np.ascontiguousarray(chip.mask[:, ::-1]))
        return [describer.halves(flipped if flip else chip, embedding) for flip in mirrored]

    return describe


def mirrored_viewpoint(name: str) -> str:
    """The viewpoint of a mirrored photo: `left` and `right` change places, alone or in a longer name such as `front-left`."""
    return name.replace("left", "\0").replace("right", "left").replace("\0", "right")


def _subset(rows: Sequence[Enrolment], most: int) -> list[Enrolment]:
    """At most so many photos of each viewpoint: one of each individual, then a second one of each, and so on."""
    turn: Counter[tuple[str, str]] = Counter()
    ranked = []
    for place, row in enumerate(rows):
        ranked.append((turn[row.viewpoint, row.identity], place))
        turn[row.viewpoint, row.identity] += 1
    taken: Counter[str] = Counter()
    kept = []
    for _, place in sorted(ranked):
        if taken[rows[place].viewpoint] < most:
            taken[rows[place].viewpoint] += 1
            kept.append(place)
    return [rows[place] for place in sorted(kept)]
