"""The ablation's ladder: every rung is fitted on the fitting fold, from kept score tables; the first sees the whole frame."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reid_edge.describe.quality import QUALITY
from reid_edge.gallery.enrolment_list import Enrolment, read_source
from reid_edge.identify.identifier import Identifier
from reid_edge.photo import read_photo
from reid_edge_benchmarks.accuracy.ablation import Rung, ablate, with_recipe, without_crop_and_mask
from reid_edge_benchmarks.accuracy.page import write_page
from reid_edge_benchmarks.accuracy.tables import print_rungs
from reid_edge_calibration.labels.labelled_set import LabelledSet
from reid_edge_calibration.score_table import ScoreTable

LADDER = ["embedding", "+ matching", "+ calibration", "+ weights", "+ decision", "fitted on all sets", "fitted on the other sets"]


def score_table(labelled: LabelledSet, names: tuple[str, ...], seed: int) -> ScoreTable:
    """Every query against every database photo. The embedding tells little, a matcher much: a pair of one individual scores 0.5 and
    3 standard deviations above others, cosines about 0.6 and counts about 20.
    """
    rng = np.random.default_rng(seed)
    asked, there = ([row.identity for row in rows] for rows in (labelled.queries, labelled.database))
    query, candidate = (grid.ravel() for grid in np.mgrid[: len(asked), : len(there)])
    same = np.array(asked)[query] == np.array(there)[candidate]
    raw = rng.normal(size=(len(query), len(names))) + same[:, None] * np.array([0.5, 3.0])
    raw = np.column_stack((0.6 + 0.1 * raw[:, :1], np.maximum(0, np.round(20 + 10 * raw[:, 1:]))))
    known = np.isin(asked, there)[query]
    without = np.where((same | ~known)[:, None], np.nan, raw)
    quality = rng.normal(size=(len(asked), len(QUALITY)))
    return ScoreTable(names, labelled.species, tuple(asked), tuple(there), query, candidate, raw, without, quality)


def labelled_set(species: str, fold: str, individuals: int) -> LabelledSet:
    """Two database and two query photos of each individual, and two queries of a few strangers; there are no such files."""
    names = [f"{species} {fold} {number}" for number in range(individuals)]
    strangers = [f"stranger {number}" for number in range(max(1, individuals // 3))]
    rows = [[Enrolment(Path(f"{name}-{turn}.jpg"), name) for name in group for turn in (0, 1)] for group in (names, strangers)]
    return LabelledSet(species, fold, tuple(rows[0]), (*rows[0], *rows[1]), species)


def silent(items: Iterable[Any], what: str) -> Iterable[Any]:
    return items


@pytest.fixture(scope="module")
def two_scores(identifier: Identifier) -> Identifier:
    """The bundled pack with the first of its matchers only, which halves the time of a fit."""
    return with_recipe(identifier, replace(identifier.recipe, match=identifier.recipe.match[:1]))


@pytest.fixture(scope="module")
def rungs(two_scores: Identifier, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Rung]]:
    """The ladders of zebras, of which there are enough, and of tigers, of which there are too few."""
    folder = tmp_path_factory.mktemp("kept")
    fitted = []
    for number, (species, individuals) in enumerate((("zebra", 5), ("tiger", 2))):
        fit, report = (labelled_set(species, fold, individuals) for fold in ("calibrate", "evaluate"))
        names = two_scores.recipe.score_names
        score_table(fit, names, seed=2 * number).save(folder / f"{fit.stem(two_scores)}.npz")
        score_table(report, names, seed=2 * number + 1).save(folder / f"{report.stem(two_scores)}-answers.npz")
        fitted.append((fit, report))
    by_set: dict[str, dict[str, Rung]] = {"zebra": {}, "tiger": {}}
    for rung in ablate(fitted, two_scores, folder, False, silent):
        by_set[rung.labelled][rung.row] = rung
    return by_set


def test_the_ladder_has_its_rungs_in_order(rungs: dict[str, dict[str, Rung]]) -> None:
    assert list(rungs["zebra"]) == list(rungs["tiger"]) == LADDER


def test_matchers_that_tell_more_than_the_embedding_are_worth_more(rungs: dict[str, dict[str, Rung]]) -> None:
    figures = {row: rung.figures for row, rung in rungs["zebra"].items() if rung.figures}
    assert figures["embedding"]["R-1"] < 0.5  # 0.3 measured
    assert figures["+ matching"]["R-1"] > figures["embedding"]["R-1"] + 0.3  # 1.0 measured
    assert figures["+ decision"]["GeoMean"] > figures["embedding"]["GeoMean"] + 0.2  # 0.95 and 0.39 measured
    assert all(rung["queries"] == 12 for rung in figures.values())


def test_a_set_too_small_to_be_fitted_on_says_what_it_lacks_and_is_served_by_the_others(
    rungs: dict[str, dict[str, Rung]], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    tiger = rungs["tiger"]
    for row in LADDER[:5]:
        assert not tiger[row].figures
        assert "more are needed" in tiger[row].problem
    assert tiger["fitted on the other sets"].figures["R-1"] > 0.5  # 1.0 measured
    assert rungs["zebra"]["fitted on the other sets"].problem
    print_rungs(list(tiger.values()))
    lines = {line.split("|")[1].strip(): line.split("|")[2].strip() for line in capsys.readouterr().out.splitlines()}
    assert lines["embedding"] == "–"
    assert float(lines["fitted on the other sets"]) > 0.5
    write_page(tmp_path / "a.html", {}, [], {}, list(tiger.values()), "note", [])
    assert "more are needed" in (tmp_path / "a.html").read_text("utf-8")


def test_each_rung_is_fitted_with_its_own_options(rungs: dict[str, dict[str, Rung]]) -> None:
    """Calibration, weights and decision change the fused scores, so no two rungs need agree in all figures; the embedding alone cannot."""
    figures = [tuple(rungs["zebra"][row].figures.values()) for row in LADDER[:5]]
    assert len(set(figures)) >= 3


def test_without_crop_and_mask_the_whole_frame_is_described(identifier: Identifier, few_samples: Path) -> None:
    photo = read_photo(read_source(few_samples, split="query")[0].path)
    variant = with_recipe(identifier, without_crop_and_mask(identifier.recipe))
    (whole,), (own, *_) = variant.describe(photo), identifier.describe(photo)
    assert tuple(whole.animal.box) == (0, 0, photo.width, photo.height)
    assert own.animal.box != whole.animal.box
    off_animal = [(~_inside(described.features.keypoints["xfeat"].xy, own.animal.box)).mean() for described in (own, whole)]
    assert off_animal[0] == 0.0
    assert off_animal[1] > 0.05  # 0.16 measured
    assert variant.feature_key != identifier.feature_key  # so that no gallery mixes the two


def _inside(xy: np.ndarray, box: Any) -> np.ndarray:
    x0, y0, x1, y1 = box
    return (xy[:, 0] >= x0) & (xy[:, 0] < x1) & (xy[:, 1] >= y0) & (xy[:, 1] < y1)
