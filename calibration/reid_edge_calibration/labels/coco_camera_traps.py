"""Labels of a COCO Camera Traps JSON, with individuals as Wild Me's and Wildbook's exports name them.

The format: https://lila.science/coco-camera-traps. It knows no individuals; data sets add a key to the annotation.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from reid_edge.errors import ReidEdgeError, UsageError
from reid_edge.gallery.enrolment_list import Enrolment
from reid_edge.gallery.names import is_placeholder
from reid_edge.gallery.records import identity_name
from reid_edge_calibration.labels.csv_table import MISSING
from reid_edge_calibration.labels.labelled_photo import LabelledPhoto, counted

INDIVIDUAL_KEYS = ("individual_id", "identity", "individual", "individual_name", "name", "individual_ids")
"""Where an annotation may say whom it shows; the first that says something counts. `individual_ids` comes last because Wild Me's older
exports list there the annotations of the same individual, whose name is `name`.
"""


def read_coco_camera_traps(file: Path) -> tuple[list[LabelledPhoto], list[str]]:
    """Every annotation of a JSON file, in its order; photos are not opened.

    Of an image it takes ``file_name``, ``seq_id`` (the encounter), ``datetime`` or ``date_captured`` and ``location``; of an annotation one
    of `INDIVIDUAL_KEYS`, ``viewpoint`` or ``orientation``, and ``bbox``; the species is the category's name. Photos are looked for in the
    file's folder, in ``images`` in or beside it, and where Wild Me's exports have them.

    Returns:
        the labels, those of animals without a name too, and notes.

    Raises:
        UsageError: it is not JSON of this format, or an annotation or image is wrong, which is named.
    """
    data = _load(file)
    images = _by_id(file, data, "images", "image", "file_name")
    categories = _by_id(file, data, "categories", "category", "name")
    root = _photo_root(file, [str(image["file_name"]) for image in images.values()])
    photos, corrupt = [], 0
    for which, annotation in _objects(file, data["annotations"], "annotation"):
        image = images.get(_key(annotation.get("image_id")))
        if image is None:
            raise UsageError(
                f"{which} of {file} is of the image {annotation.get('image_id')!r}, which is not there.", "Correct its image_id."
            )
        if image.get("corrupt") is True:
            corrupt += 1
            continue
        for name in _individuals(file, which, annotation) or [""]:
            photos.append(_photo(file, which, annotation, image, categories, root, name))
    return photos, [f"left out because the image is marked as corrupt: {counted(corrupt, 'annotation')}."] if corrupt else []


def _load(file: Path) -> dict[str, Any]:
    try:
        data = json.loads(file.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is not UTF-8 text.", "Save it as JSON in UTF-8.") from error
    except (json.JSONDecodeError, RecursionError) as error:
        raise UsageError(f"{file} cannot be read as JSON: {error}.", "Save it as JSON in UTF-8.") from error
    if not isinstance(data, dict) or not all(isinstance(data.get(key), list) for key in ("images", "annotations")):
        raise UsageError(
            f"{file} has no lists images and annotations.",
            "Give a COCO Camera Traps JSON, see https://lila.science/coco-camera-traps.",
        )
    return data


def _objects(file: Path, items: object, what: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each object of a list with what messages call it."""
    for number, item in enumerate(items if isinstance(items, list) else [], start=1):
        if not isinstance(item, dict):
            raise UsageError(f"{what} {number} of {file} is no object.", "Write it as {...}.")
        yield f"{what} {number}" + (f" (id {item['id']})" if "id" in item else ""), item


def _by_id(file: Path, data: Mapping[str, Any], key: str, what: str, needed: str) -> dict[str, Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = {}
    for which, item in _objects(file, data.get(key), what):
        if "id" not in item or not isinstance(item.get(needed), str) or not item[needed].strip() or "\0" in item[needed]:
            raise UsageError(f"{which} of {file} has no id or no {needed}.", "Fill it in, or delete it.")
        if found.setdefault(_key(item["id"]), item) is not item:
            raise UsageError(f"{which} of {file} has the id of another {what}.", "Give each an id of its own.")
    return found


def _key(value: object) -> str:
    """An id as text: some files write it once as a number and once as text."""
    return str(value)


def _photo(
    file: Path,
    which: str,
    annotation: Mapping[str, Any],
    image: Mapping[str, Any],
    categories: Mapping[str, Mapping[str, Any]],
    root: Path,
    identity: str,
) -> LabelledPhoto:
    category = annotation.get("category_id")
    if category is not None and _key(category) not in categories:
        raise UsageError(f"{which} of {file} has the category {category!r}, which is not there.", "Correct its category_id.")
    species = "" if category is None else str(categories[_key(category)]["name"]).strip()
    viewpoint = _text(annotation, "viewpoint", "orientation").lower()
    enrolment = Enrolment(
        path=root / image["file_name"],
        identity="" if identity == species else identity,  # plain COCO files may repeat the category as the name
        species=species,
        viewpoint="" if is_placeholder(viewpoint) else viewpoint,
        taken_at=_text(image, "datetime", "date_captured"),
        encounter=_text(image, "seq_id"),
        place=_text(image, "location"),
    )
    return LabelledPhoto(enrolment, which, animal=True, area=_area(file, which, annotation))


def _individuals(file: Path, which: str, annotation: Mapping[str, Any]) -> list[str]:
    """The names of whom it shows: one, or several where it is of a group; none where it says nothing."""
    for key in INDIVIDUAL_KEYS:
        value = annotation.get(key)
        values = value if isinstance(value, list) else [value]
        if annotation.get("id") in values and key == "individual_ids":  # what belongs together, and its least the name of all
            values = sorted(values, key=str)[:1]
        for each in values:
            if isinstance(each, (dict, list, bool)):
                raise UsageError(f"{which} of {file} has the {key} {str(value)[:60]}.", "Write a name or a number.")
        try:
            names = [identity_name(str(each)) for each in values if not is_placeholder(str(each))]
        except ReidEdgeError as error:
            raise UsageError(f"{which} of {file}: {error.message}", error.hint) from None
        if names:
            return names
    return []


def _text(item: Mapping[str, Any], *keys: str) -> str:
    """The first of the keys that says something."""
    for key in keys:
        value = item.get(key)
        if value is not None and str(value).strip().lower() not in MISSING:
            return str(value).strip()
    return ""


def _area(file: Path, which: str, annotation: Mapping[str, Any]) -> float | None:
    box = annotation.get("bbox") or annotation.get("bbox_relative")
    if not box:
        return None
    try:
        _, _, width, height = map(float, box)
    except (TypeError, ValueError):
        raise UsageError(f"{which} of {file} has the bbox {str(box)[:60]}.", "Write [x, y, width, height].") from None
    return width * height


def _photo_root(file: Path, names: list[str]) -> Path:
    """The folder that holds most of the photos; the file's own where none holds any."""
    above = file.parent.parent
    # Wild Me: annotations/instances_train2020.json beside images/train2020.
    part = file.stem.rsplit("_", 1)[-1]
    places = (file.parent, file.parent / "images", above, above / "images", above / "images" / part)
    return max(places, key=lambda place: sum(os.path.isfile(place / name) for name in names))  # noqa: PTH113 - fast for 100,000s
