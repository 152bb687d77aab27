"""Accuracy on labelled photos by the runtime itself, and what each stage contributes to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from reid_edge.candidates import GalleryCandidates
from reid_edge.decision import Decision
from reid_edge.enrolment import enrol
from reid_edge.gallery import Gallery
from reid_edge.identification import Identifier, Question
from reid_edge.photo import read_photo
from reid_edge.recipe import Recipe
from reid_edge.timings import Timings
from reid_edge_benchmarks.answers import TableAnswers, answer_table, with_scores
from reid_edge_calibration.fit import fit_calibration
from reid_edge_calibration.labels.labelled_set import LabelledSet
from reid_edge_calibration.metrics import calibration_error
from reid_edge_calibration.score_table import ScoreTable
from reid_edge_calibration.scoring import refuse_incomplete, score_labelled_set

Progress = Callable[..., Any]


@dataclass(frozen=True)
class Measured:
    """The runtime's answers to the queries of one labelled set.

    Attributes:
        figures: R-1, BAKS, BAUS, GeoMean and so on, see `TableAnswers.figures`, and shares of asked and of wrong answers.
        milliseconds: per stage, the median over the queries; ``whole`` from file to decision.
    """

    figures: dict[str, float]
    milliseconds: dict[str, float]


def measure(labelled: LabelledSet, identifier: Identifier, gallery_path: Path, progress: Progress) -> Measured:
    """Enrol the database photos, identify the query photos, and compare with the truth.

    A question to a person counts as the identity or "new" that the threshold would have given, so that GeoMean stays comparable.
    """
    with Gallery.open_or_create(gallery_path) as gallery:
        refuse_incomplete(labelled, enrol(gallery, identifier, progress(labelled.database, f"Enrolling {labelled.name}")))
        candidates = GalleryCandidates(gallery, identifier.feature_key)
        decisions = []
        for query in progress(labelled.queries, f"Identifying {labelled.name}"):
            timings = Timings()
            with timings.stage("decode"):
                photo = read_photo(query.path)
            question = Question(species=labelled.species, viewpoint=query.viewpoint)
            decisions.append(identifier.identify(photo, candidates, question, timings)[0])
        known = frozenset(individual.name for individual in gallery.individuals())
    return Measured(_figures(labelled, decisions, known, identifier), _milliseconds(decisions))


def _figures(
    labelled: LabelledSet, decisions: Sequence[Decision], known: frozenset[str], identifier: Identifier
) -> dict[str, float]:
    truth = tuple(query.identity for query in labelled.queries)
    top = tuple(decision.ranking[0].identity if decision.ranking else "" for decision in decisions)
    score = np.array([decision.ranking[0].evidence if decision.ranking else 0.0 for decision in decisions])
    entry, _ = identifier.calibration.entry(labelled.species)
    figures = TableAnswers(truth, known, top, score).figures(entry.threshold)
    probability = [decision.ranking[0].probability if decision.ranking else 0.0 for decision in decisions]
    right = [identity == who for identity, who in zip(top, truth, strict=True)]
    wrong = [
        decision.verdict != "ask" and (decision.identity or "") != (who if who in known else "")
        for decision, who in zip(decisions, truth, strict=True)
    ]
    figures["asked"] = float(np.mean([decision.verdict == "ask" for decision in decisions]))
    figures["wrong unattended"] = float(np.mean(wrong))
    figures["ECE"] = calibration_error(probability, right)
    return figures


def _milliseconds(decisions: Sequence[Decision]) -> dict[str, float]:
    stages = {stage: None for decision in decisions for stage in decision.timings_ms}
    medians = {stage: float(np.median([decision.timings_ms.get(stage, 0.0) for decision in decisions])) for stage in stages}
    return {**medians, "whole": float(np.median([sum(decision.timings_ms.values()) for decision in decisions]))}


def contributions(
    fitted: Sequence[tuple[LabelledSet, LabelledSet]], identifier: Identifier, folder: Path, masks: bool, progress: Progress
) -> Iterator[tuple[str, str, dict[str, float]]]:
    """What each stage adds: (set, row, figures). Calibration and threshold of every row are fitted on the fitting fold.

    Args:
        fitted: per set, its fold to fit on and its fold to report on.
        identifier: the pack.
        folder: keeps galleries and score tables, so that a run can be continued.
        masks: also without the mask and without the crop, which computes all features anew.
        progress: see `measure`.
    """
    pairs = [_tables(fit, report, identifier, folder, progress) for fit, report in fitted]
    names = identifier.recipe.score_names
    for place, ((_, labelled), (fit, report)) in enumerate(zip(fitted, pairs, strict=True)):
        for count in range(1, len(names) + 1):
            chosen = names[:count]
            row = f"+ {chosen[-1]}" if count > 1 else f"{chosen[0]} alone"
            yield labelled.name, row, _fit_and_answer([with_scores(fit, chosen)], with_scores(report, chosen))
        others = [table for other, (table, _) in enumerate(pairs) if other != place]
        if others:
            yield labelled.name, "all, calibrated on the other species only", _fit_and_answer(others, report)
    if masks:
        for row, recipe in _without_parts(identifier.recipe).items():
            variant = Identifier(identifier.pack, identifier.networks.device.name, identifier.networks.device.threads)
            variant.recipe = recipe
            for fold_to_fit, labelled in fitted:
                fit, report = _tables(fold_to_fit, labelled, variant, folder, progress)
                yield labelled.name, row, _fit_and_answer([fit], report)


def _without_parts(recipe: Recipe) -> dict[str, Recipe]:
    unmasked = replace(recipe, extract=tuple(replace(extract, mask=False) for extract in recipe.extract))
    # No region is larger than the whole frame, so every photo falls back to it.
    return {
        "all, crop but no mask": unmasked,
        "all, whole frame": replace(unmasked, segment=replace(recipe.segment, min_area=1.0)),
    }


def _fit_and_answer(tables: Sequence[ScoreTable], report: ScoreTable) -> dict[str, float]:
    entry, _ = fit_calibration(tables).entry(report.species)
    return answer_table(report, entry).figures(entry.threshold)


def _tables(
    fit: LabelledSet, report: LabelledSet, identifier: Identifier, folder: Path, progress: Progress
) -> tuple[ScoreTable, ScoreTable]:
    """The scores of both folds; those to fit on hold the pairs of open-set trials too, as `reid-edge calibrate --keep` writes them."""
    return (
        _kept_table(folder / f"{fit.stem(identifier)}.npz", fit, identifier, progress, open_set_trials=True),
        _kept_table(folder / f"{report.stem(identifier)}-answers.npz", report, identifier, progress, open_set_trials=False),
    )


def _kept_table(
    path: Path, labelled: LabelledSet, identifier: Identifier, progress: Progress, open_set_trials: bool
) -> ScoreTable:
    if path.exists():
        return ScoreTable.load(path)
    gallery = path.with_name(f"{labelled.stem(identifier)}.sqlite")
    table = score_labelled_set(labelled, identifier, gallery, progress, open_set_trials)
    table.save(path)
    return table
