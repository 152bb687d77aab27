"""Relinking: photos of the gallery that were moved to another folder or disk are found again by their content."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from reid_edge.errors import UsageError
from reid_edge.gallery.records import Sighting
from reid_edge.gallery.store import Gallery
from reid_edge.storage.errors import file_errors

_BLOCK = 1 << 20


@dataclass(frozen=True)
class Relinked:
    """What became of the sightings whose photos lay in the old folder.

    Attributes:
        found: now noted where they are.
        missing: of which no file in the new folder has the content.
    """

    found: tuple[Sighting, ...]
    missing: tuple[Sighting, ...]


def relink(gallery: Gallery, old: str, new: Path) -> Relinked:
    """Note the new place of all photos that lay in the folder `old`, or were the file `old`, as one command that undo takes back.

    A photo is looked for at the same place below `new`, else by its name anywhere below, and taken only where its content is the same.

    Args:
        gallery: writable.
        old: as the gallery notes it; need not exist, and may be of another operating system.
        new: folder, or file where `old` is one.

    Raises:
        UsageError: no photo of the gallery lay there, or there is nothing at `new`.
        StorageError: a file cannot be read.
    """
    if not new.exists():
        raise UsageError(f"There is nothing at {new}.", "Check the path.")
    moved = [(sighting, rest) for sighting in gallery.sightings() if (rest := _below(sighting.photo_path, old)) is not None]
    if not moved:
        places = sorted({os.path.dirname(sighting.photo_path) for sighting in gallery.sightings()})  # noqa: PTH120 (of any system)
        raise UsageError(f"No photo of the gallery lay in {old}.", f"Photos lay in {', '.join(places[:5])}.")
    by_name: dict[str, list[Path]] | None = None
    places_of: dict[int, str] = {}
    missing = []
    for sighting, rest in moved:
        place = _first_with(sighting.photo_sha256, [new.joinpath(*rest)])
        if place is None:
            by_name = by_name if by_name is not None else _files_by_name(new)
            place = _first_with(sighting.photo_sha256, by_name.get(sighting.photo_name.casefold(), []))
        if place is None:
            missing.append(sighting)
        else:
            places_of[sighting.id] = str(place.resolve())
    if places_of:
        gallery.relink(places_of)
    return Relinked(tuple(sighting for sighting, _ in moved if sighting.id in places_of), tuple(missing))


def _below(path: str, folder: str) -> list[str] | None:
    """The parts of a path below a folder; None where it is not below. Both kinds of slashes separate; drive letters have no case."""
    parts, above = (_parts(text) for text in (path, folder))
    return parts[len(above) :] if parts[: len(above)] == above and above else None


def _parts(path: str) -> list[str]:
    absolute = path if "\\" in path or path[1:2] == ":" or not path else os.path.abspath(path)  # noqa: PTH100 (keeps links)
    parts = [part for part in absolute.replace("\\", "/").split("/") if part not in ("", ".")]
    return [parts[0].upper(), *parts[1:]] if parts and parts[0].endswith(":") else parts


def _files_by_name(folder: Path) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for path in _files(folder):
        found.setdefault(path.name.casefold(), []).append(path)
    return found


def _files(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        folders.sort()
        yield from (Path(place, name) for name in sorted(files))


def _first_with(sha256: str, paths: Iterable[Path]) -> Path | None:
    return next((path for path in paths if path.is_file() and _hash(path) == sha256), None)


def _hash(path: Path) -> str:
    digest = hashlib.sha256()
    with file_errors(path), path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
