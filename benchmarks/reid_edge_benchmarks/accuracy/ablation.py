"""What each stage contributes: a ladder from the embedding's cosine to the whole pack, every rung fitted for itself on the fitting fold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from reid_edge.decide.calibration import CalibrationModel
from reid_edge.errors import UsageError
from reid_edge.identify.identifier import Identifier
from reid_edge.recipe import Recipe
from reid_edge_benchmarks.accuracy.answering import Progress
from reid_edge_benchmarks.answers import answer_table, with_scores
from reid_edge_calibration.entry import FitOptions
from reid_edge_calibration.fit import fit_calibration
from reid_edge_calibration.labels.labelled_set import LabelledSet
from reid_edge_calibration.score_table import ScoreTable
from reid_edge_calibration.scoring import kept_table

SCALED = FitOptions(calibrate=False, choose_weights=False, model_decision=False)
CALIBRATED = FitOptions(calibrate=True, choose_weights=False, model_decision=False)
WEIGHTED = FitOptions(calibrate=True, choose_weights=True, model_decision=False)


@dataclass(frozen=True)
class Rung:
    """One row of the ablation.

    Attributes:
        labelled: the set's name.
        row: what it has that the row above it has not.
        figures: R-1, BAKS, BAUS, GeoMean and so on, see `TableAnswers.figures`; empty where the row could not be fitted.
        problem: why it could not, a sentence.
    """

    labelled: str
    row: str
    figures: dict[str, float]
    problem: str = ""


def ablate(
    fitted: Sequence[tuple[LabelledSet, LabelledSet]], identifier: Identifier, folder: Path, masks: bool, progress: Progress
) -> Iterator[Rung]:
    """The rungs of every set. Calibration, weights and threshold of each are fitted on the fitting fold of the set alone; where there are
    several sets, two more rows say what the whole gets from all fitting folds, as `reid-edge calibrate` fits it, and from the other sets'.

    Args:
        fitted: per set, its fold to fit on and its fold to report on.
        identifier: the pack; its own calibration is not used.
        folder: keeps galleries and score tables, so that a run can be continued.
        masks: begin with the whole frame, without crop and mask, which computes all features anew. Else the ladder begins with the crop and
            the mask in place.

    Raises:
        UsageError: a photo cannot be read.
        EngineError, GalleryError, StorageError: it cannot go on.
    """
    embeddings = tuple(embed.name for embed in identifier.recipe.embed)
    scores = identifier.recipe.score_names
    pairs = [fold_tables(fit, report, identifier, folder, progress) for fit, report in fitted]
    tables = [table for table, _ in pairs]
    whole = FitOptions(absolute=identifier.recipe.absolute_scores)
    on_all = _fit(tables, whole) if len(tables) > 1 else ""
    whole_frame = with_recipe(identifier, without_crop_and_mask(identifier.recipe)) if masks else None
    for place, ((fold_to_fit, labelled), (fit, report)) in enumerate(zip(fitted, pairs, strict=True)):
        first = fold_tables(fold_to_fit, labelled, whole_frame, folder, progress) if whole_frame else (fit, report)
        alone, on_embedding = with_scores(first[0], embeddings), with_scores(first[1], embeddings)
        yield _rung(labelled, "embedding", _fit([alone], SCALED), on_embedding)
        if scores != embeddings:
            yield _rung(labelled, "+ matching", _fit([first[0]], SCALED), first[1])
        if whole_frame:
            yield _rung(labelled, "+ mask", _fit([fit], SCALED), report)
        yield _rung(labelled, "+ calibration", _fit([fit], CALIBRATED), report)
        yield _rung(labelled, "+ weights", _fit([fit], WEIGHTED), report)
        yield _rung(labelled, "+ decision", _fit([fit], whole), report)
        if len(pairs) > 1:
            yield _rung(labelled, "fitted on all sets", on_all, report)
            yield _rung(labelled, "fitted on the other sets", _fit([*tables[:place], *tables[place + 1 :]], whole), report)


def without_crop_and_mask(recipe: Recipe) -> Recipe:
    """The same networks on the whole frame: no region is larger than it, so every photo falls back to it."""
    unmasked = tuple(replace(extract, mask=False) for extract in recipe.extract)
    return replace(recipe, extract=unmasked, segment=recipe.segment and replace(recipe.segment, min_area=1.0))


def with_recipe(identifier: Identifier, recipe: Recipe) -> Identifier:
    """The pack on the same device, with another recipe."""
    variant = Identifier(identifier.pack, identifier.networks.device.name, identifier.networks.device.threads)
    variant.recipe = recipe
    return variant


def _fit(tables: Sequence[ScoreTable], options: FitOptions) -> CalibrationModel | str:
    """The model, or why there can be none."""
    try:
        return fit_calibration(tables, 0, options)
    except UsageError as error:
        return error.message


def _rung(labelled: LabelledSet, row: str, fitted: CalibrationModel | str, report: ScoreTable) -> Rung:
    if isinstance(fitted, str):
        return Rung(labelled.name, row, {}, fitted)
    entry, _ = fitted.entry(report.species)
    return Rung(labelled.name, row, answer_table(report, entry).figures(entry.threshold))


def fold_tables(
    fit: LabelledSet, report: LabelledSet, identifier: Identifier, folder: Path, progress: Progress
) -> tuple[ScoreTable, ScoreTable]:
    """The scores of both folds; those to fit on hold the pairs of open-set trials too, as `reid-edge calibrate --keep` writes them."""
    return (
        kept_table(fit, identifier, folder, progress),
        kept_table(report, identifier, folder, progress, open_set_trials=False),
    )
