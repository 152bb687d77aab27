"""Repairing a damaged gallery: everything that can still be read goes into a new file, and what cannot be is counted.

The damaged file is kept as it was. The new one gets every row that SQLite can read, read past broken pages and without the indexes,
and is mended where rows contradict each other:

- features that are damaged, or incomplete because a part of them cannot be read, are left out with all of their sighting's under the
  same key, so that they are made again from the photo;
- a sighting whose individual is gone gets an individual of its own, for a person to name;
- of two live sightings of one animal in one photo, or two live individuals of one name, the second one is hidden or renamed.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType
from typing import Any

from reid_edge.errors import GalleryError
from reid_edge.gallery.arrays import StoredArray, damage
from reid_edge.gallery.check import check
from reid_edge.gallery.connection import BUSY_SECONDS, create_database, translated
from reid_edge.gallery.schema import APPLICATION_ID
from reid_edge.gallery.store import Gallery
from reid_edge.storage.replacing import TEMPORARY, sync_folder

_COLUMNS = {
    "individual": ("id", "name", "live"),
    "sighting": (
        *("id", "individual_id", "live", "added_at", "photo_sha256", "animal_index", "photo_name", "photo_path", "species"),
        *("viewpoint", "taken_at", "latitude", "longitude", "place", "encounter", "box", "thumbnail"),
    ),
    "feature": ("id", "sighting_id", "feature_key", "name", "dtype", "shape", "crc32", "data"),
    "event": ("id", "batch", "at", "kind", "payload", "changes", "undone"),
}
_PAGE = 200  # rows read at a time, until one of them cannot be
_SMALLEST_ROW = 24  # bytes; how many rows a file can hold at most
_MOST_UNREADABLE = 5_000  # ids that are tried one by one beyond the last that can be read


@dataclass
class Salvage:
    """What became of a gallery's rows.

    Attributes:
        individuals, sightings, decisions: in the new file.
        lost_sightings, lost_decisions: ids that were given, and that cannot be read any more.
        unreadable: whether any row could not be read.
        undescribed: sightings without their damaged features; `unphotographed` of them have a photo that is no longer where it was
            enrolled from.
        recovered: names given to individuals that were gone, and new names of those that were there twice.
        hidden: sightings that were there twice.
    """

    individuals: int = 0
    sightings: int = 0
    decisions: int = 0
    lost_sightings: int = 0
    lost_decisions: int = 0
    unreadable: bool = False
    undescribed: int = 0
    unphotographed: int = 0
    recovered: list[str] = field(default_factory=list)
    hidden: int = 0

    def can(self) -> list[str]:
        """What a repair does, a sentence each."""
        told = [
            "Keep the damaged file as it is, under another name.",
            f"Keep what can be read: {self.sightings} sightings of {self.individuals} individuals, and {self.decisions} decisions.",
            "Delete the search cache, which is made again at the next search.",
        ]
        if self.undescribed:
            told.append(
                f"Leave out the damaged features of {self.undescribed} sightings; the next identify makes them again from the photos."
            )
        if self.recovered:
            told.append(f"Give individuals that are gone or there twice a name of their own: {', '.join(self.recovered)}.")
        if self.hidden:
            told.append(f"Hide {self.hidden} sightings that are there twice.")
        return told

    def cannot(self) -> list[str]:
        """What it does not do, a sentence each."""
        told = ["Know whether what can be read is what was written, beyond features, which have checksums."]
        if self.lost_sightings or self.lost_decisions:
            told.append(
                f"Bring back what cannot be read: {self.lost_sightings} sightings and {self.lost_decisions} decisions. "
                "A backup may have them."
            )
        if self.unphotographed:
            told.append(
                f"Make features again without the photo: those of {self.unphotographed} sightings, which are found no more."
            )
        return told


class Repair:
    """A repair that is prepared, and done by `finish`. A context manager; left without `finish`, nothing has changed.

    Attributes:
        salvage: what can be kept and what not.
    """

    def __init__(self, path: Path) -> None:
        """Read everything that can be read into a new file beside the gallery, and keep the gallery for oneself until the end.

        Raises:
            GalleryError: no file, no gallery, in use, or nothing can be read. StorageError: the disk is full or fails.
        """
        self.salvage = Salvage()
        self._path = path
        self._new = path.with_name(f"{path.name}.repaired{TEMPORARY}")
        self._closing = contextlib.ExitStack()
        self._closing.callback(_remove, self._new)
        try:
            database = self._closing.enter_context(_opened(path))
            with translated(path), _readable(path):
                _take_for_oneself(database, path)
                _remove(self._new)
                create_database(self._new)
                with contextlib.closing(sqlite3.connect(self._new, isolation_level=None)) as new:
                    _copy(database, new, self.salvage)
                _prove(self._new)
        except BaseException:
            self._closing.close()
            raise

    def __enter__(self) -> Repair:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._closing.close()

    def finish(self) -> Path:
        """Put the new file in the gallery's place; returns where the damaged one is kept.

        Raises:
            StorageError: the disk is full or fails; the gallery stays as it is.
        """
        with translated(self._path):
            kept = _keep_aside(self._path)
            with self._new.open("rb") as file:
                os.fsync(file.fileno())
            for suffix in ("-journal", "-wal", "-shm"):  # a journal of the old file would be applied to the new one
                self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
            self._new.replace(self._path)
            sync_folder(self._path.resolve().parent)
        shutil.rmtree(self._path.with_name(self._path.name + ".cache"), ignore_errors=True)
        return kept


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """The file as SQLite sees it, without the checks that a damaged gallery does not pass."""
    if not path.is_file():
        raise GalleryError(f"There is no gallery at {path}.", "Check the path.")
    with translated(path):
        database = sqlite3.connect(f"{path.resolve().as_uri()}?mode=rw", uri=True, timeout=BUSY_SECONDS, isolation_level=None)
        with contextlib.closing(database), _readable(path):
            database.execute("PRAGMA writable_schema = ON")  # a broken index or trigger must not hide the tables
            if database.execute("PRAGMA application_id").fetchone() != (APPLICATION_ID,):
                raise GalleryError(f"{path} is a SQLite file but not a gallery.", "Name the gallery's file.")
            yield database


@contextlib.contextmanager
def _readable(path: Path) -> Iterator[None]:
    """SQLite's own message about a schema that was overwritten may be no text."""
    try:
        yield
    except UnicodeDecodeError:
        raise GalleryError(f"The gallery {path} is damaged where its tables are described.", "Restore a backup.") from None


def _take_for_oneself(database: sqlite3.Connection, path: Path) -> None:
    try:
        if database.execute("PRAGMA journal_mode").fetchone() == ("wal",):
            database.execute("PRAGMA journal_mode = DELETE")  # only where nobody else has it open
        database.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        if "locked" not in str(error):
            raise
        raise GalleryError(
            f"{path} is in use by another process.", "Stop that one first; a repair puts another file in its place."
        ) from error


def _keep_aside(path: Path) -> Path:
    """A copy of the damaged file, with its journal, under a name that says so."""
    when = datetime.now(timezone.utc)
    number = 0
    while True:
        kept = path.with_name(f"{path.stem}.damaged-{when:%Y%m%dT%H%M%SZ}{f'-{number}' if number else ''}{path.suffix}")
        try:
            with kept.open("xb") as file, path.open("rb") as source:
                shutil.copyfileobj(source, file)
                file.flush()
                os.fsync(file.fileno())
        except FileExistsError:
            number += 1
            continue
        except OSError:
            kept.unlink(missing_ok=True)
            raise
        for suffix in ("-journal", "-wal"):
            beside = path.with_name(path.name + suffix)
            if beside.exists() and beside.stat().st_size:
                shutil.copyfile(beside, kept.with_name(kept.name + suffix))
        return kept


def _copy(old: sqlite3.Connection, new: sqlite3.Connection, salvage: Salvage) -> None:
    """Every readable row into the tables of a new gallery, mended where rows contradict each other."""
    new.execute("PRAGMA foreign_keys = ON")
    new.execute("PRAGMA synchronous = OFF")  # synced at the end
    new.execute("BEGIN")
    names = _copy_individuals(old, new, salvage)
    photos = _copy_sightings(old, new, salvage, names)
    _copy_features(old, new, salvage, photos)
    _copy_events(old, new, salvage)
    for table, lost in (("sighting", "lost_sightings"), ("event", "lost_decisions")):
        # Their ids are given without gaps and never taken back, and are not to be given again.
        given = max(_sequence(old, table), _sequence(new, table))
        setattr(salvage, lost, given - new.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
        new.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = ?", (given, table))
    for table, count in (("individual", "individuals"), ("sighting", "sightings")):
        setattr(salvage, count, new.execute(f"SELECT count(*) FROM {table} WHERE live = 1").fetchone()[0])
    new.execute("COMMIT")


def _copy_individuals(old: sqlite3.Connection, new: sqlite3.Connection, salvage: Salvage) -> dict[int, tuple[str, bool]]:
    """Returns name and whether live, by id."""
    names: dict[int, tuple[str, bool]] = {}
    for number, name, live in _rows(old, "individual", salvage):
        text = str(name)
        if live and (text, True) in names.values():
            text = _free_name(text, names)
            salvage.recovered.append(text)
        names[number] = (text, bool(live))
        _insert(new, "individual", (number, text, int(bool(live))))
    return names


def _copy_sightings(
    old: sqlite3.Connection, new: sqlite3.Connection, salvage: Salvage, names: dict[int, tuple[str, bool]]
) -> dict[int, str]:
    """Returns the paths of their photos, by id."""
    photos: dict[int, str] = {}
    seen: set[tuple[Any, Any]] = set()
    for row in _rows(old, "sighting", salvage):
        number, individual, live, _, sha256, index, _, path, *_ = row
        if live and (sha256, index) in seen:
            live, salvage.hidden = 0, salvage.hidden + 1
        if individual not in names or (live and not names[individual][1]):
            gone = individual not in names
            name = _free_name(f"recovered {individual}" if gone else names[individual][0], names)
            names[individual] = (name, True)
            salvage.recovered.append(name)
            if gone:
                _insert(new, "individual", (individual, name, 1))
            else:
                new.execute("UPDATE individual SET name = ?, live = 1 WHERE id = ?", (name, individual))
        try:
            _insert(new, "sighting", (number, individual, live, *row[3:]))
        except sqlite3.IntegrityError:  # a cell that must not be empty is
            salvage.unreadable = True
            continue
        if live:
            seen.add((sha256, index))
        photos[number] = str(path)
    return photos


def _copy_features(old: sqlite3.Connection, new: sqlite3.Connection, salvage: Salvage, photos: dict[int, str]) -> None:
    before, salvage.unreadable = salvage.unreadable, False
    kept: dict[tuple[int, str], set[str]] = {}
    damaged: set[tuple[int, str]] = set()
    for number, sighting, key, name, *stored in _rows(old, "feature", salvage):
        if sighting not in photos:
            continue
        whole = isinstance(key, str) and isinstance(name, str) and name not in kept.get((sighting, key), ())
        if whole and not damage(StoredArray(*stored)):
            _insert(new, "feature", (number, sighting, key, name, *stored))
            kept.setdefault((sighting, key), set()).add(name)
        else:
            damaged.add((sighting, str(key)))
    if salvage.unreadable:  # of which sightings, nobody knows: those that lack what the others have
        usual: dict[str, Counter[frozenset[str]]] = {}
        for (_, key), there in kept.items():
            usual.setdefault(key, Counter())[frozenset(there)] += 1
        most = {key: max(sets, key=lambda each: (len(each), sets[each])) for key, sets in usual.items()}
        damaged |= {of for of, there in kept.items() if there != most[of[1]]}
        damaged |= {(number, key) for number in photos for key in usual if (number, key) not in kept}
    for sighting, key in damaged:
        new.execute("DELETE FROM feature WHERE sighting_id = ? AND feature_key = ?", (sighting, key))
    without = {sighting for sighting, _ in damaged}
    salvage.undescribed = len(without)
    salvage.unphotographed = sum(1 for sighting in without if not (photos[sighting] and Path(photos[sighting]).is_file()))
    salvage.unreadable |= before


def _copy_events(old: sqlite3.Connection, new: sqlite3.Connection, salvage: Salvage) -> None:
    for row in _rows(old, "event", salvage):
        try:
            json.loads(row[4]), json.loads(row[5])
            _insert(new, "event", row)
        except (TypeError, ValueError, sqlite3.IntegrityError):
            salvage.unreadable = True
            continue
        salvage.decisions += 1


def _insert(new: sqlite3.Connection, table: str, row: tuple[Any, ...]) -> None:
    columns = _COLUMNS[table]
    new.execute(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})", row)


def _free_name(name: str, names: dict[int, tuple[str, bool]]) -> str:
    """The name, or where a live individual has it, the name with a number."""
    taken = {each for each, live in names.values() if live}
    return next(each for each in (name, *(f"{name} ({number})" for number in range(2, len(taken) + 3))) if each not in taken)


def _rows(database: sqlite3.Connection, table: str, salvage: Salvage) -> Iterator[tuple[Any, ...]]:
    """Every row that can be read, by id."""
    for number in _readable_ids(database, table, salvage):
        row = _row(database, table, _COLUMNS[table], number)
        if row is None:
            salvage.unreadable = True
        else:
            yield row


def _readable_ids(database: sqlite3.Connection, table: str, salvage: Salvage) -> Iterator[int]:
    """Ids of a table in their order, past what cannot be read."""
    last, most = 0, _most_rows(database)
    while True:
        try:
            found = [
                number
                for (number,) in database.execute(
                    f"SELECT id FROM {table} NOT INDEXED WHERE id > ? ORDER BY id LIMIT ?", (last, _PAGE)
                )
            ]
        except (sqlite3.DatabaseError, UnicodeDecodeError):
            # A page ahead is broken: one row at a time, until the next one that can be read.
            salvage.unreadable = True
            ahead = range(last + 1, min(last + _MOST_UNREADABLE, most) + 1)
            found = list(itertools.islice((number for number in ahead if _row(database, table, ["id"], number)), 1))
        if not found:
            return
        yield from found
        last = found[-1]


def _row(database: sqlite3.Connection, table: str, columns: Sequence[str], number: int) -> tuple[Any, ...] | None:
    try:
        row: tuple[Any, ...] | None = database.execute(
            f"SELECT {', '.join(columns)} FROM {table} NOT INDEXED WHERE id = ?", (number,)
        ).fetchone()
    except (sqlite3.DatabaseError, UnicodeDecodeError):
        return None
    return row


def _most_rows(database: sqlite3.Connection) -> int:
    ((pages,), (size,)) = (database.execute(f"PRAGMA {name}").fetchone() for name in ("page_count", "page_size"))
    return int(pages) * int(size) // _SMALLEST_ROW


def _sequence(database: sqlite3.Connection, table: str) -> int:
    try:
        row = database.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table,)).fetchone()
    except sqlite3.DatabaseError:
        return 0
    return int(row[0]) if row and isinstance(row[0], int) else 0


def _prove(path: Path) -> None:
    with Gallery.open(path, writable=False) as gallery:
        problems = [finding.what for finding in check(gallery) if finding.severity == "damage"]
    if problems:
        raise GalleryError(f"The gallery cannot be repaired: {problems[0]}", "Restore a backup.")


def _remove(path: Path) -> None:
    for suffix in ("", "-journal", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
