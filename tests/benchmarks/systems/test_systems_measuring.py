"""A recipe's scores, each alone and step by step: on made tables whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest

from reid_edge.decide.calibration import Entry
from reid_edge.describe.quality import QUALITY
from reid_edge.recipe import Recipe
from reid_edge.recipe.stages import Decide, Embed, Fuse, Group, Match, Retrieve
from reid_edge_benchmarks.answers import TableAnswers, answer_table
from reid_edge_benchmarks.systems.measuring import Rows, figures, ladder
from reid_edge_calibration.fit import fit_calibration
from reid_edge_calibration.metrics import NEW
from reid_edge_calibration.score_table import ScoreTable

RECIPE = Recipe(
    segment=None,
    embed=(Embed("wide", "a"), Embed("near", "b")),
    retrieve=Retrieve("near", 50),
    extract=(),
    match=(Match("first", "p", "mutual-nearest", 0.5), Match("second", "p", "mutual-nearest", 0.5)),
    fuse=(Fuse("weighted", (Group(("wide", "near", "first", "second"), 1.0),), "powell"),),
    decide=Decide(None),
)


def table(seed: int, known: int = 5, photos: int = 2, unknown: int = 3, queries: int = 2) -> ScoreTable:
    """Scores of `known` individuals with `photos` each: `first` tells all, `near` most, `wide` nothing, `second` as little."""
    rng = np.random.default_rng(seed)
    owners = tuple(f"k{person}" for person in range(known) for _ in range(photos))
    asked = tuple(f"k{person}" for person in range(known) for _ in range(queries)) + tuple(
        f"u{person}" for person in range(unknown)
    )
    query, candidate = (side.ravel().astype(np.int32) for side in np.indices((len(asked), len(owners))))
    same = np.array([asked[row] == owners[column] for row, column in zip(query, candidate, strict=True)])
    noise = rng.normal(size=(len(query), 4))
    raw = np.stack(
        (noise[:, 0] * 0.1, 0.4 * same + 0.2 * noise[:, 1], 80.0 * same + 5 + 3 * rng.random(len(query)), 9 + noise[:, 3]), axis=1
    ).astype(np.float32)
    without = np.where((same | np.array([asked[row].startswith("u") for row in query]))[:, None], np.nan, raw)
    return ScoreTable(
        RECIPE.score_names,
        "zebra",
        asked,
        owners,
        query,
        candidate,
        raw,
        without.astype(np.float32),
        np.zeros((len(asked), len(QUALITY)), np.float32),
    )


@pytest.fixture(scope="module")
def rows() -> Rows:
    return Rows(RECIPE, table(1), table(2), seed=0)


@pytest.fixture(scope="module")
def entry(rows: Rows) -> Entry:
    """What is fitted on them."""
    fitted, _ = fit_calibration([rows.fit], 0, None, RECIPE).entry("zebra")
    assert isinstance(fitted, Entry)
    return fitted


def test_a_score_that_tells_all_is_always_right_and_one_that_tells_nothing_is_not(rows: Rows) -> None:
    all_of_it, nothing = rows.mean("first", ("first",)), rows.mean("wide", ("wide",))
    assert all_of_it.figures["R-1"] == all_of_it.figures["GeoMean"] == 1.0
    assert nothing.figures["GeoMean"] < 0.6  # measured 0.00
    assert all(
        nothing.figures[f"{name} low"] <= nothing.figures[name] <= nothing.figures[f"{name} high"] for name in ("R-1", "BAKS")
    )


def test_the_ladder_goes_from_an_embedding_to_fitted_weights(rows: Rows) -> None:
    steps = list(ladder(rows))
    assert [step.name for step in steps] == [
        "wide alone",
        "near, the shortlist's",
        "local matchers, their mean",
        "+ embedders among the scores",
        "+ weights fitted on GeoMean",
    ]
    by_name = {step.name: step.figures["GeoMean"] for step in steps}
    assert by_name["wide alone"] < by_name["near, the shortlist's"] <= by_name["+ weights fitted on GeoMean"] == 1.0


def test_the_whole_frame_takes_the_first_steps_and_the_mask_has_its_own(rows: Rows) -> None:
    blind = Rows(RECIPE, *(table(seed) for seed in (3, 4)), seed=0)
    steps = {step.name: step for step in ladder(rows, blind)}
    assert list(steps).index("+ crop and mask") == list(steps).index("local matchers, their mean") + 1
    assert steps["local matchers, their mean"].figures == blind.mean("", ("first", "second")).figures
    assert steps["+ crop and mask"].figures == rows.mean("", ("first", "second")).figures


def test_the_system_is_answered_as_the_device_answers(rows: Rows, entry: Entry) -> None:
    answers = answer_table(rows.report, entry, RECIPE)
    assert rows.system().figures == figures(answers, entry.threshold)
    assert answers.truth == rows.report.query_identity
    assert answers.answers(entry.threshold)[-3:] == [NEW] * 3


def test_photos_too_few_to_fit_on_are_told_as_such() -> None:
    row = Rows(RECIPE, table(1, known=2), table(2), seed=0).system()
    assert row.figures == {}
    assert "more are needed" in row.problem
    assert row.as_json() == {"row": "system", "problem": row.problem}


def test_what_cannot_be_measured_is_none() -> None:
    told = figures(TableAnswers(("a", "b"), frozenset("ab"), ("a", "a"), np.array([0.9, 0.8]), np.zeros(2, bool)), 0.5)
    assert told["R-1"] == told["BAKS"] == 0.5
    assert told["BAUS"] is told["GeoMean"] is told["GeoMean low"] is None


def test_a_query_without_candidates_is_new(entry: Entry) -> None:
    report = table(2)
    report.raw[report.query == 0] = np.nan
    answers = answer_table(report, entry, RECIPE)
    assert (answers.top[0], answers.score[0]) == (NEW, 0.0)
