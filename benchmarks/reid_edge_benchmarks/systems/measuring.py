"""A recipe on labelled photos: the whole system, each of its scores alone, and a ladder of its parts, all from two score tables a set."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from reid_edge.errors import UsageError
from reid_edge.identify.identifier import Identifier
from reid_edge.recipe import Recipe
from reid_edge.recipe.stages import Decide, Fuse, Group
from reid_edge_benchmarks.accuracy.ablation import fold_tables, with_recipe, without_crop_and_mask
from reid_edge_benchmarks.answers import TableAnswers, answer_table
from reid_edge_benchmarks.results import read_results
from reid_edge_calibration.fit import fit_calibration
from reid_edge_calibration.labels.labelled_set import LabelledSet
from reid_edge_calibration.metrics import (
    baks,
    baks_interval,
    baus,
    baus_interval,
    geomean,
    geomean_interval,
    rank_k,
    rank_k_interval,
)
from reid_edge_calibration.progress import Progress
from reid_edge_calibration.score_table import ScoreTable

Figures = dict[str, float | None]


@dataclass(frozen=True)
class Row:
    """One way to answer from the scores of a recipe.

    Attributes:
        name: what it is.
        figures: R-1, BAKS, BAUS and GeoMean, each with the ends of its 95 % interval (`low`, `high`); None of what cannot be measured.
        problem: why it could not be fitted, a sentence.
    """

    name: str
    figures: Figures
    problem: str = ""

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return {"row": self.name, **self.figures, **({"problem": self.problem} if self.problem else {})}


def measure_system(
    fitted: Sequence[tuple[LabelledSet, LabelledSet]],
    identifier: Identifier,
    folder: Path,
    masks: bool,
    seed: int,
    progress: Progress,
) -> dict[str, Any]:
    """Score both folds of every set, fit on the one, answer the other.

    Every row is fitted for itself, on the fitting fold of the set alone, by what `reid-edge calibrate` runs.

    Args:
        fitted: per set its fold to fit on and its fold to report on.
        identifier: the pack; its own calibration is not used.
        folder: keeps galleries and score tables, so that a run can be continued.
        masks: the ladder begins without crop and mask, for which all features are computed anew.
        seed: of folds, starts and resamples.

    Returns:
        By set, as plain data: ``photos``, ``system`` (one row), ``alone`` (a row for each score) and ``ladder``.

    Raises:
        UsageError: a photo cannot be read.
        EngineError, GalleryError, StorageError: it cannot go on.
    """
    whole_frame = (
        with_recipe(identifier, without_crop_and_mask(identifier.recipe)) if masks and identifier.recipe.segment else None
    )
    measured = {}
    for fit, report in fitted:
        tables = fold_tables(fit, report, identifier, folder, progress)
        before = fold_tables(fit, report, whole_frame, folder, progress) if whole_frame else None
        rows = Rows(identifier.recipe, *tables, seed)
        measured[report.name] = {
            "photos": photos_of(fit, report),
            "system": rows.system().as_json(),
            "alone": [rows.mean(name, (name,)).as_json() for name in identifier.recipe.score_names],
            "ladder": [
                row.as_json() for row in ladder(rows, Rows(whole_frame.recipe, *before, seed) if whole_frame and before else None)
            ],
        }
    return measured


def measured_before(path: Path, facts: Mapping[str, Any], fitted: Sequence[tuple[LabelledSet, LabelledSet]]) -> dict[str, Any]:
    """The sets of a file that were measured with these facts on these photos; none where there is no such file, or other facts.

    Args:
        path: of the file.
        facts: of the run, by their names in the file.
        fitted: as `measure_system` takes them.
    """
    if not path.exists():
        return {}
    found = read_results(path)
    if any(found.get(key) != value for key, value in facts.items()):
        return {}
    photos = {report.name: photos_of(fit, report) for fit, report in fitted}
    return {name: figures for name, figures in found["sets"].items() if figures["photos"] == photos.get(name)}


def photos_of(fit: LabelledSet, report: LabelledSet) -> dict[str, dict[str, int | str]]:
    """How many photos a set has in its fold to fit on and in the one to report on, and a digest of which they are."""
    return {"fit": _photos(fit), "report": _photos(report)}


def ladder(rows: Rows, whole_frame: Rows | None = None) -> Iterator[Row]:
    """From single embeddings to the whole system, in the order of table 3 of the account of `hybrid`.

    Args:
        rows: of the recipe.
        whole_frame: of the recipe without crop and mask, for the steps before these are added; None where animals are cut out from the
            first step on.
    """
    recipe, first = rows.recipe, whole_frame or rows
    embeddings = tuple(embed.name for embed in recipe.embed)
    shortlist = recipe.retrieve.embedding
    local = tuple(match.name for match in recipe.match)
    for name in embeddings:
        if name != shortlist:
            yield first.mean(f"{name} alone", (name,))
    yield first.mean(f"{shortlist}, the shortlist's", (shortlist,))
    yield first.mean("local matchers, their mean", local)
    if whole_frame:
        yield rows.mean("+ crop and mask", local)
    yield rows.mean("+ embedders among the scores", (*embeddings, *local))
    yield rows.mean("+ weights fitted on GeoMean", (*embeddings, *local), "powell")
    if recipe.step or recipe.head or any(not group.calibrated for fuse in recipe.fuse for group in fuse.groups):
        yield replace(rows.system(), name="the system, with what else it has")


@dataclass(frozen=True)
class Rows:
    """What can be fitted and answered from the scores of one set.

    Attributes:
        recipe: of the scores.
        fit, report: tables of the fold to fit on, and of the one to report on.
        seed: of folds, starts and resamples.
    """

    recipe: Recipe
    fit: ScoreTable
    report: ScoreTable
    seed: int

    def system(self) -> Row:
        """The recipe as it is; where it has no fusion of its own, with all that calibration chooses."""
        return self._row("system", self.recipe)

    def mean(self, name: str, scores: Sequence[str], fit: str = "none") -> Row:
        """The weighted mean of these scores alone, each through its isotonic calibrator, and one threshold."""
        fuse = Fuse(name, (Group(tuple(scores), 1.0),), fit)  # type: ignore[arg-type]
        return self._row(name, replace(self.recipe, fuse=(fuse,), step=(), decide=Decide(None)))

    def _row(self, name: str, recipe: Recipe) -> Row:
        try:
            model = fit_calibration([self.fit], self.seed, None, recipe)
        except UsageError as error:
            return Row(name, {}, error.message)
        entry, _ = model.entry(self.report.species)
        answers = answer_table(self.report, entry, recipe if recipe.fuse else None)
        return Row(name, figures(answers, entry.threshold))


def figures(answers: TableAnswers, threshold: float) -> Figures:
    """R-1, BAKS, BAUS and GeoMean at a threshold with their 95 % intervals over individuals; None where one is not defined."""
    truth, known, answered = answers.truth, answers.known, answers.answers(threshold)
    ranking = [[top] for top in answers.top]
    measures = {
        "R-1": (rank_k(truth, ranking, 1, known), *rank_k_interval(truth, ranking, 1, known)),
        "BAKS": (baks(truth, answered, known), *baks_interval(truth, answered, known)),
        "BAUS": (baus(truth, answered, known), *baus_interval(truth, answered, known)),
        "GeoMean": (geomean(truth, answered, known), *geomean_interval(truth, answered, known)),
    }
    return {
        f"{name}{end}": None if math.isnan(value) else float(value)
        for name, values in measures.items()
        for end, value in zip(("", " low", " high"), values, strict=True)
    }


def _photos(labelled: LabelledSet) -> dict[str, int | str]:
    known = {row.identity for row in labelled.database}
    asked = {row.identity for row in labelled.queries}
    split = (("database", labelled.database), ("query", labelled.queries))
    rows = sorted((which, row.path.name, row.identity) for which, found in split for row in found)
    return {
        "digest": hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:16],
        "database": len(labelled.database),
        "queries": len(labelled.queries),
        "known individuals": len(known),
        "unknown individuals": len(asked - known),
    }
