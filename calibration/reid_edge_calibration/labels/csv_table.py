"""Labels of a CSV table: the columns of AnimalCLEF, which are those of a wildlife-datasets DataFrame."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from reid_edge.errors import ReidEdgeError, UsageError
from reid_edge.gallery.enrolment_list import Enrolment
from reid_edge.gallery.names import is_placeholder
from reid_edge.gallery.records import identity_name
from reid_edge.photo.spelling import find_file
from reid_edge.storage.table import read_table
from reid_edge_calibration.labels.labelled_photo import LabelledPhoto, first_few

# pandas writes a missing value as an empty cell, except by option or in text columns.
MISSING = frozenset({"", "nan", "none", "null", "na", "n/a", "<na>", "nat"})

UNNAMED = "unknown"
"""The identity that wildlife-datasets writes for an unnamed animal."""

_NUMBER = re.compile(r"(?<![\w.])-?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?", re.IGNORECASE)


def read_csv_table(table: Path, fold: str | None = None) -> list[LabelledPhoto]:
    """Every row of a CSV file, in its order; photos are not opened.

    Columns: ``identity`` and ``path`` (relative to the file), and where they are there ``species``, ``orientation``, ``date``,
    ``encounter``, ``place``, ``split``, ``fold`` and ``bbox`` (x, y, width, height; with it a row is of one animal of the photo). All
    others are ignored, as is an index without a name.

    Args:
        table: the file, see `reid_edge.storage.table`.
        fold: rows of this fold only; None for all.

    Raises:
        UsageError: it cannot be read as CSV, lacks a column, or a row is wrong, which is named (the header is row 1, as in an editor).
    """
    photos, unlabelled = [], []
    for number, row in _rows(table, fold):
        if row["identity"].lower() in MISSING:
            unlabelled.append(str(number))
        else:
            photos.append(_photo(table, number, row))
    if unlabelled:
        raise UsageError(
            f"{len(unlabelled)} rows of {table} have no identity: row {first_few(unlabelled)}."
            if len(unlabelled) > 1
            else f"Row {unlabelled[0]} of {table} has no identity.",
            f"Fill it in, delete the row, or write {UNNAMED} there, and the row is left out.",
        )
    if fold and not photos:
        raise UsageError(f"{table} has no row with fold {fold!r}.", "Look at its column fold.")
    return photos


def _rows(table: Path, fold: str | None) -> Iterator[tuple[int, Mapping[str, str]]]:
    content = read_table(table)
    for column in ("identity", "path", *(("fold",) if fold else ())):
        if column not in content.columns:
            raise UsageError(
                f"{table} has no column {column!r} in row {content.header_line}; it has {', '.join(content.columns) or 'none'}.",
                "Leave --fold out."
                if column == "fold"
                else "Name the columns as AnimalCLEF does: identity, path, and optionally orientation, date, species, split.",
            )
    for number, row in content.rows:
        if not fold or row["fold"] == fold:
            yield number, row


def _photo(table: Path, number: int, row: Mapping[str, str]) -> LabelledPhoto:
    def text(column: str) -> str:
        value = row.get(column, "")
        return "" if value.lower() in MISSING else value

    if not text("path") or "\0" in row["path"]:
        raise UsageError(f"Row {number} of {table} has no path.", "Fill it in, or delete the row.")
    try:
        identity = "" if is_placeholder(row["identity"]) else identity_name(row["identity"])
    except ReidEdgeError as error:
        raise UsageError(f"Row {number} of {table}: {error.message}", error.hint) from None
    viewpoint = text("orientation").lower()
    enrolment = Enrolment(
        path=find_file(table.parent, row["path"]),
        identity=identity,
        species=text("species"),
        viewpoint="" if is_placeholder(viewpoint) else viewpoint,
        taken_at=text("date"),
        encounter=text("encounter"),
        place=text("place"),
    )
    area = _area(table, number, text("bbox"))
    return LabelledPhoto(enrolment, f"row {number}", text("split"), row.get("fold", ""), area is not None, area)


def _area(table: Path, number: int, box: str) -> float | None:
    """Of a cell as Python, numpy or JSON write a list of four numbers; None where it is empty or holds no number."""
    if not box or "nan" in box.lower():
        return None
    numbers = [float(each) for each in _NUMBER.findall(box)]
    if len(numbers) != 4 or min(numbers[2:]) < 0:
        raise UsageError(
            f"Row {number} of {table} has the bbox {box[:60]!r}.",
            "Write x, y, width and height in pixels, as [12, 30, 200, 150].",
        )
    return numbers[2] * numbers[3]
