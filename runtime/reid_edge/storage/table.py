"""Tables that people wrote: CSV as spreadsheet programs save it, with any separator and encoding of theirs, or Parquet."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from reid_edge.errors import UsageError

SEPARATORS = ",;\t|"
TABLE_SUFFIXES = (".csv", ".parquet")
# Segmentations are written into cells, and are longer than the 131,072 characters that csv allows by itself.
_LONGEST_CELL = 1 << 28
_HINT = "Save it as CSV in UTF-8."


@dataclass(frozen=True)
class Table:
    """A table with a header.

    Attributes:
        columns: their names, in order, without blanks around them; a column without a name (an index) is ''.
        header_line: the header's line in the file.
        rows: the line in the file that each row begins in, and its cells by column, without blanks around them.
    """

    columns: tuple[str, ...]
    header_line: int
    rows: tuple[tuple[int, Mapping[str, str]], ...]


def read_table(path: Path) -> Table:
    """Read a CSV file; separators are commas, semicolons, tabs or bars; rows without any text are left out. Or a Parquet file, by its name.

    The encoding is UTF-8 or UTF-16 with or without a byte order mark. A first line `sep=;`, which Excel writes, is understood.

    Raises:
        UsageError: it is not text, not CSV, or a row has another number of cells than the header; its line is named. It is no Parquet
            file, or pyarrow is not installed.
        OSError: it cannot be read.
    """
    if path.suffix.lower() == ".parquet":
        from reid_edge.storage.parquet_table import read_parquet_table

        return read_parquet_table(path)
    lines, separator = _text(path).splitlines(keepends=True), ""
    skipped = 0
    if lines and lines[0].lower().startswith("sep=") and len(lines[0].strip()) == 5:
        separator, skipped = lines[0][4], 1
    text = "".join(lines[skipped:])
    longest = csv.field_size_limit(_LONGEST_CELL)
    try:
        return _parsed(path, text, separator or _separator(text), skipped)
    except csv.Error as error:
        raise UsageError(f"{path} cannot be read as CSV: {error}.", _HINT) from error
    finally:
        csv.field_size_limit(longest)


def _parsed(path: Path, text: str, separator: str, skipped: int) -> Table:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    columns: tuple[str, ...] | None = None
    header_line, line, rows = 1, 1 + skipped, []
    for cells in reader:
        begins, line = line, reader.line_num + 1 + skipped
        cells = [cell.strip() for cell in cells]
        if not any(cells):
            continue
        if columns is None:
            while cells and not cells[-1]:
                cells.pop()  # Excel's empty columns at the right
            columns, header_line = tuple(cells), begins
            named = [name for name in columns if name]
            if len(set(named)) < len(named):
                twice = next(name for name in named if named.count(name) > 1)
                raise UsageError(f"{path} has the column {twice!r} twice.", "Rename or delete one of them.")
            continue
        if any(cells[len(columns) :]) or len(cells) < len(columns):
            raise UsageError(
                f"Row {begins} of {path} has {len(cells)} cells, another number of cells than its header, which has {len(columns)}.",
                f"Quote cells that hold {separator!r}.",
            )
        rows.append((begins, dict(zip(columns, cells, strict=False))))
    return Table(columns or (), header_line, tuple(rows))


def _text(path: Path) -> str:
    data = path.read_bytes()
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    elif b"\0" in data[:2]:  # a letter in UTF-16
        encoding = "utf-16-be" if data[:1] == b"\0" else "utf-16-le"
    else:
        encoding = "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text.", _HINT) from error


def _separator(text: str) -> str:
    """The separator that divides the header into the most cells; a comma where none does."""
    header = next((line for line in text.splitlines() if line.strip(' ,;\t|"')), "")
    unquoted = "".join(header.split('"')[::2])
    return max(SEPARATORS, key=lambda separator: (unquoted.count(separator), separator == ","))
