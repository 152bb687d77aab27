"""Repairing a damaged gallery: everything that can still be read goes into a new file, and what cannot be is counted.

The damaged file is kept as it was. The new one gets every row that SQLite can read, and rows that contradict each other are corrected:

- features that are damaged, or incomplete because a part of them cannot be read, are left out with all features of their sighting under
  the same key, so that they are made again from the photo;
- a sighting whose individual is missing gets a new individual, for a person to name;
- of two live sightings of one animal in one photo, or two live individuals of one name, the second one is hidden or renamed.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from reid_edge.errors import GalleryError
from reid_edge.gallery.arrays import StoredArray, damage
from reid_edge.gallery.check import check
from reid_edge.gallery.schema import GALLERY
from reid_edge.gallery.store import Gallery
from reid_edge.storage.clock import system_clock
from reid_edge.storage.database import Database
from reid_edge.storage.database_copy import SIDE_FILES, delete_database
from reid_edge.storage.durable import TEMPORARY, move_into_place, sync_file
from reid_edge.storage.salvage import DamagedDatabase
from reid_edge.storage.sqlite import sqlite_errors
from reid_edge.storage.sqlite_opening import create_database, open_database

_COLUMNS = {
    "individual": ("id", "name", "live", "sex", "life_stage", "notes", "uid", "merged_into"),
    "sighting": (
        *("id", "individual_id", "live", "added_at", "photo_sha256", "animal_index", "photo_name", "photo_path", "species"),
        *("viewpoint", "taken_at", "latitude", "longitude", "place", "encounter", "box", "thumbnail", "uid"),
    ),
    "feature": ("id", "sighting_id", "feature_key", "name", "dtype", "shape", "crc32", "data"),
    "review": (
        *("id", "live", "batch", "photo_sha256", "photo_name", "animal_index", "box", "kind", "individual_id", "sighting_id"),
        *("person", "decided_at", "answer", "uid"),
    ),
    "conflict": ("id", "uid", "live", "raised_at", "reason", "facts"),
    "alias": ("id", "uid", "target"),
    "synchronised": ("id", "station", "event"),
    "event": ("id", "batch", "at", "kind", "payload", "changes", "undone", "station", "sequence"),
}


@dataclass(frozen=True)
class Salvage:
    """What a repair keeps of a gallery.

    Attributes:
        individuals, sightings, decisions: in the new file.
        lost_sightings, lost_decisions: ids that were given, and that cannot be read any more.
        unreadable: whether any row could not be read.
        undescribed: sightings without their damaged features; `unphotographed` of them have a photo that is no longer where it was
            enrolled from.
        recovered: names given to individuals that were missing, and new names of those that were stored twice.
        hidden: sightings that were stored twice.
    """

    individuals: int
    sightings: int
    decisions: int
    lost_sightings: int
    lost_decisions: int
    unreadable: bool
    undescribed: int
    unphotographed: int
    recovered: tuple[str, ...]
    hidden: int

    def can(self) -> list[str]:
        """What a repair does, a sentence each."""
        sentences = [
            "Keep the damaged file as it is, under another name.",
            f"Keep what can be read: {self.sightings} sightings of {self.individuals} individuals, and {self.decisions} decisions.",
            "Delete the search cache, which is made again at the next search.",
        ]
        if self.undescribed:
            sentences.append(
                f"Leave out the damaged features of {self.undescribed} sightings; the next identify makes them again from the photos."
            )
        if self.recovered:
            sentences.append(f"Give a new name to individuals that are missing or stored twice: {', '.join(self.recovered)}.")
        if self.hidden:
            sentences.append(f"Hide {self.hidden} sightings that are stored twice.")
        return sentences

    def cannot(self) -> list[str]:
        """What it does not do, a sentence each."""
        sentences = ["Check that what can be read is what was written, except features, which have checksums."]
        if self.lost_sightings or self.lost_decisions:
            sentences.append(
                f"Bring back what cannot be read: {self.lost_sightings} sightings and {self.lost_decisions} decisions. "
                "A backup may have them."
            )
        if self.unphotographed:
            sentences.append(
                f"Make features again without the photo: the photos of {self.unphotographed} sightings are no longer at their path."
            )
        return sentences


class Repair:
    """A repair that is prepared, and done by `finish`. A context manager; left without `finish`, nothing has changed.

    Attributes:
        salvage: what can be kept and what not.
    """

    def __init__(self, path: Path) -> None:
        """Read everything that can be read into a new file beside the gallery, and keep the gallery locked until the end.

        Raises:
            GalleryError: no file, no gallery, in use, or nothing can be read. StorageError: the disk is full or fails.
        """
        self._path = path
        self._new = path.with_name(f"{path.name}.repaired{TEMPORARY}")
        self._closing = contextlib.ExitStack()
        self._closing.callback(delete_database, self._new)
        try:
            damaged = self._closing.enter_context(DamagedDatabase(GALLERY, path))
            damaged.need("individual", "sighting", "feature", "event")
            delete_database(self._new)
            create_database(GALLERY, self._new)
            with contextlib.closing(open_database(GALLERY, self._new)) as new, damaged.errors(), new.transaction():
                self.salvage = _Copy(damaged, new).run()
            _check_repaired(self._new)
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
        with sqlite_errors(GALLERY, self._path):
            kept = _keep_aside(self._path)
            sync_file(self._new)
            for suffix in SIDE_FILES:  # a journal of the old file would be applied to the new one
                self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
            move_into_place(self._new, self._path)
        shutil.rmtree(self._path.with_name(self._path.name + ".cache"), ignore_errors=True)
        return kept


class _Copy:
    """Every readable row of a damaged gallery into the tables of a new one, corrected where rows contradict each other."""

    def __init__(self, old: DamagedDatabase, new: Database) -> None:
        self._old = old
        self._new = new
        self._names: dict[int, tuple[str, bool]] = {}  # of individuals by id, and whether they are live
        self._photos: dict[int, str] = {}  # paths by id of the sighting
        self._recovered: list[str] = []
        self._hidden = 0
        self._refused = False

    def run(self) -> Salvage:
        """Copy all tables."""
        self._copy_individuals()
        self._copy_sightings()
        without = self._copy_features()
        self._copy_reviews()
        self._copy_synchronisation()
        decisions = self._copy_events()
        return Salvage(
            individuals=self._count("individual WHERE live = 1"),
            sightings=self._count("sighting WHERE live = 1"),
            decisions=decisions,
            lost_sightings=self._keep_given_ids("sighting"),
            lost_decisions=self._keep_given_ids("event"),
            unreadable=bool(self._old.unreadable) or self._refused,
            undescribed=len(without),
            unphotographed=sum(
                1 for sighting in without if not (self._photos[sighting] and Path(self._photos[sighting]).is_file())
            ),
            recovered=tuple(self._recovered),
            hidden=self._hidden,
        )

    def _copy_individuals(self) -> None:
        for number, name, live, sex, life_stage, notes, uid, merged in self._old.rows("individual", _COLUMNS["individual"]):
            text = str(name)
            if live and (text, True) in self._names.values():
                text = self._free_name(text)
                self._recovered.append(text)
            self._names[number] = (text, bool(live))
            noted = {"sex": str(sex or ""), "life_stage": str(life_stage or ""), "notes": str(notes or "")}
            self._new.insert("individual", id=number, name=text, live=int(bool(live)), uid=uid, merged_into=merged, **noted)

    def _copy_sightings(self) -> None:
        live_animals: set[tuple[Any, Any]] = set()
        for values in self._old.rows("sighting", _COLUMNS["sighting"]):
            row = dict(zip(_COLUMNS["sighting"], values, strict=True))
            animal = (row["photo_sha256"], row["animal_index"])
            if row["live"] and animal in live_animals:
                row["live"] = 0
                self._hidden += 1
            self._need_individual(row["individual_id"], live=bool(row["live"]))
            if not self._new.try_insert("sighting", **row):  # a cell that must not be empty is
                self._refused = True
                continue
            if row["live"]:
                live_animals.add(animal)
            self._photos[row["id"]] = str(row["photo_path"])

    def _need_individual(self, number: int, live: bool) -> None:
        """Make the individual of a sighting where it is missing, and make it live where a live sighting needs it."""
        if number not in self._names:
            name = self._free_name(f"recovered {number}")
            self._new.insert("individual", id=number, name=name, live=1)
        elif live and not self._names[number][1]:
            name = self._free_name(self._names[number][0])
            self._new.execute("UPDATE individual SET name = ?, live = 1 WHERE id = ?", (name, number))
        else:
            return
        self._names[number] = (name, True)
        self._recovered.append(name)

    def _copy_features(self) -> set[int]:
        """Copy the features that are whole; returns the sightings of which some were left out."""
        kept: dict[tuple[int, str], set[str]] = {}
        damaged: set[tuple[int, str]] = set()
        for values in self._old.rows("feature", _COLUMNS["feature"]):
            _, sighting, key, name, *stored = values
            if sighting not in self._photos:
                continue
            well_named = isinstance(key, str) and isinstance(name, str) and name not in kept.get((sighting, key), ())
            if well_named and not damage(StoredArray(*stored)):
                self._new.insert("feature", **dict(zip(_COLUMNS["feature"], values, strict=True)))
                kept.setdefault((sighting, key), set()).add(name)
            else:
                damaged.add((sighting, str(key)))
        if "feature" in self._old.unreadable:
            damaged |= self._incomplete(kept)
        for sighting, key in damaged:
            self._new.execute("DELETE FROM feature WHERE sighting_id = ? AND feature_key = ?", (sighting, key))
        return {sighting for sighting, _ in damaged}

    def _incomplete(self, kept: dict[tuple[int, str], set[str]]) -> set[tuple[int, str]]:
        """An unreadable row may be of any sighting: the sightings and keys that lack what the others have."""
        usual: dict[str, Counter[frozenset[str]]] = {}
        for (_, key), names in kept.items():
            usual.setdefault(key, Counter())[frozenset(names)] += 1
        full = {key: max(sets, key=lambda names: (len(names), sets[names])) for key, sets in usual.items()}
        return {(number, key) for number in self._photos for key in full if frozenset(kept.get((number, key), ())) != full[key]}

    def _copy_reviews(self) -> None:
        """Copy the reviews; one that names an individual or a sighting that is lost is hidden, or loses its sighting."""
        for values in self._old.rows("review", _COLUMNS["review"]):
            row = dict(zip(_COLUMNS["review"], values, strict=True))
            individual = row["individual_id"]
            if individual is not None and not self._names.get(individual, ("", False))[1]:
                row["live"] = 0
                row["individual_id"] = individual if individual in self._names else None
            if row["sighting_id"] not in self._photos:
                row["sighting_id"] = None
            if not self._new.try_insert("review", **row):
                self._refused = True

    def _copy_synchronisation(self) -> None:
        for _, station in self._old.rows("gallery", ("id", "station")):
            if isinstance(station, str):
                self._new.execute("UPDATE gallery SET station = ?", (station,))
        for table in ("conflict", "alias", "synchronised"):
            for values in self._old.rows(table, _COLUMNS[table]):
                self._refused |= not self._new.try_insert(table, **dict(zip(_COLUMNS[table], values, strict=True)))

    def _copy_events(self) -> int:
        copied = 0
        ((station,),) = self._new.rows("SELECT station FROM gallery")
        for values in self._old.rows("event", _COLUMNS["event"]):
            row = dict(zip(_COLUMNS["event"], values, strict=True))
            try:
                json.loads(row["payload"]), json.loads(row["changes"])
            except (TypeError, ValueError):
                self._refused = True
                continue
            if row["station"] is None:  # of an earlier version
                row |= {"station": station, "sequence": row["id"]}
            if self._new.try_insert("event", **row):
                copied += 1
            else:
                self._refused = True
        return copied

    def _keep_given_ids(self, table: str) -> int:
        """Ids are given without gaps and never again: go on after the last one. Returns how many rows are lost."""
        ((copied,),) = self._new.rows("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = ?", (table,))
        given = max(self._old.last_id(table), copied)
        self._new.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = ?", (given, table))
        return int(given) - self._count(table)

    def _count(self, rows: str) -> int:
        ((number,),) = self._new.rows(f"SELECT count(*) FROM {rows}")
        return int(number)

    def _free_name(self, name: str) -> str:
        """The name, or where a live individual has it, the name with a number."""
        taken = {text for text, live in self._names.values() if live}
        numbered = (f"{name} ({number})" for number in range(2, len(taken) + 3))
        return next(text for text in (name, *numbered) if text not in taken)


def _keep_aside(path: Path) -> Path:
    """A copy of the damaged file, with its journal, under a name with `damaged` and the time."""
    number = 0
    while True:
        mark = f"damaged-{system_clock():%Y%m%dT%H%M%SZ}{f'-{number}' if number else ''}"
        kept = path.with_name(f"{path.stem}.{mark}{path.suffix}")
        try:
            with kept.open("xb") as file, path.open("rb") as source:
                shutil.copyfileobj(source, file)
                file.flush()
                sync_file(file.fileno())
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


def _check_repaired(path: Path) -> None:
    with Gallery.open(path, writable=False) as gallery:
        problems = [finding.what for finding in check(gallery) if finding.severity == "damage"]
    if problems:
        raise GalleryError(f"The gallery cannot be repaired: {problems[0]}", "Restore a backup.")
