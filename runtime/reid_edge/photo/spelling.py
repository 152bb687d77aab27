"""Photo files by the paths that tables give: with backslashes, in another case or Unicode form, or with blanks around them."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from pathlib import Path


def find_file(folder: Path, name: str) -> Path:
    """The file that a table in `folder` names. A spelling that differs is matched where exactly one file fits, part by part.

    Returns:
        The path as written where it exists or nothing fits.
    """
    written = folder / name
    try:
        return written if written.exists() else _nearest(folder, name) or written
    except OSError:  # too long, or a folder that may not be entered
        return written


def _nearest(folder: Path, name: str) -> Path | None:
    path = Path(name.replace("\\", "/"))
    current = folder
    if path.is_absolute():
        current, path = Path(path.anchor), path.relative_to(path.anchor)
    for part in path.parts:
        following = current / part
        if part != ".." and not following.exists():
            if not current.is_dir():
                return None
            fitting = _names(current, current.stat().st_mtime_ns).get(_plain(part), ())
            if len(fitting) != 1:
                return None
            following = current / fitting[0]
        current = following
    return current


@lru_cache(maxsize=256)
def _names(folder: Path, changed: int) -> dict[str, tuple[str, ...]]:
    names: dict[str, tuple[str, ...]] = {}
    try:
        for each in sorted(folder.iterdir()):
            names[_plain(each.name)] = (*names.get(_plain(each.name), ()), each.name)
    except OSError:
        return {}
    return names


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name).strip().casefold()
