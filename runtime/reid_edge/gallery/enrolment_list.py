"""Photos to enrol: a folder per individual, a metadata.csv with the columns of AnimalCLEF, or photos of one individual."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from reid_edge.errors import ReidEdgeError, StorageError, UsageError
from reid_edge.gallery.records import identity_name
from reid_edge.photo import PHOTO_EXTENSIONS
from reid_edge.photo.spelling import find_file
from reid_edge.storage.table import read_table

PHOTO_SUFFIXES = tuple(sorted(PHOTO_EXTENSIONS))
METADATA = "metadata.csv"


@dataclass(frozen=True)
class Enrolment:
    """One photo to enrol, and what is known about it; fields as in records.Observation."""

    path: Path
    identity: str
    species: str = ""
    viewpoint: str = ""
    taken_at: str = ""
    encounter: str = ""
    place: str = ""
    latitude: float | None = None
    longitude: float | None = None


def read_source(
    path: Path,
    identity: str | None = None,
    species: str = "",
    viewpoint: str = "",
    split: str | None = None,
    fold: str | None = None,
) -> list[Enrolment]:
    """Every photo that `path` asks to enrol, in a fixed order. The photos themselves are not opened.

    Args:
        path: a folder with a sub-folder per individual; a CSV file or a folder that holds metadata.csv; or, with `identity`, a
            photo or a folder of photos.
        identity: of the individual that all photos show.
        species, viewpoint: of the photos of which the table or folder has none.
        split, fold: only the rows of a CSV file with this value in that column.

    Raises:
        UsageError: nothing to enrol, or a CSV file with an error, whose row is named.
        StorageError: a folder or file that may not be read.
    """
    path = Path(path)
    try:
        table = _table_of(path)
        if table is None and (split or fold):
            raise UsageError(
                f"{path} has no table, so no split or fold can be chosen.", f"Give a folder with {METADATA}, or leave it out."
            )
        if table is not None:
            if identity is not None:
                raise UsageError(f"{table} has a column identity, so --identity cannot be used.", "Leave --identity out.")
            enrolments = list(_rows(table, species, viewpoint, split, fold))
        else:
            enrolments = [
                Enrolment(photo, identity_name(name), species, viewpoint) for photo, name in _photos_with_names(path, identity)
            ]
    except OSError as error:
        raise StorageError(
            f"{error.filename or path} cannot be read: {error.strerror or error}.", "Check the permissions."
        ) from error
    if not enrolments and table is not None:
        chosen = " and ".join(f"{column} {value!r}" for column, value in (("split", split), ("fold", fold)) if value)
        raise UsageError(f"{table} has no row{f' with {chosen}' if chosen else ''}.", "Look at its columns split and fold.")
    if not enrolments:
        raise UsageError(f"{path} holds no photo to enrol.", f"A photo's name ends in {', '.join(PHOTO_SUFFIXES)}.")
    return enrolments


def _table_of(path: Path) -> Path | None:
    if not path.exists():
        raise UsageError(f"There is nothing at {path}.", "Check the path.")
    if path.is_dir():
        return path / METADATA if (path / METADATA).is_file() else None
    return path if path.suffix.lower() == ".csv" else None


def _photos_with_names(path: Path, identity: str | None) -> Iterator[tuple[Path, str]]:
    if path.is_dir():
        for photo in _photos_below(path):
            inside = photo.relative_to(path).parts
            if identity is None and len(inside) == 1:
                raise UsageError(
                    f"{photo} lies in no individual's folder.",
                    "Put it into a folder named after the individual, or give --identity.",
                )
            yield photo, inside[0] if identity is None else identity
    elif path.suffix.lower() not in PHOTO_SUFFIXES:
        raise UsageError(f"{path} is neither a photo nor a table.", f"A photo's name ends in {', '.join(PHOTO_SUFFIXES)}.")
    elif identity is None:
        raise UsageError(f"{path} is a single photo, so its individual must be named.", "Give --identity NAME.")
    else:
        yield path, identity


def _photos_below(folder: Path) -> Iterator[Path]:
    def fail(error: OSError) -> None:
        raise error

    for place, folders, files in os.walk(folder, onerror=fail):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            # Names with a dot first are left by other systems (._IMG_1.jpg) and are no photos.
            if name.lower().endswith(PHOTO_SUFFIXES) and not name.startswith("."):
                yield Path(place, name)


def _rows(table: Path, species: str, viewpoint: str, split: str | None, fold: str | None) -> Iterator[Enrolment]:
    seen: dict[Path, int] = {}
    content = read_table(table)
    wanted = {"split": split, "fold": fold}
    for column in ("identity", "path", *(column for column, value in wanted.items() if value)):
        if column not in content.columns:
            raise UsageError(
                f"{table} has no column {column!r} in row {content.header_line}; it has {', '.join(content.columns) or 'none'}.",
                "Name the columns as AnimalCLEF does: identity, path, and optionally orientation, date, species, split.",
            )
    for number, row in content.rows:
        if any(value and row[column] != value for column, value in wanted.items()):
            continue
        enrolment = _enrolment(table, number, row, species, viewpoint)
        if enrolment.path in seen:
            raise UsageError(
                f"Row {number} of {table} names the same photo as row {seen[enrolment.path]}: {row['path']}.",
                "Keep one of them.",
            )
        seen[enrolment.path] = number
        yield enrolment


def _enrolment(table: Path, number: int, row: Mapping[str, str], species: str, viewpoint: str) -> Enrolment:
    if not row["path"] or "\0" in row["path"]:
        raise UsageError(f"Row {number} of {table} has no path.", "Fill it in, or delete the row.")
    if not row["identity"]:
        raise UsageError(
            f"Row {number} of {table} has no identity.", "Fill it in, or choose the rows with an identity with --split database."
        )
    try:
        identity = identity_name(row["identity"])
    except ReidEdgeError as error:
        raise UsageError(f"Row {number} of {table}: {error.message}", error.hint) from None
    orientation = row.get("orientation", "")
    return Enrolment(
        path=find_file(table.parent, row["path"]),
        identity=identity,
        species=row.get("species") or species,
        viewpoint="" if orientation.lower() == "unknown" else orientation.lower() or viewpoint,
        taken_at=row.get("date", ""),
        encounter=row.get("encounter", ""),
        place=row.get("place", ""),
        latitude=_degrees(table, number, row, "latitude", 90),
        longitude=_degrees(table, number, row, "longitude", 180),
    )


def _degrees(table: Path, number: int, row: Mapping[str, str], column: str, most: float) -> float | None:
    text = row.get(column, "")
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not abs(value) <= most:
        raise UsageError(
            f"Row {number} of {table} has the {column} {text!r}.", f"Give degrees from -{most:g} to {most:g}, as 51.5."
        )
    return value
