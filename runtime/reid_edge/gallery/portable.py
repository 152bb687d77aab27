"""Export and import: a CSV for people and spreadsheets, or a zip that holds everything another gallery needs."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any, Literal

import numpy as np

from reid_edge.errors import UsageError
from reid_edge.gallery.archive import (
    ARCHIVE_FORMAT,
    ARCHIVE_VERSION,
    INDEX,
    NOTES,
    REVIEW_FIELDS,
    TABLE,
    ArchiveReader,
    feature_member,
    thumbnail_member,
)
from reid_edge.gallery.names import is_placeholder, name_key
from reid_edge.gallery.records import LONGEST_NAME, Sighting
from reid_edge.gallery.spreadsheet import write_spreadsheet
from reid_edge.gallery.store import DuplicateSighting, Gallery
from reid_edge.storage.durable import replacing
from reid_edge.storage.errors import file_errors

_COLUMNS = (
    *("image_id", "identity", "path", "date", "orientation", "species", "split", "dataset"),  # AnimalCLEF
    *("encounter", "latitude", "longitude", "place"),
)


@dataclass(frozen=True)
class Conflict:
    """An animal of a photo that the archive calls `theirs` and this gallery `ours`; ours was kept."""

    photo_name: str
    ours: str
    theirs: str


@dataclass(frozen=True)
class SharedName:
    """An individual of the archive whose name this gallery has too.

    Attributes:
        name: in the archive.
        imported_as: the individual of this gallery that got its sightings.
        reason: both have a photo in common; the name alone was enough; or neither, so it is another individual with a new name.
    """

    name: str
    imported_as: str
    reason: Literal["same photos", "same name", "new name"]


@dataclass(frozen=True)
class ImportReport:
    """What an import did.

    Attributes:
        added, present: sightings that are new here, and that this gallery had already.
        conflicts: those of `present` that the two sides give to different individuals.
        shared_names: individuals that both sides have by name.
        unidentified: sightings of an archive of an older version that were left out, because their individual is called `unknown` or alike.
    """

    added: int
    present: int
    conflicts: tuple[Conflict, ...]
    shared_names: tuple[SharedName, ...] = ()
    unidentified: int = 0


def export_gallery(gallery: Gallery, out: str | Path) -> int:
    """Write the live gallery to `out`, which is replaced in one step; returns how many sightings were written.

    `.csv` writes the AnimalCLEF columns; `.xlsx` a spreadsheet with thumbnails; `.zip` the table of `.csv`, every fact, the thumbnails, the
    features and the reviews.

    Raises:
        UsageError: another suffix, or the package for spreadsheets is not installed.
        StorageError: the disk is full or read-only.
    """
    out = Path(out)
    if out.suffix.lower() not in (".csv", ".xlsx", ".zip"):
        hint = "Name a .csv (the table), an .xlsx (with thumbnails) or a .zip (everything)."
        raise UsageError(f"A gallery cannot be exported as {out.name}.", hint)
    with gallery.snapshot(), file_errors(out), replacing(out) as file:
        sightings = gallery.sightings()
        if out.suffix.lower() == ".csv":
            file.write(_table(gallery, sightings).encode())
        elif out.suffix.lower() == ".xlsx":
            write_spreadsheet(gallery, sightings, file)
        else:
            with zipfile.ZipFile(file, "w") as archive:
                _write_archive(gallery, sightings, archive)
    return len(sightings)


def import_gallery(gallery: Gallery, archive: str | Path, same_names: bool = False) -> ImportReport:
    """Add what an exported zip holds and this gallery does not, all or nothing and in one batch, so that one undo takes it back.

    Sightings of the same animal of the same photo are the same. Where the two disagree about who a photo shows, this gallery stays as it
    is and the report lists the conflict. Individuals of one name are the same where they share a photo; otherwise the archive's gets a
    new name, as a second herd may have an Asha too. Reviews are added where nothing in this gallery contradicts them.

    Args:
        gallery: writable.
        archive: the zip.
        same_names: individuals of one name are the same in any case.

    Raises:
        GalleryError: no archive of a gallery, unsafe, damaged, or of a newer version.
        StorageError: it cannot be read, or the disk is full.
    """
    batch, added, present, unidentified, conflicts = gallery.new_batch(), 0, 0, 0, []
    with ArchiveReader(Path(archive)) as reader, gallery.transaction():
        shared = _shared_names(gallery, reader, same_names)
        names = {each.name: each.imported_as for each in shared}
        for name in reader.individuals:
            if not is_placeholder(name):
                gallery.add_individual(names.get(name, name), batch)
        for entry in reader.entries:
            sighting = reader.sighting(entry)
            if is_placeholder(sighting.identity):
                unidentified += 1
                continue
            sighting = replace(sighting, identity=names.get(sighting.identity, sighting.identity))
            try:
                sighting_id = gallery.add_sighting(sighting, {}, "", batch)
            except DuplicateSighting as duplicate:
                present += 1
                if name_key(duplicate.sighting.identity) != name_key(sighting.identity):
                    conflicts.append(Conflict(sighting.photo_name, duplicate.sighting.identity, sighting.identity))
                continue
            added += 1
            for key, features in reader.features(entry).items():
                gallery.write_features(sighting_id, key, features)
        for name, noted in reader.notes.items():
            ours = gallery.individual(names.get(name, name))
            gallery.annotate(ours.name, **{field: getattr(ours, field) or value for field, value in noted.items()}, batch=batch)
        for review, decided_at in reader.reviews:
            identity = None if review.identity is None else names.get(review.identity, review.identity)
            gallery.carry_over(replace(review, identity=identity), decided_at, batch)
    return ImportReport(added, present, tuple(conflicts), tuple(shared), unidentified)


def _shared_names(gallery: Gallery, reader: ArchiveReader, same_names: bool) -> list[SharedName]:
    """What becomes of each individual of the archive whose name this gallery has with other photos."""
    animals: dict[str, set[tuple[str, int]]] = {name: set() for name in reader.individuals}
    for entry in reader.entries:
        animals.setdefault(entry["identity"], set()).add((entry["photo_sha256"], entry["animal_index"]))
    taken = {name_key(name) for name in (*gallery.names(), *animals)}
    shared = []
    for name, theirs in animals.items():
        ours = None if is_placeholder(name) else gallery.stored_name(name)
        if ours is None:
            continue
        held = {(seen.photo_sha256, seen.animal_index) for seen in gallery.sightings(individual=ours)}
        if theirs & held:
            shared.append(SharedName(name, ours, "same photos"))
        elif same_names or not theirs or not held:
            shared.append(SharedName(name, ours, "same name"))
        else:
            shared.append(_under_new_name(gallery, name, theirs, taken))
    return shared


def _under_new_name(gallery: Gallery, name: str, animals: Iterable[tuple[str, int]], taken: set[str]) -> SharedName:
    """The name of an earlier import, where this one is its repetition; else the first `name (2)`, `name (3)`, ... that is free."""
    start = name[: LONGEST_NAME - 10]
    for animal in sorted(animals):
        seen = gallery.has_photo(*animal)
        if seen is not None and re.fullmatch(re.escape(start) + r" \(\d+\)", seen.identity):
            return SharedName(name, seen.identity, "same photos")
    new = next(each for number in count(2) if name_key(each := f"{start} ({number})") not in taken)
    taken.add(name_key(new))
    return SharedName(name, new, "new name")


def _table(gallery: Gallery, sightings: Sequence[Sighting]) -> str:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(_COLUMNS)
    for seen in sightings:
        image_id = f"{seen.photo_sha256[:16]}-{seen.animal_index}"
        row = (
            image_id,
            seen.identity,
            seen.photo_path or seen.photo_name,
            seen.taken_at,
            seen.viewpoint,
            seen.species,
            "database",
        )
        table.writerow((*row, gallery.title, seen.encounter, seen.latitude, seen.longitude, seen.place))
    return text.getvalue()


def _write_archive(gallery: Gallery, sightings: Sequence[Sighting], archive: zipfile.ZipFile) -> None:
    _write(archive, TABLE, _table(gallery, sightings).encode(), zipfile.ZIP_DEFLATED)
    entries = []
    for seen in sightings:
        facts = {field: value for field, value in asdict(seen).items() if field not in ("id", "added_at")}
        entry: dict[str, Any] = {**facts, "thumbnail": False, "features": gallery.feature_names(seen.id)}
        thumbnail = gallery.thumbnail(seen.id)
        if thumbnail is not None:
            entry["thumbnail"] = True
            _write(archive, thumbnail_member(seen), thumbnail)
        for key in sorted({key for key, _ in entry["features"]}):
            for name, array in sorted(gallery.features([seen.id], key)[seen.id].items()):
                data = io.BytesIO()
                np.lib.format.write_array(data, array, version=(1, 0), allow_pickle=False)
                _write(archive, feature_member(seen, key, name), data.getvalue())
        entries.append(entry)
    individuals = gallery.individuals()
    names = [individual.name for individual in individuals]
    index = {"format": ARCHIVE_FORMAT, "format_version": ARCHIVE_VERSION, "individuals": names, "sightings": entries}
    notes = {one.name: {field: getattr(one, field) for field in NOTES} for one in individuals}
    reviews = [{field: getattr(review, field) for field in REVIEW_FIELDS} for review in gallery.reviews()]
    # Only where there are some: without them the archive is that of earlier versions, to the last byte.
    if any(any(noted.values()) for noted in notes.values()):
        index["notes"] = notes
    if reviews:
        index["reviews"] = reviews
    _write(archive, INDEX, json.dumps(index, ensure_ascii=False, indent=1).encode(), zipfile.ZIP_DEFLATED)


def _write(archive: zipfile.ZipFile, member: str, data: bytes, compression: int = zipfile.ZIP_STORED) -> None:
    # ZipInfo's own date is fixed, so equal galleries give equal files.
    archive.writestr(zipfile.ZipInfo(member), data, compression)
