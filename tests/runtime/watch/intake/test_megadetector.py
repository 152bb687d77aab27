"""MegaDetector's result files: boxes by photo in pixels, nothing guessed, and every file that is not one refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reid_edge.errors import UsageError
from reid_edge.watch.intake.megadetector import read_megadetector

CATEGORIES = {"1": "animal", "2": "person", "3": "vehicle"}


def whole(image):
    return f'{{"detection_categories": {{"1": "animal"}}, "images": [{image}]}}'


def detection(bbox=(0.1, 0.2, 0.5, 0.25), conf=0.9, category="1", **more):
    return {"category": category, "conf": conf, "bbox": list(bbox), **more}


@pytest.fixture
def results(tmp_path):
    """results(images, **info): a result file in a folder of its own."""

    def write(images, **info):
        path = tmp_path / "md" / "results.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(
            json.dumps({"info": {"format_version": "1.4", **info}, "detection_categories": CATEGORIES, "images": images})
        )
        return path

    return write


def test_boxes_of_animals_come_in_pixels_and_those_of_people_do_not(results):
    path = results(
        [{"file": "card/1.jpg", "detections": [detection(), detection(category="2"), detection((0.5, 0.5, 0.1, 0.1))]}]
    )
    boxes = read_megadetector(path).boxes(Path("/w/card/1.jpg"), Path("/w"), 1000, 800)
    assert boxes == [pytest.approx((100, 160, 600, 360)), pytest.approx((500, 400, 600, 480))]


def test_a_photo_without_animals_is_empty_and_one_that_is_not_told_of_is_unknown(results):
    found = read_megadetector(
        results(
            [
                {"file": "empty.jpg", "detections": []},
                {"file": "people.jpg", "detections": [detection(category="2")]},
                {"file": "faint.jpg", "detections": [detection(conf=0.19)]},
                {"file": "broken.jpg", "failure": "Failure image access", "detections": None},
                {"file": "old-broken.jpg", "failure": "Failure image access"},
                {"file": "clip.mp4", "frame_rate": 20, "frames_processed": [0], "detections": [detection(frame_number=0)]},
            ]
        )
    )
    answers = {name: found.boxes(Path("/w") / name, Path("/w"), 100, 100) for name in ("empty.jpg", "people.jpg", "faint.jpg")}
    assert answers == {"empty.jpg": [], "people.jpg": [], "faint.jpg": []}
    for name in ("broken.jpg", "old-broken.jpg", "clip.mp4", "other.jpg"):
        assert found.boxes(Path("/w") / name, Path("/w"), 100, 100) is None


def test_a_photo_is_found_by_its_path_below_a_folder_or_its_whole_path_and_never_by_its_name(results, tmp_path):
    found = read_megadetector(
        results(
            [
                {"file": "north\\DCIM\\IMG_1.JPG", "detections": [detection((0, 0, 0.5, 0.5))]},
                {"file": "/cards/south/IMG_1.JPG", "detections": []},
                {"file": "./beside.jpg", "detections": []},
            ]
        )
    )
    assert found.boxes(Path("/w/north/DCIM/IMG_1.JPG"), Path("/w"), 10, 10) == [(0, 0, 5, 5)]
    assert found.boxes(Path("/cards/south/IMG_1.JPG"), Path("/cards"), 10, 10) == []
    assert found.boxes(tmp_path / "md" / "beside.jpg", Path("/w"), 10, 10) == []
    assert found.boxes(Path("/w/west/DCIM/IMG_1.JPG"), Path("/w"), 10, 10) is None
    assert found.boxes(Path("/w/IMG_1.JPG"), Path("/w"), 10, 10) is None


@pytest.mark.parametrize(
    ("info", "given", "wanted"),
    [({}, None, 0.2), ({"detector_metadata": {"typical_detection_threshold": 0.8}}, None, 0.8), ({}, 0.5, 0.5)],
)
def test_the_threshold_is_the_given_one_else_the_files_else_the_usual(results, info, given, wanted):
    images = [{"file": "1.jpg", "detections": [detection(conf=wanted), detection(conf=wanted - 0.01)]}]
    found = read_megadetector(results(images, **info), given)
    assert found.threshold == wanted
    assert len(found.boxes(Path("/w/1.jpg"), Path("/w"), 10, 10) or ()) == 1


def test_a_box_that_sticks_out_is_cut_at_the_edge(results):
    found = read_megadetector(results([{"file": "1.jpg", "detections": [detection((-0.01, 0.9, 1.2, 0.1001))]}]))
    assert found.boxes(Path("/w/1.jpg"), Path("/w"), 100, 100) == [pytest.approx((0, 90, 100, 100))]


@pytest.mark.parametrize(
    "text",
    [
        "not json",
        "[]",
        "{}",
        '{"detection_categories": {"1": "animal"}}',
        '{"detection_categories": ["animal"], "images": []}',
        whole('{"detections": []}'),
        whole('{"file": "a", "detections": [{"category": "1", "conf": 1}]}'),
        whole('{"file": "a", "detections": [{"category": "1", "conf": 1, "bbox": [1]}]}'),
        whole('{"file": "a", "detections": [{"category": "1", "conf": 1, "bbox": [0, 0, NaN, 1]}]}'),
        "[" * 100_000,
    ],
)
def test_a_file_that_is_not_megadetectors_is_refused(tmp_path, text):
    path = tmp_path / "results.json"
    path.write_text(text)
    with pytest.raises(UsageError) as refused:
        read_megadetector(path)
    assert str(path) in refused.value.message
    assert refused.value.hint


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        read_megadetector(tmp_path / "no.json")


def test_a_file_of_another_machine_is_matched_by_the_longest_common_end_of_the_paths(results):
    found = read_megadetector(
        results(
            [
                {"file": f"D:\\Card\\cam{cam}\\IMG_{n}.JPG", "detections": [detection((0, 0, cam / 10, n / 10))]}
                for cam in (1, 2)
                for n in (1, 2)
            ]
        )
    )
    assert found.boxes(Path("/media/me/card/cam1/IMG_1.JPG"), Path("/media/me/card"), 10, 10) == [pytest.approx((0, 0, 1, 1))]
    assert found.boxes(Path("/media/me/card/CAM2/img_2.jpg"), Path("/media/me/card"), 10, 10) == [pytest.approx((0, 0, 2, 2))]
    assert found.boxes(Path("/media/cam2/IMG_1.JPG"), Path("/media/cam2"), 10, 10) == [pytest.approx((0, 0, 2, 1))]
    assert found.boxes(Path("/archive/2024/cam1/IMG_2.JPG"), Path("/archive"), 10, 10) == [pytest.approx((0, 0, 1, 2))]
    assert found.boxes(Path("/media/me/card/cam3/IMG_1.JPG"), Path("/media/me/card"), 10, 10) is None
    assert found.boxes(Path("/media/me/IMG_1.JPG"), Path("/media/me"), 10, 10) is None
    assert (found.asked, found.found) == (6, 4)


def test_two_entries_that_fit_equally_well_give_nothing(results):
    found = read_megadetector(results([{"file": f"/{card}/x/DCIM/1.jpg", "detections": []} for card in "ab"]))
    assert found.boxes(Path("/w/DCIM/1.jpg"), Path("/w"), 10, 10) is None
