"""`reid-edge calibrate` from labels to a pack that answers; scores are drawn and kept beforehand, so that no network runs."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from reid_edge.describe.quality import QUALITY
from reid_edge.errors import UsageError
from reid_edge.identify.identifier import Identifier
from reid_edge.pack import open_pack
from reid_edge_calibration.cli import calibrate
from reid_edge_calibration.labels.labelled_set import read_labelled_sets
from reid_edge_calibration.labels.request import LabelRequest
from reid_edge_calibration.packing import refuse_place
from reid_edge_calibration.score_table import ScoreTable

INDIVIDUALS, STRANGERS, PHOTOS = 8, 3, 2


def silent(items, what):
    return items


@pytest.fixture
def labelled(tmp_path: Path, identifier: Identifier) -> Path:
    """A table of labels whose photos are no pictures, and beside it a folder that keeps their scores."""
    rows = ["identity,path,species,split"]
    for number in range(INDIVIDUALS + STRANGERS):
        for turn in range(2 * PHOTOS):
            split = "database" if turn < PHOTOS else "query"
            if number < INDIVIDUALS or split == "query":
                (tmp_path / f"{number}-{turn}.jpg").write_text(f"photo {number} {turn}")
                os.utime(tmp_path / f"{number}-{turn}.jpg", (1, 1))
                rows.append(f"okapi {number},{number}-{turn}.jpg,okapi,{split}")
    (tmp_path / "metadata.csv").write_text("\n".join(rows))
    (tmp_path / "kept").mkdir()
    (labels,) = read_labelled_sets([tmp_path / "metadata.csv"], LabelRequest(), silent)
    rng = np.random.default_rng(0)
    asked, there = ([row.identity for row in side] for side in (labels.queries, labels.database))
    query, candidate = (grid.ravel() for grid in np.mgrid[: len(asked), : len(there)])
    same, names = np.array(asked)[query] == np.array(there)[candidate], identifier.recipe.score_names
    raw = np.maximum(0, np.round(20 + 10 * rng.normal(size=(len(query), len(names))) + 40 * same[:, None]))
    without = np.where((same | ~np.isin(asked, there)[query])[:, None], np.nan, raw)
    quality = rng.normal(size=(len(asked), len(QUALITY)))
    table = ScoreTable(names, "okapi", tuple(asked), tuple(there), query, candidate, raw, without, quality)
    table.save(tmp_path / "kept" / f"{labels.stem(identifier)}.npz")
    return tmp_path


def run(folder: Path, *more: str) -> Result:
    options = ["--pack", "field", "--out", str(folder / "out"), "--keep", str(folder / "kept"), "--device", "cpu"]
    return CliRunner().invoke(calibrate, [str(folder / "metadata.csv"), *options, *more])


def test_labels_become_a_pack_whose_calibration_is_theirs_and_a_report_and_the_same_ones_the_same_pack(labelled: Path) -> None:
    options = ("--report", str(labelled / "report.html"), "--max-wrong", "0.1", "--unknown-share", "0.3", "--keep-leaks")
    answer = run(labelled, *options)
    assert answer.exit_code == 0, answer.output
    assert "okapi: known from" in answer.output
    assert "Only okapi was labelled" in answer.output
    made = Identifier(open_pack(labelled / "out"), "cpu", 1).calibration
    assert list(made.species) == ["okapi"]
    assert made.data["most_wrong"] == 0.1
    assert (made.data["generic"]["queries"], made.data["generic"]["unknown_queries"]) == (22, 6)
    page = (labelled / "report.html").read_text()
    assert "--unknown-share 0.3" in page
    assert "--keep-leaks" in page
    first = (labelled / "out" / "calibration" / "scores.json").read_bytes()
    run(labelled, *options)  # over the pack that is there
    assert (labelled / "out" / "calibration" / "scores.json").read_bytes() == first


def test_scores_that_are_older_than_a_photo_are_not_used(labelled: Path) -> None:
    os.utime(labelled / "0-0.jpg", (4e9, 4e9))
    answer = run(labelled)
    assert isinstance(answer.exception, UsageError)
    assert "0-0.jpg" in str(answer.exception)  # it is looked at, and is no picture


def test_a_place_that_is_taken_by_something_else_is_refused_before_a_photo_is_looked_at(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("")
    with pytest.raises(UsageError, match="already exists and is not a pack"):
        raise run(tmp_path).exception


@pytest.mark.parametrize("made", ["new", "empty", "pack"])
def test_a_new_or_empty_folder_or_a_pack_will_do(tmp_path: Path, made: str) -> None:
    if made != "new":
        (tmp_path / made).mkdir()
    if made == "pack":
        (tmp_path / made / "pack.toml").write_text("")
    refuse_place(tmp_path / made)
