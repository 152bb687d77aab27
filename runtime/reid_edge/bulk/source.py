"""Which photos a run is about: those of folders, single files, and lists of paths in a CSV or Parquet file."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from reid_edge.errors import PhotoError, StorageError, UsageError
from reid_edge.photo import list_photos, list_videos
from reid_edge.photo.spelling import find_file
from reid_edge.storage.table import TABLE_SUFFIXES, read_table


def source_paths(sources: Iterable[Path], with_videos: bool = False) -> list[Path]:
    """The files that the sources name, each once, in their order.

    Args:
        sources: folders, which stand for the photos in them; tables with a column `path`, relative to the table; single photos.
        with_videos: also the videos of folders.

    Raises:
        UsageError: a source that is missing or holds no photo, or a table without that column.
        StorageError: one that may not be read.
    """
    paths: list[Path] = []
    for source in sources:
        if os.path.isdir(source):  # noqa: PTH112 (Path.is_dir raises where a folder on the way may not be entered)
            found = _in_folder(source, with_videos)
        elif not source.exists():
            raise UsageError(f"There is nothing at {source}.", "Check the path.")
        elif source.suffix.lower() in TABLE_SUFFIXES:
            found = _in_table(source)
        else:
            found = [source]
        if not found:
            raise UsageError(f"{source} names no photo.", "Give a folder with photos, or a table with a column path.")
        paths += found
    return list(dict.fromkeys(paths))


def _in_folder(folder: Path, with_videos: bool) -> list[Path]:
    try:
        return sorted([*list_photos(folder), *(list_videos(folder) if with_videos else ())])
    except PhotoError as error:
        raise StorageError(error.message, error.hint) from None


def _in_table(table: Path) -> list[Path]:
    try:
        content = read_table(table)
    except OSError as error:
        raise StorageError(f"{table} cannot be read: {error.strerror or error}.", "Check the permissions.") from error
    if "path" not in content.columns:
        raise UsageError(f"{table} has no column 'path'; it has {', '.join(content.columns) or 'none'}.", "Name it path.")
    empty = next((number for number, row in content.rows if not row["path"] or "\0" in row["path"]), None)
    if empty is not None:
        raise UsageError(f"Row {empty} of {table} has no path.", "Fill it in, or delete the row.")
    return [find_file(table.parent, row["path"]) for _, row in content.rows]
