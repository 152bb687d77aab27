"""Results in a folder of Parquet files. Each file appears whole or not at all, and none is written to again, so that a killed run loses
only what it had not written yet.
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from reid_edge.errors import StorageError, UsageError
from reid_edge.storage.durable import TEMPORARY, make_folder, replacing
from reid_edge.storage.errors import file_errors
from reid_edge.storage.locks import lock_file

_RECORD = "run.json"
_ROWS_OF_A_FILE, _SECONDS_OF_A_FILE = 2000, 30.0

Row = Mapping[str, Any]


class ResultFiles:
    """The rows of a run, those of earlier processes included; a context manager. One process writes into a folder at a time.

    Attributes:
        folder: that holds them.
    """

    def __init__(self, folder: Path, record: Mapping[str, Any], schema: pa.Schema) -> None:
        """Make the folder, or go on in it.

        Args:
            folder: whose parent exists.
            record: what the results depend on, as JSON; a folder holds the results of one such record.
            schema: of the rows.

        Raises:
            UsageError: the folder holds other results, or another process writes into it.
            StorageError: it cannot be written.
        """
        self.folder, self._schema = folder, schema
        self._rows: list[Row] = []
        with file_errors(folder):
            if folder.exists() and not (folder / _RECORD).exists() and any(folder.iterdir()):
                raise UsageError(f"{folder} holds other files.", "Give a new folder: --results FOLDER.")
            make_folder(folder)
            try:
                self._lock = lock_file(folder / ".lock", wait=False)
            except BlockingIOError:
                raise UsageError(f"Another process writes its results into {folder}.", "Wait until it is done.") from None
        try:
            with file_errors(folder):
                self._open(record)
        except BaseException:
            self._lock.close()
            raise
        self._next = 1 + max((int(path.stem.rpartition("-")[2]) for path in self._files()), default=0)
        self._written_at = time.monotonic()

    def __enter__(self) -> ResultFiles:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Write what is kept, and let other processes write; errors as `add`."""
        try:
            self.write()
        finally:
            self._lock.close()

    def rows(self, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
        """These columns of all rows that are written, in the order in which they were.

        Raises:
            StorageError: a file is damaged.
        """
        for path in self._files():
            yield from _read(path, columns).to_pylist()

    def add(self, rows: Sequence[Row]) -> None:
        """Keep rows, and write a file when there are many or some time has gone by.

        Raises:
            StorageError: the disk is full or read-only.
        """
        self._rows += rows
        if len(self._rows) >= _ROWS_OF_A_FILE or time.monotonic() - self._written_at > _SECONDS_OF_A_FILE:
            self.write()

    def write(self) -> None:
        """Write the rows that are kept; errors as `add`."""
        self._written_at = time.monotonic()
        if self._rows:
            self._write(self.folder / f"part-{self._next:06d}.parquet", pa.Table.from_pylist(self._rows, self._schema))
            self._next += 1
            self._rows = []

    def remove(self, column: str, values: Collection[str]) -> int:
        """Remove the rows with one of these values in the column, so that they are made again; returns how many there were."""
        removed = 0
        for path in self._files():
            table = _read(path)
            wanted = pa.array(list(values), table.schema.field(column).type)
            kept = table.filter(pc.invert(pc.is_in(table[column], wanted)))
            if len(kept) < len(table):
                removed += len(table) - len(kept)
                self._write(path, kept)
        return removed

    def _open(self, record: Mapping[str, Any]) -> None:
        for leftover in self.folder.glob(f"*{TEMPORARY}"):
            leftover.unlink()
        path, text = self.folder / _RECORD, json.dumps(record, indent=2, sort_keys=True)
        if not path.exists():
            with replacing(path) as file:
                file.write(text.encode())
            return
        stored = json.loads(path.read_text(encoding="utf-8"))
        changed = sorted(key for key in {*stored, *record} if stored.get(key) != json.loads(text).get(key))
        if changed:
            raise UsageError(
                f"{self.folder} holds the results of another run: its {' and '.join(changed)} differ{'s' * (len(changed) == 1)}.",
                "Give another folder: --results FOLDER.",
            )

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob("part-*.parquet"))

    def _write(self, path: Path, table: pa.Table) -> None:
        with file_errors(path), replacing(path) as file:
            pq.write_table(table, file, compression="zstd")


def _read(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    with file_errors(path):
        try:
            return pq.read_table(path, columns=None if columns is None else list(columns))
        except pa.ArrowInvalid as error:
            raise StorageError(f"{path} is damaged: {error}.", "Delete it: what it held is made again.") from None
