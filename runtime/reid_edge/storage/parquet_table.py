"""Parquet files as tables of text, which is what tables that people wrote are."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

from reid_edge.errors import UsageError
from reid_edge.installation import install_command
from reid_edge.storage.table import Table


def read_parquet_table(path: Path) -> Table:
    """Read a Parquet file; the first row is number 1.

    Raises:
        UsageError: it is no Parquet file, or pyarrow is not installed.
        OSError: it cannot be read.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ModuleNotFoundError:
        raise UsageError(
            f"{path} needs the package pyarrow, which is not installed.", f"{install_command('ray')}; or save it as CSV."
        ) from None
    with path.open("rb") as file:
        try:
            table = pq.read_table(file)
        except pa.ArrowInvalid as error:
            raise UsageError(f"{path} cannot be read as Parquet: {error}.", "Write it anew, or save it as CSV.") from None
    columns = tuple(name.strip() for name in table.column_names)
    rows = ({name.strip(): _text(value) for name, value in row.items()} for row in table.to_pylist())
    return Table(columns, 0, tuple((number, row) for number, row in enumerate(rows, 1) if any(row.values())))


def _text(value: Any) -> str:
    """A cell, as it would stand in a CSV file."""
    if value is None or value != value:
        return ""
    if isinstance(value, date):  # a datetime is one
        return value.isoformat()
    return json.dumps(value) if isinstance(value, list) else str(value).strip()
