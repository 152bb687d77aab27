"""COCO Camera Traps JSON, as LILA, Wild Me and Wildbook write it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reid_edge.errors import UsageError
from reid_edge_calibration.labels.coco_camera_traps import read_coco_camera_traps

CATEGORIES = [{"id": 0, "name": "empty"}, {"id": 3, "name": "leopard"}]
IMAGE = {"id": "i1", "file_name": "a.jpg", "seq_id": "s1", "datetime": "2020-01-31 09:52:50", "location": 12}


def written(
    folder: Path, annotations: Any, images: Any = (IMAGE,), categories: Any = CATEGORIES, name: str = "labels.json"
) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"info": {}, "images": images, "annotations": annotations, "categories": categories}))
    return path


def test_an_annotation_and_its_image_say_who_when_and_where(tmp_path: Path) -> None:
    annotation = {
        "id": 7,
        "image_id": "i1",
        "category_id": 3,
        "individual_id": "L4",
        "viewpoint": "Right",
        "bbox": [1, 2, 30, 40],
    }
    photos, notes = read_coco_camera_traps(written(tmp_path, [annotation]))
    (photo,) = photos
    taken = photo.enrolment
    assert (taken.path, taken.identity, taken.species, taken.viewpoint) == (tmp_path / "a.jpg", "L4", "leopard", "right")
    assert (taken.encounter, taken.taken_at, taken.place) == ("s1", "2020-01-31 09:52:50", "12")
    assert (photo.where, photo.area, photo.animal) == ("annotation 1 (id 7)", 1200, True)
    assert notes == []


@pytest.mark.parametrize(
    ("keys", "names"),
    [
        ({"individual_id": 4}, ["4"]),
        ({"identity": "Ada"}, ["Ada"]),
        ({"individual": "Ada", "name": "leopard"}, ["Ada"]),
        ({"individual_ids": ["Ada"]}, ["Ada"]),
        ({"individual_ids": ["Ada", "Bo"]}, ["Ada", "Bo"]),
        # Wild Me's exports: the name, and the annotations of the same individual; later ones number the individuals.
        ({"name": "GIR_01", "individual_ids": [7, 9, 11]}, ["GIR_01"]),
        ({"name": "GIR_01", "individual_ids": [0], "individual_uuid": "f00"}, ["GIR_01"]),
        ({"individual_ids": [9, 7, 11]}, ["11"]),
        ({"name": "____", "individual_ids": []}, [""]),
        ({"name": None}, [""]),
        ({"name": "leopard"}, [""]),
        ({}, [""]),
    ],
)
def test_whom_an_annotation_shows_is_found_in_every_dialect(tmp_path: Path, keys: dict[str, Any], names: list[str]) -> None:
    photos, _ = read_coco_camera_traps(written(tmp_path, [{"id": 7, "image_id": "i1", "category_id": 3, **keys}]))
    assert [photo.enrolment.identity for photo in photos] == names


def test_ids_match_as_number_and_as_text_and_na_is_no_date(tmp_path: Path) -> None:
    image = {"id": 5, "file_name": "a.jpg", "date_captured": "NA"}
    photos, _ = read_coco_camera_traps(written(tmp_path, [{"image_id": "5", "category_id": "3", "name": "Ada"}], [image]))
    assert [(photo.enrolment.species, photo.enrolment.taken_at) for photo in photos] == [("leopard", "")]


def test_photos_are_found_where_wild_me_has_them(tmp_path: Path) -> None:
    (tmp_path / "images" / "train2020").mkdir(parents=True)
    (tmp_path / "images" / "train2020" / "a.jpg").write_bytes(b"")
    path = written(tmp_path, [{"image_id": "i1", "name": "Ada"}], name="annotations/instances_train2020.json")
    photos, _ = read_coco_camera_traps(path)
    assert photos[0].enrolment.path == tmp_path / "images" / "train2020" / "a.jpg"


def test_corrupt_images_are_left_out_with_a_note(tmp_path: Path) -> None:
    photos, notes = read_coco_camera_traps(written(tmp_path, [{"image_id": "i1", "name": "Ada"}], [{**IMAGE, "corrupt": True}]))
    assert photos == []
    assert notes == ["left out because the image is marked as corrupt: 1 annotation."]


@pytest.mark.parametrize(
    ("annotations", "images", "problem"),
    [
        ([{"id": 7, "image_id": "i2"}], [IMAGE], r"annotation 1 \(id 7\) .* image 'i2', which is not there"),
        ([{"image_id": "i1"}, {"image_id": "i1", "category_id": 9}], [IMAGE], "annotation 2 .* category 9"),
        ([{"image_id": "i1", "individual_id": {"name": "Ada"}}], [IMAGE], "annotation 1 .* individual_id"),
        ([{"image_id": "i1", "bbox": [1, 2]}], [IMAGE], r"annotation 1 .* bbox \[1, 2\]"),
        (["Ada"], [IMAGE], "annotation 1 .* no object"),
        ([], [{"id": 1}], r"image 1 \(id 1\) .* no file_name"),
        ([], [IMAGE, IMAGE], r"image 2 \(id i1\) .* id of another image"),
        ({}, [IMAGE], "no lists images and annotations"),
    ],
)
def test_a_wrong_file_is_refused_by_annotation_or_image(tmp_path: Path, annotations: Any, images: Any, problem: str) -> None:
    with pytest.raises(UsageError, match=problem) as raised:
        read_coco_camera_traps(written(tmp_path, annotations, images))
    assert raised.value.hint


def test_what_is_no_json_is_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "labels.json").write_text('{\n "images": [}')
    with pytest.raises(UsageError, match="line 2"):
        read_coco_camera_traps(tmp_path / "labels.json")
