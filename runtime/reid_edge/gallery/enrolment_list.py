"""Photos to enrol: a folder per individual, a metadata.csv with the columns of AnimalCLEF, or photos of one individual."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from reid_edge.errors import ReidEdgeError, StorageError, UsageError
from reid_edge.gallery.given_box import BoxColumns, GivenBox, plain_column
from reid_edge.gallery.names import is_placeholder, new_identity_name
from reid_edge.gallery.records import identity_name
from reid_edge.photo import PHOTO_EXTENSIONS
from reid_edge.photo.spelling import find_file
from reid_edge.photo.video import VIDEO_EXTENSIONS
from reid_edge.storage.table import TABLE_SUFFIXES, read_table

PHOTO_SUFFIXES = tuple(sorted(PHOTO_EXTENSIONS))
METADATA = "metadata.csv"
_COLUMNS = frozenset(
    (
        *("identity", "path", "species", "orientation", "viewpoint", "date", "encounter", "place", "latitude", "longitude"),
        *("animal", "split", "fold", "image_id", "dataset", ""),
    )
)


@dataclass(frozen=True)
class Enrolment:
    """One animal of one photo to enrol, and what is known about it; fields as in records.Observation.

    Attributes:
        box: around the animal; None where its source gives none.
        animal: number of the animal in the photo, from 1, largest first; None for the largest. Not used where there is a box.
    """

    path: Path
    identity: str
    species: str = ""
    viewpoint: str = ""
    taken_at: str = ""
    encounter: str = ""
    place: str = ""
    latitude: float | None = None
    longitude: float | None = None
    box: GivenBox | None = None
    animal: int | None = None


@dataclass(frozen=True)
class EnrolmentList:
    """What a source asks to enrol.

    Attributes:
        enrolments: in a fixed order.
        unidentified: what the source writes where it knows no individual (`unknown`, ``NA``), with the number of photos left out for it.
        unused_columns: of a table, those that nothing is read from.
    """

    enrolments: tuple[Enrolment, ...]
    unidentified: Mapping[str, int]
    unused_columns: tuple[str, ...] = ()


def read_source(
    path: Path,
    identity: str | None = None,
    species: str = "",
    viewpoint: str = "",
    split: str | None = None,
    fold: str | None = None,
) -> list[Enrolment]:
    """The enrolments of `read_enrolments`, which has the same arguments and errors."""
    return list(read_enrolments(path, identity, species, viewpoint, split, fold).enrolments)


def read_enrolments(
    path: Path,
    identity: str | None = None,
    species: str = "",
    viewpoint: str = "",
    split: str | None = None,
    fold: str | None = None,
) -> EnrolmentList:
    """Every photo that `path` asks to enrol. The photos themselves are not opened; those of nobody known are counted and left out.

    Args:
        path: a folder with a sub-folder per individual; a CSV or Parquet file or a folder that holds metadata.csv; or, with `identity`, a
            photo or a folder of photos.
        identity: of the individual that all photos show.
        species, viewpoint: of the photos of which the table or folder has none.
        split, fold: only the rows of a table with this value in that column.

    Raises:
        UsageError: nothing to enrol, `identity` names nobody, or a CSV file with an error, whose row is named.
        StorageError: a folder or file that may not be read.
    """
    path = Path(path)
    unidentified: Counter[str] = Counter()
    unused: list[str] = []
    try:
        table = _table_of(path)
        if table is None and (split or fold):
            raise UsageError(
                f"{path} has no table, so no split or fold can be chosen.", f"Give a folder with {METADATA}, or leave it out."
            )
        if table is not None:
            if identity is not None:
                raise UsageError(f"{table} has a column identity, so --identity cannot be used.", "Leave --identity out.")
            found = _rows(table, unused, species, viewpoint, split, fold)
        else:
            named = _photos_with_names(path, None if identity is None else new_identity_name(identity))
            found = (Enrolment(photo, identity_name(name), species, viewpoint) for photo, name in named)
        enrolments = []
        for enrolment in found:
            if is_placeholder(enrolment.identity):
                unidentified[enrolment.identity] += 1
            else:
                enrolments.append(enrolment)
    except OSError as error:
        raise StorageError(
            f"{error.filename or path} cannot be read: {error.strerror or error}.", "Check the permissions."
        ) from error
    if not enrolments and unidentified:
        raise UsageError(
            f"{table or path} names no individual, only {', '.join(name or 'empty cells' for name in unidentified)}.",
            "Write the name of the individual there, or find out who is who: reid-edge identify.",
        )
    if not enrolments and table is not None:
        chosen = " and ".join(f"{column} {value!r}" for column, value in (("split", split), ("fold", fold)) if value)
        raise UsageError(f"{table} has no row{f' with {chosen}' if chosen else ''}.", "Look at its columns split and fold.")
    if not enrolments:
        raise UsageError(f"{path} holds no photo to enrol.", f"A photo's name ends in {', '.join(PHOTO_SUFFIXES)}.")
    return EnrolmentList(tuple(enrolments), unidentified, tuple(unused))


def _table_of(path: Path) -> Path | None:
    if not path.exists():
        raise UsageError(f"There is nothing at {path}.", "Check the path.")
    if path.is_dir():
        return path / METADATA if (path / METADATA).is_file() else None
    return path if path.suffix.lower() in TABLE_SUFFIXES else None


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
    elif path.suffix.lower() in VIDEO_EXTENSIONS:
        raise UsageError(
            f"{path} is a video, and photos are enrolled.",
            f"Follow its animals and enrol their best frames: reid-edge discover {path} --gallery GALLERY --apply 0.9",
        )
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


def _rows(
    table: Path, unused: list[str], species: str, viewpoint: str, split: str | None, fold: str | None
) -> Iterator[Enrolment]:
    """Every row that is asked for, in its order; of one without a known individual the identity is a placeholder or ''."""
    seen: dict[Path, list[tuple[int, Enrolment]]] = {}
    content = read_table(table)
    wanted = {"split": split, "fold": fold}
    for column in ("identity", "path", *(column for column, value in wanted.items() if value)):
        if column not in content.columns:
            raise UsageError(
                f"{table} has no column {column!r} in row {content.header_line}; it has {', '.join(content.columns) or 'none'}.",
                "Name the columns as AnimalCLEF does: identity, path, and optionally orientation, date, species, split.",
            )
    boxes = BoxColumns.of({plain_column(column): column for column in content.columns})
    used = {*_COLUMNS, *(boxes.names if boxes else ())}
    unused += [column for column in content.columns if column and column not in used]
    for number, row in content.rows:
        if any(value and row[column] != value for column, value in wanted.items()):
            continue
        enrolment = _enrolment(table, number, row, species, viewpoint)
        box = boxes.read(row, f"Row {number} of {table}") if boxes else None
        enrolment = replace(enrolment, box=box, animal=_animal(table, number, row))
        if not is_placeholder(enrolment.identity):
            _check_other_animal(table, number, enrolment, seen)
        yield enrolment


def _enrolment(table: Path, number: int, row: Mapping[str, str], species: str, viewpoint: str) -> Enrolment:
    if not row["path"] or "\0" in row["path"]:
        raise UsageError(f"Row {number} of {table} has no path.", "Fill it in, or delete the row.")
    try:
        identity = identity_name(row["identity"]) if row["identity"] else ""
    except ReidEdgeError as error:
        raise UsageError(f"Row {number} of {table}: {error.message}", error.hint) from None
    orientation = row.get("orientation") or row.get("viewpoint") or ""
    return Enrolment(
        path=find_file(table.parent, row["path"]),
        identity=identity,
        species=_text(row, "species") or species,
        viewpoint="" if orientation and is_placeholder(orientation) else orientation.lower() or viewpoint,
        taken_at=_text(row, "date"),
        encounter=_text(row, "encounter"),
        place=_text(row, "place"),
        latitude=_degrees(table, number, row, "latitude", 90),
        longitude=_degrees(table, number, row, "longitude", 180),
    )


def _check_other_animal(table: Path, number: int, enrolment: Enrolment, seen: dict[Path, list[tuple[int, Enrolment]]]) -> None:
    """Two rows of one photo have to say which of its animals each is of."""
    which = (enrolment.box, enrolment.animal)
    for earlier_number, earlier in seen.setdefault(enrolment.path, []):
        if which in ((None, None), (earlier.box, earlier.animal)) or (earlier.box, earlier.animal) == (None, None):
            raise UsageError(
                f"Row {number} of {table} names the same photo as row {earlier_number}: {enrolment.path.name}.",
                "Keep one of them; where the photo shows several animals, give each row its box (bbox) or its number (animal).",
            )
    seen[enrolment.path].append((number, enrolment))


def _text(row: Mapping[str, str], column: str) -> str:
    """A cell; '' where it says that nothing is known."""
    text = row.get(column, "")
    return "" if is_placeholder(text) else text


def _animal(table: Path, number: int, row: Mapping[str, str]) -> int | None:
    text = _text(row, "animal")
    if not text:
        return None
    if not re.fullmatch(r"\d{1,3}(\.0)?", text) or not float(
        text
    ):  # pandas writes whole numbers with a point where some are missing
        raise UsageError(
            f"Row {number} of {table} has the animal {text!r}.", "Number the animals of a photo from 1, largest first."
        )
    return int(float(text))


def _degrees(table: Path, number: int, row: Mapping[str, str], column: str, most: float) -> float | None:
    text = _text(row, column)
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
