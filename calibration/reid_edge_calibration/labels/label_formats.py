"""Labels from what a user has: a CSV table, a COCO Camera Traps JSON, or a folder per individual."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from reid_edge.errors import StorageError, UsageError
from reid_edge.gallery.enrolment_list import METADATA, read_enrolments
from reid_edge.gallery.names import name_key
from reid_edge_calibration.labels.coco_camera_traps import read_coco_camera_traps
from reid_edge_calibration.labels.csv_table import read_csv_table
from reid_edge_calibration.labels.gallery_reviews import read_gallery_reviews
from reid_edge_calibration.labels.labelled_photo import LabelledPhoto, LabelledSource, counted, first_few

KINDS = (
    f"a CSV table, a COCO Camera Traps JSON, a gallery (.sqlite), a folder that holds {METADATA}, or a folder with a sub-folder per "
    "individual"
)


def read_labels(path: Path, fold: str | None = None, skip_conflicts: bool = False) -> LabelledSource:
    """The labels of one source, one a photo; the photos are not opened, but have to be there.

    Args:
        path: a CSV table (`csv_table`), a COCO Camera Traps JSON (`coco_camera_traps`), a gallery in which people confirmed photos
            (`gallery_reviews`), a folder that holds metadata.csv, or a folder with a sub-folder per individual.
        fold: rows of this fold only, of a table; None for all.
        skip_conflicts: leave out photos that have two names, also as two files with the same content.

    Raises:
        UsageError: none of these, a row or annotation is wrong, a photo has two names, photos are missing, or nothing is left.
        StorageError: a file or folder that may not be read.
    """
    path = Path(path)
    if not path.exists():
        raise UsageError(f"There is nothing at {path}.", "Check the path.")
    table = path / METADATA if path.is_dir() else path
    kind = table.suffix.lower() if table.is_file() else "folder"
    notes: list[str] = []
    try:
        if kind == ".csv":
            photos = read_csv_table(table, fold)
        elif fold:
            raise UsageError(f"{path} has no column fold.", "Leave --fold out.")
        elif kind == ".sqlite":
            photos, notes = read_gallery_reviews(table)
        elif kind == ".json":
            photos, notes = read_coco_camera_traps(table)
        elif kind == "folder" and path.is_dir():
            photos, notes = _folder_per_individual(path)
        else:
            raise UsageError(f"{path} holds no labels.", f"Give {KINDS}.")
    except OSError as error:
        raise StorageError(
            f"{error.filename or path} cannot be read: {error.strerror or error}.", "Check the permissions."
        ) from error
    kept, left_out = one_label_a_photo(_one_spelling_a_name(photos), path, skip_conflicts)
    if not kept:
        raise UsageError(f"{path} names no individual.", "Whom a photo shows has to be known: there is nothing to learn from.")
    _require_files(kept, path)
    if skip_conflicts:
        kept, copies = without_conflicting_copies(kept)
        left_out += copies
    name = (path if path.is_dir() else path.parent).resolve().name
    return LabelledSource(name, tuple(kept), tuple(f"{name}: {note}" for note in (*notes, *left_out)))


def _folder_per_individual(folder: Path) -> tuple[list[LabelledPhoto], list[str]]:
    try:
        listed = read_enrolments(folder)
    except UsageError as error:
        raise UsageError(error.message, f"Give {KINDS}.") from error
    nameless = sum(listed.unidentified.values())
    notes = [f"left out because no individual is named: {counted(nameless, 'label')}."] if nameless else []
    return [LabelledPhoto(each, str(each.path.relative_to(folder))) for each in listed.enrolments], notes


def _one_spelling_a_name(photos: Iterable[LabelledPhoto]) -> list[LabelledPhoto]:
    """The labels with each name in the first of its spellings, see `name_key`."""
    spelling: dict[str, str] = {}
    found = []
    for photo in photos:
        name = spelling.setdefault(name_key(photo.enrolment.identity), photo.enrolment.identity)
        found.append(replace(photo, enrolment=replace(photo.enrolment, identity=name)))
    return found


def one_label_a_photo(
    photos: Iterable[LabelledPhoto], source: Path, skip_conflicts: bool = False
) -> tuple[list[LabelledPhoto], list[str]]:
    """The photos that have one name, in their order, and notes on those that have not.

    What is described of a photo is its largest animal, so a photo is left out where labels of animals name several individuals, or where
    a larger animal has no name. A label that is there twice counts once.

    Raises:
        UsageError: photos have two names, and their labels are not of several animals; all of them are listed. Not with `skip_conflicts`.
    """
    labels_of: dict[str, list[LabelledPhoto]] = {}
    for photo in photos:
        labels_of.setdefault(os.path.normpath(photo.enrolment.path), []).append(photo)
    kept: list[LabelledPhoto] = []
    several, shadowed, twice, conflicts, nameless = [], [], [], [], 0
    for labels in labels_of.values():
        named = [label for label in labels if label.enrolment.identity]
        nameless += len(labels) - len(named)
        name = labels[0].enrolment.path.name
        if len({label.enrolment.identity for label in named}) > 1:
            if all(label.animal for label in named):
                several.append(name)
            else:
                conflicts.append(_conflict(named))
        elif named and max(_areas(labels)) > max(_areas(named)):
            shadowed.append(name)
        else:
            once: dict[str, LabelledPhoto] = {}
            for label in named:
                once.setdefault(label.split, label)
            twice += [name] * (len(named) - len(once))
            kept += once.values()
    if conflicts and not skip_conflicts:
        raise UsageError(
            f"{source}: {counted(len(conflicts), 'photo')} {'has' if len(conflicts) == 1 else 'have'} two names: {'; '.join(conflicts)}.",
            "Correct one of the two; delete both where the photo shows several individuals. To leave them out: --skip-conflicts.",
        )
    notes = [
        f"{why}: {counted(len(names), noun)} ({first_few(names)})."
        for names, noun, why in (
            (conflicts, "photo", "left out because it has two names"),
            (several, "photo", "left out because several individuals are named"),
            (shadowed, "photo", "left out because a larger animal has no name"),
            (twice, "label", "counted once although it is there again"),
        )
        if names
    ]
    if nameless:
        notes.append(f"left out because no individual is named: {counted(nameless, 'label')}.")
    return kept, notes


def _conflict(labels: Sequence[LabelledPhoto]) -> str:
    """What the labels of one photo say that cannot all be true."""
    names: dict[str, LabelledPhoto] = {}
    for label in labels:
        names.setdefault(label.enrolment.identity, label)
    said = ", but ".join(f"{label.enrolment.identity} in {label.where}" for label in names.values())
    return f"{labels[0].enrolment.path} is {said}"


def without_conflicting_copies(photos: Sequence[LabelledPhoto]) -> tuple[list[LabelledPhoto], list[str]]:
    """The photos without those whose very content another file has under another name, and a note on these."""
    by_size: dict[int, list[LabelledPhoto]] = {}
    for photo in photos:
        by_size.setdefault(photo.enrolment.path.stat().st_size, []).append(photo)
    by_content: dict[str, list[LabelledPhoto]] = {}
    for group in by_size.values():
        for photo in group if len({label.enrolment.path for label in group}) > 1 else ():
            by_content.setdefault(sha256(photo.enrolment.path.read_bytes()).hexdigest(), []).append(photo)
    conflicts = [group for group in by_content.values() if len({label.enrolment.identity for label in group}) > 1]
    left_out = {label.enrolment.path for group in conflicts for label in group}
    names = [str(path.name) for path in sorted(left_out)]
    note = f"left out because files with the same content have two names: {counted(len(names), 'photo')} ({first_few(names)})."
    return [photo for photo in photos if photo.enrolment.path not in left_out], [note] if names else []


def _areas(labels: Iterable[LabelledPhoto]) -> list[float]:
    return [label.area or 0.0 for label in labels]


def _require_files(photos: Iterable[LabelledPhoto], source: Path) -> None:
    photos = list(photos)
    missing = [photo for photo in photos if not photo.enrolment.path.is_file()]
    if missing:
        examples = first_few([f"{photo.enrolment.path} ({photo.where})" for photo in missing], 3)
        raise UsageError(
            f"Missing: {len(missing)} of the {counted(len(photos), 'photo')} that {source} names: {examples}.",
            f"Paths count from the folder of {source.name}: put the photos there, or delete what names them.",
        )
