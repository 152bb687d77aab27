"""Answers of a run over many photos are those of `identify`, each once."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from reid_edge.bulk.identify import IdentifyRun
from reid_edge.bulk.source import source_paths
from reid_edge.decide.decision import SCHEMA
from reid_edge.decide.facts import UNREADABLE
from reid_edge.describe.query import Query
from reid_edge.gallery import Gallery

pytest.importorskip("pyarrow")


@pytest.fixture
def photos(samples, tmp_path) -> Path:
    """Two photos, one of them twice, and a file that is no photo."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("trail_1.jpg", "trail_2.jpg"):
        shutil.copy(samples / "photos" / name, folder)
    shutil.copy(folder / "trail_1.jpg", folder / "trail_1_copy.jpg")
    (folder / "text.jpg").write_text("not a photo")
    return folder


def identify(gallery: Path, pack, pool, folder: Path, photos: Path, **facts: str) -> IdentifyRun:
    with Gallery.open(gallery, writable=False) as opened:
        with IdentifyRun(opened, pack, folder, source_paths([photos]), Query(top=3, **facts)) as run:
            list(run.run(pool, 3))
        return run


def test_each_animal_has_the_answer_of_identify_and_each_file_a_row(
    pool, pack, photos, sample_gallery, answers, rows_of, tmp_path
):
    run = identify(sample_gallery.path, pack, pool, tmp_path / "results", photos, viewpoint="left")
    assert run.counts == {"answered": 2, "copy": 1, "failed": 1}
    rows = {
        Path(row["path"]).name: row for row in rows_of(tmp_path / "results", "path", "status", "identity", "verdict", "decision")
    }
    assert {name: row["status"] for name, row in rows.items()} == {
        "text.jpg": "failed",
        "trail_1.jpg": "answered",
        "trail_1_copy.jpg": "copy",
        "trail_2.jpg": "answered",
    }
    for name in ("trail_1.jpg", "trail_2.jpg"):
        assert (rows[name]["verdict"], rows[name]["identity"]) == (answers[name].verdict, answers[name].identity)
    printed = {each["photo"]["name"]: each["schema"] for each in map(json.loads, run.answers())}
    assert printed == dict.fromkeys(("trail_1.jpg", "trail_2.jpg"), SCHEMA) | {"text.jpg": UNREADABLE}


def test_a_second_run_asks_no_worker_and_moved_photos_are_not_answered_again(pool, pack, photos, sample_gallery, tmp_path):
    identify(sample_gallery.path, pack, pool, tmp_path / "results", photos)
    assert identify(sample_gallery.path, pack, pool, tmp_path / "results", photos).pending == []
    moved = photos.rename(tmp_path / "moved")
    run = identify(sample_gallery.path, pack, pool, tmp_path / "results", moved)
    assert run.counts == {"copy": 3, "failed": 1}
    assert len(list(run.answers())) == 3


def test_a_name_that_is_not_utf_8_stops_nothing(pool, pack, samples, sample_gallery, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    shutil.copy(samples / "photos" / "trail_2.jpg", folder / os.fsdecode(b"caf\xe9.jpg"))
    run = identify(sample_gallery.path, pack, pool, tmp_path / "results", folder)
    assert run.counts == {"answered": 1}
    (text,) = run.answers()
    assert json.loads(text)["verdict"] == "known"
