"""Backups of a gallery: whole, checked copies of the one file, taken while it is in use, the older the sparser.

A backup is made by SQLite's online backup, checked, and only then given its name; a kill or a full disk leaves the earlier ones as they
were. To go back to one, put its file in the gallery's place while nothing uses the gallery.
"""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from reid_edge.errors import GalleryError
from reid_edge.gallery.connection import BUSY_SECONDS, Database, open_database, translated
from reid_edge.storage.replacing import TEMPORARY, sync_folder

_PAGES = 1024  # copied at a time; between them writers get their turn
_REST_SECONDS = 0.005
_NAME = re.compile(r"(?P<stem>.+)-(?P<number>\d{6,})-(?P<when>\d{8}T\d{6})Z\.sqlite")


@dataclass(frozen=True)
class Rings:
    """How many backups are kept: the newest `last`, and of each of the newest so many hours, days and weeks the newest one.

    Hours, days and weeks are those of the device's clock when the backup was made, and may be wrong; the newest ones are told by their
    number, which only grows.
    """

    last: int = 3
    hourly: int = 24
    daily: int = 7
    weekly: int = 8


@dataclass(frozen=True)
class Backup:
    """A backup in its folder: `number` grows with every one, `made_at` is UTC by the device's clock."""

    path: Path
    number: int
    made_at: datetime


def back_up(gallery: Path, folder: Path, rings: Rings | None = None, now: datetime | None = None) -> Backup | None:
    """Make a backup of the gallery in `folder`, and take those away that the rings no longer keep.

    Args:
        gallery: its file; may be in use.
        folder: made where it is missing; may hold backups of other galleries, which are told by their name.
        rings: what is kept.
        now: for the name, with a zone; the device's clock where None.

    Returns:
        The backup; None where nothing changed since the newest one.

    Raises:
        GalleryError: no gallery, damaged, or locked for long; the earlier backups stay, all of them.
        StorageError: the disk is full or fails, as above.
    """
    rings, now = rings or Rings(), now or datetime.now(timezone.utc)
    database = open_database(gallery, writable=False)
    with contextlib.closing(database), translated(folder):
        folder.mkdir(parents=True, exist_ok=True)
        _take_away_leftovers(folder, gallery.stem)
        there = backups(folder, gallery.stem)
        if there and _state_of(there[-1].path) == _state(database):
            return None
        number = 1 + (there[-1].number if there else 0)
        when = now.astimezone(timezone.utc)
        path = folder / f"{gallery.stem}-{number:06d}-{when:%Y%m%dT%H%M%S}Z.sqlite"
        copy_database(gallery, path)
        made = Backup(path, number, when.replace(microsecond=0))
        for old in set(there) - kept([*there, made], rings):
            old.path.unlink(missing_ok=True)
    return made


def backups(folder: Path, stem: str) -> list[Backup]:
    """The backups of the gallery whose file is called `stem`.sqlite, oldest first."""
    found = []
    for path in folder.iterdir() if folder.is_dir() else ():
        match = _NAME.fullmatch(path.name)
        if match and match["stem"] == stem:
            with contextlib.suppress(ValueError):  # no such day
                made_at = datetime.strptime(match["when"], "%Y%m%dT%H%M%S").replace(tzinfo=timezone.utc)
                found.append(Backup(path, int(match["number"]), made_at))
    return sorted(found, key=lambda backup: backup.number)


def kept(there: Iterable[Backup], rings: Rings) -> set[Backup]:
    """Those of the backups that the rings keep."""
    newest_first = sorted(there, key=lambda backup: backup.number, reverse=True)
    keeping = set(newest_first[: max(1, rings.last)])
    for count, form in ((rings.hourly, "%Y-%m-%d %H"), (rings.daily, "%Y-%m-%d"), (rings.weekly, "%G-%V")):
        ring: dict[str, Backup] = {}
        for backup in newest_first:
            ring.setdefault(backup.made_at.strftime(form), backup)
        keeping.update(list(ring.values())[:count])
    return keeping


def copy_database(source: Path, target: Path) -> None:
    """Copy a SQLite file that may be in use to `target`, which appears whole, checked and on the disk, or not at all.

    Raises:
        GalleryError: the copy is damaged, because the source is. StorageError: the disk is full or fails.
    """
    temporary = target.with_name(f"{target.name}.{os.getpid()}{TEMPORARY}")
    try:
        with translated(source):
            _copy(source, temporary)
        with translated(target):
            _check(temporary, source)
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            temporary.replace(target)
            sync_folder(target.parent)
    finally:
        for suffix in ("", "-journal", "-wal", "-shm"):
            temporary.with_name(temporary.name + suffix).unlink(missing_ok=True)


def _copy(source: Path, target: Path) -> None:
    with (
        contextlib.closing(sqlite3.connect(f"{source.resolve().as_uri()}?mode=ro", uri=True, timeout=BUSY_SECONDS)) as reading,
        contextlib.closing(sqlite3.connect(target)) as writing,
    ):
        reading.backup(writing, pages=_PAGES, sleep=_REST_SECONDS)
        writing.execute("PRAGMA journal_mode = DELETE")  # one file, also of a gallery in WAL mode


def _check(copy: Path, source: Path) -> None:
    with contextlib.closing(sqlite3.connect(f"{copy.resolve().as_uri()}?mode=ro", uri=True)) as database:
        try:
            problems = [text for (text,) in database.execute("PRAGMA integrity_check(5)") if text != "ok"]
            problems += [
                f"row {row} of {table} refers to a missing {parent}"
                for table, row, parent, _ in database.execute("PRAGMA foreign_key_check")
            ]
        except sqlite3.DatabaseError as error:
            problems = [str(error)]
    if problems:
        raise GalleryError(
            f"{source} is damaged, so no backup was made of it: {problems[0]}.",
            "Run `reid-edge gallery check`; the earlier backups stay.",
        )


def _state(database: Database) -> tuple[object, ...]:
    """What differs after every change: of what can be found, and of every decision."""
    (found,) = database.rows("SELECT revision, (SELECT coalesce(max(id), 0) FROM event) FROM gallery")
    return found


def _state_of(backup: Path) -> tuple[object, ...] | None:
    """As `_state`; None where the backup cannot be read, so that a new one is made."""
    try:
        with contextlib.closing(open_database(backup, writable=False)) as database:
            return _state(database)
    except GalleryError:
        return None


def _take_away_leftovers(folder: Path, stem: str) -> None:
    """What a kill left of an unfinished backup."""
    for left in folder.glob(f"*{TEMPORARY}*"):
        if left.name.startswith(f"{stem}-"):
            left.unlink(missing_ok=True)
