"""`reid-edge bulk` as a process: what it prints, that a second run does nothing, and what it needs."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys

import pytest


@pytest.fixture
def animals(samples, tmp_path):
    """A photo each of two individuals, and a file that is no photo."""
    folder = tmp_path / "animals"
    for name in ("Asha", "Enzi"):
        (folder / name).mkdir(parents=True)
        shutil.copy(samples / "gallery" / name / f"{name.lower()}_1.jpg", folder / name)
    (folder / "Enzi" / "text.jpg").write_text("not a photo")
    return folder


def without_progress(stderr: str) -> str:
    return re.sub(r"^Describing: .*\n", "", stderr, flags=re.MULTILINE)


def test_photos_are_described_on_a_ray_that_ends_with_the_command_and_a_second_run_starts_none(
    command, environment, run_cli, animals, tmp_path
):
    pytest.importorskip("ray")
    # Without the limit of `run_cli`: a busy machine takes minutes to start a Ray.
    arguments = [*command, "bulk", "describe", "animals", "--device", "cpu", "--workers", "1"]
    first = subprocess.run(arguments, capture_output=True, text=True, env=environment, cwd=tmp_path, check=False)
    if "Ray on this machine cannot be used" in first.stderr:
        pytest.skip("this machine is too busy to start a Ray")
    assert (first.returncode, first.stdout) == (1, "")
    said = without_progress(first.stderr).splitlines()
    assert said[:2] == ["2 files enrolled.", "1 file that could not be read."]
    assert said[2].startswith("failed: text.jpg is a text file, not a photo.")
    assert said[3:] == ["The results are in bulk-describe."]
    second = run_cli("bulk", "describe", "animals", "--device", "cpu", RAY_ADDRESS="127.0.0.1:1")
    assert second.returncode == 1
    assert second.stderr.splitlines()[0] == "Done before: 3 files."
    assert [line.split("\t")[0] for line in run_cli("gallery", "list").stdout.splitlines()] == ["name", "Asha", "Enzi"]


def test_answers_of_the_results_are_printed_as_identify_prints_them(run_main, small_gallery, samples, tmp_path, monkeypatch):
    pytest.importorskip("ray")
    from reid_edge.bulk.identify import IdentifyRun
    from reid_edge.bulk.opening import BulkPack
    from reid_edge.describe.query import Query
    from reid_edge.gallery import Gallery

    path = samples / "photos" / "trail_1.jpg"
    with Gallery.open(small_gallery, writable=False) as gallery:
        run = IdentifyRun(gallery, BulkPack("field", "cpu"), tmp_path / "bulk-identify", [path], Query())
        with run:
            ((photo, facts),) = run.pending
            run.take([(photo, facts, *run.recipe().open().process([photo]))])
    done = run_main("bulk", "identify", path, "--gallery", small_gallery, "--json")
    assert done.returncode == 0
    assert done.stderr.splitlines() == ["Done before: 1 file.", "The results are in bulk-identify."]
    assert json.loads(done.stdout)["photo"]["name"] == "trail_1.jpg"


def test_without_ray_the_command_that_installs_it_is_said(run_main, animals, monkeypatch):
    for name in [each for each in sys.modules if each == "ray" or each.startswith(("ray.", "reid_edge.bulk.ray_pool"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "ray", None)
    done = run_main("bulk", "describe", "animals")
    assert done.returncode == 1
    assert "reid-edge bulk needs the package ray, which is not installed." in done.stderr
    assert "[ray]" in done.stderr


def test_a_cluster_that_cannot_be_reached_is_told_and_nothing_is_lost(run_main, animals):
    pytest.importorskip("ray")
    done = run_main("bulk", "describe", "animals", "--address", "127.0.0.1:1")
    assert done.returncode == 3
    assert "There is no Ray cluster at 127.0.0.1:1: Connection refused." in done.stderr
    assert "ray start --head" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["identify"], "There is no SOURCE."),
        (["identify", "nothing"], "There is nothing at nothing."),
        (["describe", "--unnamed"], "--unnamed needs a SOURCE."),
        (["audit", "--json", "--csv"], "--json and --csv exclude each other."),
    ],
)
def test_what_makes_no_sense_is_refused(run_main, arguments, message):
    pytest.importorskip("ray")
    done = run_main("bulk", *arguments)
    assert done.returncode == 2
    assert message in done.stderr
