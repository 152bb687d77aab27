"""bench enrolment: photos enrolled in a process of its own, its memory read on the way."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import reid_edge
from reid_edge.errors import PackError, UsageError
from reid_edge.gallery import Gallery
from reid_edge_benchmarks.cli import bench
from reid_edge_benchmarks.enrolment import EnrolmentFigures, Mark, measure_enrolment, photos_of
from reid_edge_benchmarks.rendered_photos import render_photos

SAMPLES = Path(reid_edge.__file__).parent / "samples"


def test_each_stretch_of_photos_leaves_a_mark_and_the_last_photo_too(tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_text("no photo")
    figures = measure_enrolment([*photos_of(SAMPLES, 3), broken], tmp_path / "gallery.sqlite", 2, "field", threads=1)
    assert (figures.photos, figures.failed) == (3, 1)
    assert [mark.photos for mark in figures.marks] == [1, 2, 4]
    assert [mark.seconds for mark in figures.marks] == sorted(mark.seconds for mark in figures.marks)
    assert figures.marks[-1].seconds <= figures.seconds
    peaks = [mark.peak_bytes for mark in figures.marks]
    assert peaks == sorted(peaks)
    assert 100e6 < peaks[0] < 2e9
    with Gallery.open(tmp_path / "gallery.sqlite", writable=False) as gallery:
        assert len(gallery.sightings()) == 3


def test_an_error_of_the_other_process_is_told_here(tmp_path: Path) -> None:
    with pytest.raises(PackError):
        measure_enrolment(photos_of(SAMPLES, 1), tmp_path / "gallery.sqlite", 1, str(tmp_path / "no-pack"))


def test_peak_memory_grows_by_what_is_taken_and_does_not_shrink() -> None:
    script = """
from reid_edge_benchmarks.enrolment import peak_memory
before = peak_memory(); taken = bytearray(b"x" * 200_000_000); with_it = peak_memory(); del taken
print(with_it - before, peak_memory() - before)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    for grown in map(int, done.stdout.split()):
        assert 190e6 < grown < 450e6  # bytearray copies the bytes that it is made of


def test_a_metadata_table_stands_for_the_photos_of_its_folder() -> None:
    assert photos_of(SAMPLES / "metadata.csv", 5) == photos_of(SAMPLES, 5)
    assert len(photos_of(SAMPLES, 1000)) == 30


def test_a_folder_without_photos_or_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no photos"):
        photos_of(tmp_path, 5)
    with pytest.raises(UsageError, match="gone"):
        photos_of(tmp_path / "gone", 5)


def test_rendered_photos_are_kept_and_only_missing_ones_are_rendered(tmp_path: Path) -> None:
    photos = render_photos(tmp_path, 2, lambda items, what, total: items)
    assert len(set(photos)) == 2
    assert photos[0].read_bytes() != photos[1].read_bytes()
    first = photos[0].read_bytes()
    photos[0].unlink()
    photos[1].write_bytes(b"kept")
    assert render_photos(tmp_path, 2, lambda items, what, total: items) == photos
    assert photos[0].read_bytes() == first
    assert photos[1].read_bytes() == b"kept"


def test_the_command_reports_photos_a_second_and_memory(tmp_path: Path) -> None:
    report = tmp_path / "figures.json"
    arguments = ["enrolment", "--photos", "2", "--every", "1", "--source", str(SAMPLES), "--json", str(report), "--threads", "1"]
    result = CliRunner().invoke(bench, arguments)
    assert result.exit_code == 0, result.output
    assert "peak memory, MB" in result.output
    assert "Enrolled 2 photos" in result.output
    facts = json.loads(report.read_text(encoding="utf-8"))
    assert facts["photos_per_second"] == pytest.approx(2 / facts["seconds"])


def test_photos_that_could_not_be_read_are_said() -> None:
    marks = (Mark(1, 0.5, 300_000_000),)
    assert "could not be read: 1." in EnrolmentFigures(9, 1, 5.0, 2_000_000, marks).as_text()
    assert "2.00 photos a second" in EnrolmentFigures(10, 0, 5.0, 2_000_000, marks).as_text()
