"""One entry for a recipe that fuses and decides by itself: its calibrators, the weights it leaves open, thresholds and probabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from reid_edge.decide.calibration import Entry, WeightedMean
from reid_edge.decide.consensus import score_by_recipe
from reid_edge.recipe import Recipe
from reid_edge_calibration.band import confidence_of
from reid_edge_calibration.calibrators import FittedCalibrator, fit_isotonic
from reid_edge_calibration.entry import NEVER_COMPUTED, FitOptions, FittedEntry, cross_fit, folds_of, with_calibrators
from reid_edge_calibration.evidence import FittedEvidence, fused_alone
from reid_edge_calibration.fusion.choice import ChosenFusion
from reid_edge_calibration.fusion.pooling import ChosenPooling
from reid_edge_calibration.fusion.powell import WeightSearch, search_weights
from reid_edge_calibration.identity import fit_identity, fit_unknown
from reid_edge_calibration.judging import held_out_answers
from reid_edge_calibration.score_table import ScoreTable
from reid_edge_calibration.threshold import choose_threshold
from reid_edge_calibration.trials import BEST_PHOTO, Pairs, TrialPlan, Trials


def fit_system_entry(
    tables: Sequence[ScoreTable], recipe: Recipe, seed: int, options: FitOptions, any_species: bool = False
) -> FittedEntry:
    """Fit what the recipe leaves open; its fusions, steps and fixed thresholds stay as they are.

    Calibrators are isotonic, as in the systems' accounts. The trials of each fold are answered with calibrators that did not see its
    individuals, by the very function that answers on the device.

    Args:
        tables: one, or several for the entry of any other species.
        recipe: with `fuse` and `decide`.
        seed: of folds, starts and resamples.
        options: the share of wrong answers; the rest is the recipe's.
        any_species: the entry is that of any other species, even where one only was labelled.
    """
    pairs, names = Pairs.of(tables), tables[0].score_names
    fold = folds_of(pairs, tables, seed)
    calibrators = {name: _isotonic(pairs, column) for column, name in enumerate(names)}
    filled = cross_fit(pairs, fold, ["isotonic"] * len(names))
    search = _search_weights(recipe, names, pairs, filled, seed)
    weights = dict.fromkeys(names, 0.0) | dict(search.fusion.weights) if search else dict.fromkeys(names, 1 / len(names))
    share = 0.5 if len(tables) > 1 else None
    entry = Entry(
        calibrators={name: each.calibrator for name, each in calibrators.items()},
        fusion=WeightedMean(weights),
        pooling=BEST_PHOTO,
        evidence=fused_alone(names),
        identity=calibrators[names[0]].calibrator,  # replaced below, once there are trials
        unknown=calibrators[names[0]].calibrator,
        threshold=0.5,
        ask_low=0.5,
        ask_high=0.5,
    )
    by_fold = {held: with_calibrators(entry, pairs, fold, held) for held in np.unique(fold)}
    trials = _trials(pairs, tables, recipe, {person: by_fold[fold[person]] for person in range(len(fold))})
    threshold = _threshold(recipe, "" if any_species or len(tables) > 1 else tables[0].species, trials, seed)
    entry = replace(
        entry,
        identity=fit_identity(trials, share),
        unknown=fit_unknown(trials, share),
        threshold=threshold,
        ask_low=threshold,
        ask_high=threshold,
    )
    trial_fold = fold[trials.individual]
    return FittedEntry(
        entry,
        pairs,
        calibrators,
        ChosenFusion("weights" if search else "recipe", entry.fusion, pairs.fuse(filled, entry.fusion), {}, search),
        ChosenPooling("best photo", BEST_PHOTO, {}),
        FittedEvidence(entry.evidence, trials.score, "the confidence of the recipe's last step", {}),
        trials,
        trial_fold,
        confidence_of(trials, trial_fold, threshold, share),
        held_out_answers(trials, trial_fold),
    )


def _isotonic(pairs: Pairs, column: int) -> FittedCalibrator:
    raw = pairs.raw[0, :, column]
    if np.isnan(raw).all():
        return FittedCalibrator(NEVER_COMPUTED, "never computed", {}, np.full(len(raw), np.nan))
    calibrator = fit_isotonic(raw, pairs.same, pairs.weight)
    return FittedCalibrator(calibrator, "isotonic", {}, calibrator(raw))


def _search_weights(
    recipe: Recipe, names: Sequence[str], pairs: Pairs, filled: NDArray[np.float64], seed: int
) -> WeightSearch | None:
    """The weights of the scores of the recipe's fusion that leaves them to be fitted; None where there is none."""
    open_one = next((fuse for fuse in recipe.fuse if fuse.fit == "powell"), None)
    if open_one is None:
        return None
    taken = [name for name in names if any(name in group.scores for group in open_one.groups)]
    columns = [names.index(name) for name in taken]
    part = replace(pairs, raw=pairs.raw[..., columns], learnt=pairs.learnt[..., columns])
    everybody = np.ones(pairs.individual.max() + 1, bool)
    return search_weights(taken, part, TrialPlan(part), filled[..., columns], everybody, seed)


def _threshold(recipe: Recipe, species: str, trials: Trials, seed: int) -> float:
    """The recipe's own, or the one with the best GeoMean on the trials."""
    decide = recipe.decide
    if decide is not None and species.lower() in decide.species:
        return decide.species[species.lower()]
    if decide is not None and decide.threshold is not None:
        return decide.threshold
    return choose_threshold(trials, seed)


def _trials(pairs: Pairs, tables: Sequence[ScoreTable], recipe: Recipe, entry_of: Mapping[int, Entry]) -> Trials:
    """Every query as it is, and again without its own individual where it was scored so, answered one at a time as on the device."""
    answered: list[tuple[int, bool, float, bool]] = []
    for view in (0, 1):
        compared = ~np.isnan(pairs.raw[view]).all(axis=1)
        order = np.argsort(pairs.query, kind="stable")
        rows_of = np.split(order, np.searchsorted(pairs.query[order], np.arange(1, len(pairs.individual))))
        for query, rows in enumerate(rows_of):
            rows = rows[compared[rows]]
            if view and not len(rows):
                continue
            individual = int(pairs.individual[query])
            owners = [str(candidate) for candidate in pairs.candidate[rows]]
            species = tables[pairs.species[query]].species
            scores = score_by_recipe(pairs.raw[view, rows], owners, recipe, entry_of[individual], species)
            top = scores.identities[0] if scores.identities else ""
            evidence = float(scores.evidence[0]) if len(scores.evidence) else 0.0
            answered.append((query, bool(view), evidence, view == 0 and top == str(individual)))
    query, removed, score, right = (np.array(column) for column in zip(*answered, strict=True))
    return Trials(
        score=score,
        right=right,
        known=~removed & pairs.known[query],
        individual=pairs.individual[query],
        species=pairs.species[query],
        removed=removed,
        quality=pairs.quality[query],
    )
