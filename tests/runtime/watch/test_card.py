"""A card as people have it: photos without a time beside their side-cars, and boxes that were found on another machine."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import cv2
import pytest


@pytest.fixture
def card(samples: Path, tmp_path: Path) -> Path:
    """Three photos of a burst without EXIF, the first with companions."""
    folder = tmp_path / "card" / "cam1"
    folder.mkdir(parents=True)
    for number, photo in enumerate(sorted((samples / "photos").glob("*.jpg"))[:3]):
        cv2.imwrite(str(folder / f"IMG_20240501_10000{number}.JPG"), cv2.imread(str(photo)))
    (folder / "IMG_20240501_100000.JPG.xmp").write_text("<other/>")
    (folder / "IMG_20240501_100000.wav").write_bytes(b"sound")
    return folder.parent


def _answers(out: Path) -> list[dict[str, str]]:
    with (out / "answers.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_times_in_names_make_one_event_and_boxes_of_another_machine_are_used(run_cli, own_gallery, card, tmp_path):
    boxes = [
        {
            "file": f"D:\\Card\\cam1\\IMG_20240501_10000{n}.JPG",
            "detections": [{"category": "1", "conf": 0.9, "bbox": [0.1, 0.1, 0.8, 0.8]}],
        }
        for n in (0, 1)
    ]
    results = {"info": {}, "detection_categories": {"1": "animal"}, "images": boxes}
    (tmp_path / "boxes.json").write_text(json.dumps(results))
    done = run_cli(
        *("watch", card, "--once", "--settle", "0s", "--gallery", own_gallery, "--out", tmp_path / "out", "--device", "cpu"),
        *("--move", "--time-from-name", "IMG_%Y%m%d_%H%M%S", "--megadetector", tmp_path / "boxes.json"),
    )
    assert done.returncode == 0, done.stderr
    assert "gave the boxes of 2 of 3 photos" in done.stderr
    answers = _answers(tmp_path / "out")
    assert {row["event"] for row in answers} == {"1"}
    assert {row["taken_at"] for row in answers} == {f"2024-05-01T10:00:0{second}" for second in range(3)}
    assert [path.name for path in (card / "cam1").iterdir()] == []
    (photo,) = (tmp_path / "out" / "done").rglob("IMG_20240501_100000.JPG")
    assert photo.with_name(photo.name + ".xmp").read_text() == "<other/>"
    assert photo.with_suffix(".wav").read_bytes() == b"sound"


@pytest.mark.slow
def test_without_a_pattern_a_missing_time_stays_missing_and_boxes_of_other_files_are_a_warning(
    run_cli, own_gallery, card, tmp_path
):
    image = {"file": "D:\\Other\\cam9\\IMG_20240501_100000.JPG", "detections": []}
    results = {"info": {}, "detection_categories": {"1": "animal"}, "images": [image]}
    (tmp_path / "boxes.json").write_text(json.dumps(results))
    done = run_cli(
        *("watch", card, "--once", "--settle", "0s", "--gallery", own_gallery, "--out", tmp_path / "out", "--device", "cpu"),
        *("--megadetector", tmp_path / "boxes.json"),
    )
    assert done.returncode == 0, done.stderr
    assert "has none of the 3 photos so far" in done.stderr
    assert {row["taken_at"] for row in _answers(tmp_path / "out")} == {""}


def test_identify_and_gallery_add_read_the_time_from_the_name(run_cli, own_gallery, card):
    photo = card / "cam1" / "IMG_20240501_100001.JPG"
    words = (photo, "--gallery", own_gallery, "--device", "cpu", "--time-from-name", "IMG_%Y%m%d_%H%M%S")
    done = run_cli("identify", *words, "--json")
    assert json.loads(done.stdout)["photo"]["taken_at"] == "2024-05-01T10:00:01"
    assert run_cli("gallery", "add", *words, "--identity", "Kito").returncode == 0
    assert "2024-05-01T10:00:01" in run_cli("gallery", "show", "Kito", "--gallery", own_gallery).stdout
    refused = run_cli("identify", photo, "--gallery", own_gallery, "--time-from-name", "IMG_*")
    assert refused.returncode == 2
