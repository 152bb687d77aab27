"""Backups of a gallery: whole, checked copies of the one file, taken while it is in use, the older the sparser.

A backup is made by SQLite's online backup, checked, and only then given its name; a kill or a full disk leaves the earlier ones as they
were. To go back to one, put its file in the gallery's place while nothing uses the gallery.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from reid_edge.errors import GalleryError
from reid_edge.gallery.schema import GALLERY
from reid_edge.storage.database import Database
from reid_edge.storage.database_copy import copy_database
from reid_edge.storage.durable import TEMPORARY
from reid_edge.storage.errors import file_errors
from reid_edge.storage.opening import open_database

_NAME = re.compile(r"(?P<stem>.+)-(?P<number>\d{6,})-(?P<when>\d{8}T\d{6})Z\.sqlite")


@dataclass(frozen=True)
class RetentionPolicy:
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


def back_up(gallery: Path, folder: Path, rings: RetentionPolicy | None = None, now: datetime | None = None) -> Backup | None:
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
    rings, now = rings or RetentionPolicy(), now or datetime.now(timezone.utc)
    database = open_database(GALLERY, gallery, writable=False)
    with contextlib.closing(database), file_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        _take_away_leftovers(folder, gallery.stem)
        there = backups(folder, gallery.stem)
        if there and _state_of(there[-1].path) == _state(database):
            return None
        number = 1 + (there[-1].number if there else 0)
        when = now.astimezone(timezone.utc)
        path = folder / f"{gallery.stem}-{number:06d}-{when:%Y%m%dT%H%M%S}Z.sqlite"
        copy_database(GALLERY, gallery, path)
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


def kept(there: Iterable[Backup], rings: RetentionPolicy) -> set[Backup]:
    """Those of the backups that the rings keep."""
    newest_first = sorted(there, key=lambda backup: backup.number, reverse=True)
    keeping = set(newest_first[: max(1, rings.last)])
    for count, form in ((rings.hourly, "%Y-%m-%d %H"), (rings.daily, "%Y-%m-%d"), (rings.weekly, "%G-%V")):
        ring: dict[str, Backup] = {}
        for backup in newest_first:
            ring.setdefault(backup.made_at.strftime(form), backup)
        keeping.update(list(ring.values())[:count])
    return keeping


def _state(database: Database) -> tuple[object, ...]:
    """What differs after every change: of what can be found, and of every decision."""
    (found,) = database.rows("SELECT revision, (SELECT coalesce(max(id), 0) FROM event) FROM gallery")
    return found


def _state_of(backup: Path) -> tuple[object, ...] | None:
    """As `_state`; None where the backup cannot be read, so that a new one is made."""
    try:
        with contextlib.closing(open_database(GALLERY, backup, writable=False)) as database:
            return _state(database)
    except GalleryError:
        return None


def _take_away_leftovers(folder: Path, stem: str) -> None:
    """What a kill left of an unfinished backup."""
    for left in folder.glob(f"*{TEMPORARY}*"):
        if left.name.startswith(f"{stem}-"):
            left.unlink(missing_ok=True)
