"""Backups of a gallery: complete, checked copies of its file, made while it is in use; fewer are kept of older times.

A backup is made by SQLite's online backup, checked, and only then given its name; after a kill or on a full disk the earlier ones stay.
To restore one, put its file in the gallery's place while nothing uses the gallery.
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
from reid_edge.storage.sqlite_opening import open_database

_NAME = re.compile(r"(?P<stem>.+)-(?P<number>\d{6,})-(?P<when>\d{8}T\d{6})Z\.sqlite")


@dataclass(frozen=True)
class RetentionPolicy:
    """How many backups are kept: the newest `last`, and of each of the newest so many hours, days and weeks the newest one.

    Hours, days and weeks are those of the device's clock when the backup was made, and may be wrong; which ones are the
    newest is decided by their number, which only grows.
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


def back_up(gallery: Path, folder: Path, retention: RetentionPolicy | None = None, now: datetime | None = None) -> Backup | None:
    """Make a backup of the gallery in `folder`, and delete those that the policy no longer keeps.

    Args:
        gallery: its file; may be in use.
        folder: made where it is missing; may hold backups of other galleries, which have other names.
        retention: which backups are kept.
        now: for the name, with a zone; the device's clock where None.

    Returns:
        The backup; None where nothing changed since the newest one.

    Raises:
        GalleryError: no gallery, damaged, or locked for long; the earlier backups stay, all of them.
        StorageError: the disk is full or fails, as above.
    """
    retention, now = retention or RetentionPolicy(), now or datetime.now(timezone.utc)
    database = open_database(GALLERY, gallery, writable=False)
    with contextlib.closing(database), file_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        _delete_leftovers(folder, gallery.stem)
        earlier = backups(folder, gallery.stem)
        if earlier and _state_of(earlier[-1].path) == _state(database):
            return None
        number = 1 + (earlier[-1].number if earlier else 0)
        when = now.astimezone(timezone.utc)
        path = folder / f"{gallery.stem}-{number:06d}-{when:%Y%m%dT%H%M%S}Z.sqlite"
        copy_database(GALLERY, gallery, path)
        made = Backup(path, number, when.replace(microsecond=0))
        for old in set(earlier) - kept([*earlier, made], retention):
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


def kept(existing: Iterable[Backup], retention: RetentionPolicy) -> set[Backup]:
    """The backups that the policy keeps."""
    newest_first = sorted(existing, key=lambda backup: backup.number, reverse=True)
    keeping = set(newest_first[: max(1, retention.last)])
    for count, form in ((retention.hourly, "%Y-%m-%d %H"), (retention.daily, "%Y-%m-%d"), (retention.weekly, "%G-%V")):
        newest_of: dict[str, Backup] = {}
        for backup in newest_first:
            newest_of.setdefault(backup.made_at.strftime(form), backup)
        keeping.update(list(newest_of.values())[:count])
    return keeping


def _state(database: Database) -> tuple[object, ...]:
    """A value that differs after every change of what can be found, and after every decision."""
    (found,) = database.rows("SELECT revision, (SELECT coalesce(max(id), 0) FROM event) FROM gallery")
    return found


def _state_of(backup: Path) -> tuple[object, ...] | None:
    """As `_state`; None where the backup cannot be read, so that a new one is made."""
    try:
        with contextlib.closing(open_database(GALLERY, backup, writable=False)) as database:
            return _state(database)
    except GalleryError:
        return None


def _delete_leftovers(folder: Path, stem: str) -> None:
    """Delete the unfinished backup of a killed process."""
    for left in folder.glob(f"*{TEMPORARY}*"):
        if left.name.startswith(f"{stem}-"):
            left.unlink(missing_ok=True)
