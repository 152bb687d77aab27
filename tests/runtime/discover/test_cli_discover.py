"""`reid-edge discover` as a command: its forms of output, what it refuses, and a run that is killed and continued."""

from __future__ import annotations

import csv
import io
import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import jsonschema
import numpy as np
import pytest

from reid_edge.gallery import Gallery

SCHEMA = json.loads((Path(__file__).resolve().parents[3] / "docs" / "discovery.schema.json").read_text("utf-8"))

KILLED_AFTER_FIVE_ROWS = """
import os, signal
from reid_edge.discover.rows_file import RowsFile
from reid_edge.cli import main
add = RowsFile.add
def add_or_die(rows, photo, row):
    if len(rows.rows) == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    add(rows, photo, row)
RowsFile.add = add_or_die
main()
"""


def write_photo(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(exist_ok=True)
    assert cv2.imwrite(str(path), pixels)


@pytest.fixture
def arguments(compared: Path, samples: Path, tmp_path: Path) -> tuple[object, ...]:
    """Of a run over the 24 gallery photos, which the working file holds already."""
    work = shutil.copy(compared, tmp_path / "work.sqlite")
    return "discover", samples / "gallery", "--work", work, "--device", "cpu"


def test_json_follows_the_schema_and_csv_curve_and_text_say_the_same(run_main, arguments) -> None:
    printed = run_main(*arguments, "--json")
    assert printed.returncode == 0, printed.stderr
    (line,) = printed.stdout.splitlines()
    found = json.loads(line)
    jsonschema.validate(found, SCHEMA)
    assert len(found["groups"]) == 8
    rows = list(csv.DictReader(io.StringIO(run_main(*arguments, "--csv").stdout)))
    assert [row["id"] for row in rows] == [one["id"] for each in found["groups"] for one in each["animals"]]
    curve = list(csv.DictReader(io.StringIO(run_main(*arguments, "--curve").stdout)))
    assert int(curve[-1]["total"]) == 8
    text = run_main(*arguments)
    assert all(f"{each['name']}: 3 photos" in text.stdout for each in found["groups"])
    assert "Found 8 groups and 0 animals alone" in text.stderr


def test_groups_are_enrolled_only_where_apply_says_so(run_main, arguments, tmp_path: Path) -> None:
    gallery = tmp_path / "new.sqlite"
    assert run_main(*arguments, "--gallery", gallery).returncode == 0
    assert not gallery.exists()
    applied = run_main(*arguments, "--gallery", gallery, "--apply", "0")
    assert "Enrolled 24 sightings of 8 groups." in applied.stderr
    with Gallery.open(gallery) as opened:
        assert len(opened.individuals()) == 8
    again = run_main(*arguments, "--gallery", gallery, "--apply", "0")
    assert "Enrolled 0 sightings of 0 groups." in again.stderr


def test_a_path_that_is_not_there_changes_nothing_of_an_earlier_run(run_main, arguments, tmp_path: Path) -> None:
    assert run_main(*arguments).returncode == 0
    record = tmp_path / "work.sqlite.run.json"
    before = record.read_bytes()
    mistyped = run_main("discover", tmp_path / "cadr", "--work", tmp_path / "work.sqlite", "--device", "cpu")
    assert mistyped.returncode == 2
    assert "No file could be read, so nothing was grouped." in mistyped.stderr
    assert record.read_bytes() == before


def test_photos_without_an_animal_are_no_individuals(run_main, tmp_path: Path) -> None:
    for number in (1, 2):
        write_photo(tmp_path / "card" / f"empty_{number}.png", np.full((240, 320, 3), 90 + number, np.uint8))
    found = run_main("discover", tmp_path / "card", "--work", tmp_path / "work.sqlite", "--device", "cpu")
    assert "Found 0 groups and 0 animals alone; no animal stands out in 2 photos; 0 individuals." in found.stderr


def test_what_excludes_each_other_and_an_apply_without_a_gallery_are_refused(run_main, arguments, tmp_path: Path) -> None:
    assert run_main(*arguments, "--json", "--csv").returncode == 2
    assert run_main(*arguments, "--apply", "0.9").returncode == 2
    (tmp_path / "empty").mkdir()
    assert run_main("discover", tmp_path / "empty").returncode == 2


def test_a_killed_run_is_continued_where_it_was(arguments, run_cli, environment) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED_AFTER_FIVE_ROWS, *map(str, arguments)], env=environment, check=False)
    assert killed.returncode == -signal.SIGKILL
    continued = run_cli(*arguments, "--json")
    assert continued.returncode == 0
    assert "Continuing: 5 animals of 24 were compared before." in continued.stderr
    assert len(json.loads(continued.stdout)["groups"]) == 8


def test_animals_of_a_watch_that_wait_for_a_person_are_grouped(run_cli, own_gallery, samples: Path, tmp_path: Path) -> None:
    card = tmp_path / "card"
    card.mkdir()
    shutil.copy(samples / "photos/trail_3.jpg", card)
    shutil.copy(samples / "photos/trail_2.jpg", card)
    words = ("--once", "--settle", "0s", "--gallery", own_gallery, "--out", tmp_path / "out", "--device", "cpu")
    assert run_cli("watch", card, *words).returncode == 0
    found = run_cli("discover", "--watched", tmp_path / "out", "--work", tmp_path / "work.sqlite", "--device", "cpu", "--json")
    assert found.returncode == 0, found.stderr
    assert [each["animal"]["photo"] for each in json.loads(found.stdout)["alone"]] == ["trail_3.jpg"]
    named = run_cli("discover", tmp_path / "out", "--work", tmp_path / "work.sqlite", "--device", "cpu", "--json")
    assert named.stdout == found.stdout
    nothing = run_cli("discover", "--work", tmp_path / "work.sqlite")
    assert nothing.returncode == 2
    assert "There are no photos to group." in nothing.stderr


def test_animals_of_a_gallery_that_a_person_did_not_decide_are_grouped_where_no_source_is_named(
    run_main, own_gallery, tmp_path: Path
) -> None:
    arguments = ("discover", "--gallery", own_gallery, "--work", tmp_path / "work.sqlite", "--device", "cpu", "--json")
    nothing = run_main(*arguments)
    assert nothing.returncode == 2
    assert "no animal that a person looked at and did not decide" in nothing.stderr
    with Gallery.open(own_gallery) as gallery:
        first, second, *_ = (each for each in gallery.sightings() if each.identity == "Asha")
        gallery.reject(first.photo_sha256, "Asha")
        gallery.remove_sightings([second.id])
        gallery.confirm(second.photo_sha256, "Asha")
    found = run_main(*arguments)
    assert found.returncode == 0, found.stderr
    report = json.loads(found.stdout)
    jsonschema.validate(report, SCHEMA)
    photos = [one for each in report["groups"] for one in each["animals"]] + [each["animal"] for each in report["alone"]]
    assert [one["photo"] for one in photos] == [first.photo_name]
    assert all(each["name"] != "Asha" for each in report["groups"])
