"""Fit a whole calibration, per species and a generic one, on labelled score tables."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid_edge.calibration import CalibrationModel, Calibrator, Entry
from reid_edge.calibration.model import FORMAT_VERSION
from reid_edge.errors import UsageError
from reid_edge_calibration.evidence import fit_evidence
from reid_edge_calibration.fusion import answered_rightly, choose_weights, wins
from reid_edge_calibration.identity import fit_identity, fit_unknown
from reid_edge_calibration.isotonic import fit_isotonic
from reid_edge_calibration.score_table import ScoreTable
from reid_edge_calibration.threshold import choose_threshold, geomean_curve
from reid_edge_calibration.trials import Pairs, TrialPlan, Trials

FOLDS = 5
FEWEST_POSITIVES = 20
OWN_ERRORS = 2.0
"""By how many standard errors a species' own entry has to be better than one of the other species: it has some thirty numbers of its own
to be misled by, of which its cross-validation does not account for all.
"""


def fit_calibration(tables: Sequence[ScoreTable], seed: int = 0) -> CalibrationModel:
    """Calibrators, fusion weights, threshold, ask band and final probability, for each species and for all together.

    The pair calibrators are fitted on all pairs. Weights, evidence, threshold, band and final probability are fitted on fused scores
    whose calibrators did not see the individual of the query (cross-fitting in 5 folds over individuals), because a calibrator
    flatters the pairs it was fitted on. The generic entry serves species that no calibrator saw, so its folds are the species, where
    there are two or more, and every species counts the same.

    A species borrows scores, evidence and thresholds from the generic entry unless its own, cross-validated, have a better GeoMean on its
    trials than a generic entry fitted on the other species alone, by more than twice the standard error of the difference. The final
    probabilities are always its own: how often a verdict is right differs most between species. A species that is too small has no entry,
    with a sentence in `data["warnings"]`; the generic one serves it.

    Args:
        tables: one per species, with the same scores.
        seed: of folds, resamples and starts; the same tables and seed give the same model.

    Raises:
        UsageError: no tables or scores, tables that do not fit together, or too few pairs even in all tables together.
    """
    _check_tables(tables)
    shortage = _shortage(tables)
    if shortage:
        raise UsageError(f"the labelled photos cannot be calibrated on: {shortage}.", "Add labelled photos of more individuals.")
    generic = _fit_entry(tables, seed)
    data: dict[str, Any] = {"seed": seed, "generic": generic.facts, "species": {}, "warnings": []}
    species = {}
    for table in tables:
        shortage = _shortage([table])
        if shortage:
            data["warnings"].append(f"{table.species} has no calibration of its own and uses the generic one: {shortage}.")
        elif table.species:  # photos that name no species are calibrated for by the generic entry
            own = generic if len(tables) == 1 else _fit_entry([table], seed)
            borrowed = _borrowed(own, table, [other for other in tables if other is not table], seed)
            data["species"][table.species] = {**own.facts, "borrows": borrowed is not None}
            species[table.species] = own.entry
            if borrowed is not None:  # how often it is right stays the species' own
                probabilities = {"identity": fit_identity(borrowed), "unknown": fit_unknown(borrowed)}
                species[table.species] = replace(generic.entry, **probabilities)
    return CalibrationModel(tables[0].score_names, species, generic.entry, data)


def model_to_json(model: CalibrationModel) -> str:
    """The calibration file of a pack, which `reid_edge.calibration.read_calibration` reads back as an equal model."""
    content = {
        "format_version": FORMAT_VERSION,
        "scores": list(model.scores),
        "species": {name: _entry_to_json(entry) for name, entry in model.species.items()},
        "generic": _entry_to_json(model.generic),
        "data": model.data,
    }
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


@dataclass(frozen=True)
class _Fitted:
    """An entry, the facts about what it was fitted on, its trials with cross-fitted evidence, and of each whether it is answered rightly
    with the threshold that is best on the other folds.
    """

    entry: Entry
    facts: dict[str, Any]
    trials: Trials
    right: NDArray[np.bool_]


def _fit_entry(tables: Sequence[ScoreTable], seed: int) -> _Fitted:
    pairs = Pairs.of(tables)
    fold = _folds(pairs, seed) if len(tables) == 1 else _species_of_individuals(pairs)
    filled = _cross_fit(pairs, fold)
    weights, fitted = choose_weights(pairs, filled, fold, seed)
    plan, fused, names = TrialPlan(pairs), pairs.fuse(filled, weights), tables[0].score_names
    trials = plan.run(fused)
    fitted_evidence = fit_evidence(
        names, trials.score, plan.leads(fused), trials.right, trials.balance(), fold[trials.individual]
    )
    trials = replace(trials, score=fitted_evidence.score)
    decision = choose_threshold(trials, seed)
    everything = np.ones(len(pairs.query), bool)
    entry = Entry(
        calibrators={name: _fit_score(pairs, column, everything) for column, name in enumerate(names)},
        weights={name: float(weight) for name, weight in zip(names, weights, strict=True)},
        evidence=fitted_evidence.evidence,
        identity=fit_identity(trials),
        # How often strangers come to a species that nobody labelled is not known: as often as not.
        unknown=fit_unknown(trials, 0.5 if len(tables) > 1 else None),
        threshold=decision.threshold,
        ask_low=decision.ask_low,
        ask_high=decision.ask_high,
    )
    edges, geomean = geomean_curve(trials)
    facts = {
        "queries": len(pairs.individual),
        "unknown_queries": int((~pairs.known).sum()),
        "query_individuals": len(np.unique(pairs.individual)),
        "gallery_photos": sum(len(table.candidate_identity) for table in tables),
        "pairs": len(pairs.same),
        "positive_pairs": int(pairs.same.sum()),
        "weights": "fitted" if fitted else "mean",
        "evidence": fitted_evidence.uses,
        "geomean_of_trials": round(float(geomean[np.searchsorted(edges[1:-1], decision.threshold)]), 4),
    }
    right = np.zeros(len(trials.score), bool)
    for held in np.unique(fold[trials.individual]):
        test = fold[trials.individual] == held
        right[test] = answered_rightly(trials, test)
    return _Fitted(entry, facts, trials, right)


def _borrowed(own: _Fitted, table: ScoreTable, others: Sequence[ScoreTable], seed: int) -> Trials | None:
    """The trials of a species with the evidence of a generic entry that is fitted on the other species alone; None where there are no
    others, or the species' own entry is clearly better.
    """
    if not others or _shortage(others):
        return None
    entry, pairs = _fit_entry(others, seed).entry, Pairs.of([table])
    filled = np.stack(
        [
            curve(np.where(np.isnan(raw), -np.inf, raw))
            for curve, raw in zip(entry.calibrators.values(), np.moveaxis(pairs.raw, 2, 0), strict=True)
        ],
        axis=2,
    )
    plan, fused = TrialPlan(pairs), pairs.fuse(filled, np.array(list(entry.weights.values())))
    trials = plan.run(fused)
    trials = replace(trials, score=entry.evidence.weigh(trials.score, plan.leads(fused)))
    known = trials.score >= entry.threshold
    clearly_better = wins(own.trials, own.right, np.where(trials.known, trials.right & known, ~known), seed, OWN_ERRORS)
    return None if clearly_better else trials


def _cross_fit(pairs: Pairs, fold: NDArray[np.int64]) -> NDArray[np.float64]:
    """Calibrated scores [2, P, S] by calibrators that saw no query of the fold; an absent score as that of minus infinity."""
    filled = np.empty_like(pairs.raw)
    pair_fold = fold[pairs.individual[pairs.query]]
    for held in np.unique(pair_fold):
        test = pair_fold == held
        for column in range(pairs.raw.shape[2]):
            raw = pairs.raw[:, test, column]
            filled[:, test, column] = _fit_score(pairs, column, ~test)(np.where(np.isnan(raw), -np.inf, raw))
    return filled


def _fit_score(pairs: Pairs, column: int, chosen: NDArray[np.bool_]) -> Calibrator:
    """The calibrator of one score on the chosen pairs, or on all where the chosen ones have no positive or no negative."""
    outcome = pairs.same[chosen & ~np.isnan(pairs.raw[0, :, column])]
    if outcome.all() or not outcome.any():
        chosen = np.ones(len(pairs.query), bool)
    return fit_isotonic(pairs.raw[0, chosen, column], pairs.same[chosen], pairs.weight[chosen])


def _folds(pairs: Pairs, seed: int) -> NDArray[np.int64]:
    """The fold of each individual, by its number: those with positive pairs and each species are dealt out evenly."""
    species = _species_of_individuals(pairs)
    count = len(species)
    positive = np.zeros((count, pairs.raw.shape[2]), bool)
    np.logical_or.at(positive, pairs.individual[pairs.query], pairs.same[:, None] & ~np.isnan(pairs.raw[0]))
    scores_met = positive.sum(axis=1)
    order = np.lexsort([np.random.default_rng(seed).random(count), species, -scores_met])
    fold = np.empty(count, np.int64)
    fold[order] = np.arange(count) % min(FOLDS, count)
    return fold


def _species_of_individuals(pairs: Pairs) -> NDArray[np.int64]:
    """The species of each individual that is asked for, by its number."""
    species = np.zeros(pairs.individual.max() + 1, np.int64)
    species[pairs.individual] = pairs.species
    return species


def _check_tables(tables: Sequence[ScoreTable]) -> None:
    if not tables or not tables[0].score_names or not any(len(table.query) for table in tables):
        raise UsageError("there are no scores to calibrate on.", "Score the pairs of a labelled folder first.")
    for table in tables:
        if table.score_names != tables[0].score_names:
            raise UsageError(
                f"the scores of {table.species} are {', '.join(table.score_names)}, those of {tables[0].species} are "
                f"{', '.join(tables[0].score_names)}.",
                "Score all species with the same pack.",
            )
    if len({table.species for table in tables}) < len(tables):
        raise UsageError("two score tables are of the same species.", "Score its photos together.")
    if len({(table.species, name) for table in tables for name in table.query_identity + table.candidate_identity}) < 2:
        raise UsageError("all photos show one individual.", "Add photos of others; the difference is what is learnt.")


def _shortage(tables: Sequence[ScoreTable]) -> str:
    """What is missing for an entry of its own, or nothing."""
    pairs = Pairs.of(tables)
    for column, name in enumerate(tables[0].score_names):
        seen = ~np.isnan(pairs.raw[0, :, column])
        positives = int((pairs.same & seen).sum())
        if positives < FEWEST_POSITIVES:
            missing = FEWEST_POSITIVES - positives
            return f"{name} has {positives or 'no'} pairs of the same individual, {missing} more are needed"
        if len(np.unique(pairs.individual[pairs.query[pairs.same & seen]])) < 2:
            return f"{name} has pairs of the same individual for one individual only"
        if not (~pairs.same & seen).any():
            return f"{name} has no pair of different individuals"
    if TrialPlan(pairs).run(np.zeros(pairs.raw.shape[:2])).known.all():
        return "no query can be made unknown, because the gallery holds no other individual"
    return ""


def _entry_to_json(entry: Entry) -> dict[str, Any]:
    return {
        "calibrators": {name: _calibrator_to_json(calibrator) for name, calibrator in entry.calibrators.items()},
        "weights": dict(entry.weights),
        "evidence": {"bias": entry.evidence.bias, "fused": entry.evidence.fused, "leads": dict(entry.evidence.leads)},
        "identity": _calibrator_to_json(entry.identity),
        "unknown": _calibrator_to_json(entry.unknown),
        "threshold": entry.threshold,
        "ask_low": entry.ask_low,
        "ask_high": entry.ask_high,
    }


def _calibrator_to_json(calibrator: Calibrator) -> dict[str, Any]:
    return {"kind": calibrator.kind, "x": list(calibrator.x), "y": list(calibrator.y)}
