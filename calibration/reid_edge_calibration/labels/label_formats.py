"""Labels from what a user has: a CSV table, a COCO Camera Traps JSON, or a folder per individual."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from reid_edge.errors import StorageError, UsageError
from reid_edge.gallery.enrolment_list import METADATA, read_source
from reid_edge_calibration.labels.coco_camera_traps import read_coco_camera_traps
from reid_edge_calibration.labels.csv_table import UNNAMED, read_csv_table
from reid_edge_calibration.labels.labelled_photo import LabelledPhoto, LabelledSource, counted, first_few

KINDS = f"a CSV table, a COCO Camera Traps JSON, a folder that holds {METADATA}, or a folder with a sub-folder per individual"


def read_labels(path: Path, fold: str | None = None) -> LabelledSource:
    """The labels of one source, one a photo; the photos are not opened, but have to be there.

    Args:
        path: a CSV table (`csv_table`), a COCO Camera Traps JSON (`coco_camera_traps`), a folder that holds metadata.csv, or a folder with
            a sub-folder per individual.
        fold: rows of this fold only, of a table; None for all.

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
        elif kind == ".json":
            photos, notes = read_coco_camera_traps(table)
        elif kind == "folder" and path.is_dir():
            photos = _folder_per_individual(path)
        else:
            raise UsageError(f"{path} holds no labels.", f"Give {KINDS}.")
    except OSError as error:
        raise StorageError(
            f"{error.filename or path} cannot be read: {error.strerror or error}.", "Check the permissions."
        ) from error
    kept, left_out = one_label_a_photo(photos, path)
    if not kept:
        raise UsageError(f"{path} names no individual.", "Whom a photo shows has to be known: there is nothing to learn from.")
    _require_files(kept, path)
    name = (path if path.is_dir() else path.parent).resolve().name
    return LabelledSource(name, tuple(kept), tuple(f"{name}: {note}" for note in (*notes, *left_out)))


def _folder_per_individual(folder: Path) -> list[LabelledPhoto]:
    try:
        found = [LabelledPhoto(each, str(each.path.relative_to(folder))) for each in read_source(folder)]
    except UsageError as error:
        raise UsageError(error.message, f"Give {KINDS}.") from error
    nameless = [replace(photo, enrolment=replace(photo.enrolment, identity="")) for photo in found]
    return [other if photo.enrolment.identity.lower() == UNNAMED else photo for photo, other in zip(found, nameless, strict=True)]


def one_label_a_photo(photos: Iterable[LabelledPhoto], source: Path) -> tuple[list[LabelledPhoto], list[str]]:
    """The photos that have one name, in their order, and notes on those that have not.

    What is described of a photo is its largest animal, so a photo is left out where labels of animals name several individuals, or where
    a larger animal has no name. A label that is there twice counts once.

    Raises:
        UsageError: a photo has two names, and its labels are not of several animals.
    """
    labels_of: dict[str, list[LabelledPhoto]] = {}
    for photo in photos:
        labels_of.setdefault(os.path.normpath(photo.enrolment.path), []).append(photo)
    kept: list[LabelledPhoto] = []
    several, shadowed, twice, nameless = [], [], [], 0
    for labels in labels_of.values():
        named = [label for label in labels if label.enrolment.identity]
        nameless += len(labels) - len(named)
        name = labels[0].enrolment.path.name
        if len({label.enrolment.identity for label in named}) > 1:
            if not all(label.animal for label in named):
                first = named[0]
                other = next(label for label in named if label.enrolment.identity != first.enrolment.identity)
                raise UsageError(
                    f"{source}: {first.enrolment.path} is {first.enrolment.identity} in {first.where}, but "
                    f"{other.enrolment.identity} in {other.where}.",
                    "Correct one of the two; delete both where the photo shows several individuals.",
                )
            several.append(name)
        elif named and max(_areas(labels)) > max(_areas(named)):
            shadowed.append(name)
        else:
            once: dict[str, LabelledPhoto] = {}
            for label in named:
                once.setdefault(label.split, label)
            twice += [name] * (len(named) - len(once))
            kept += once.values()
    notes = [
        f"{why}: {counted(len(names), noun)} ({first_few(names)})."
        for names, noun, why in (
            (several, "photo", "left out because several individuals are named"),
            (shadowed, "photo", "left out because a larger animal has no name"),
            (twice, "label", "counted once although it is there again"),
        )
        if names
    ]
    if nameless:
        notes.append(f"left out because no individual is named: {counted(nameless, 'label')}.")
    return kept, notes


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
