"""One entry for a recipe that fuses and decides by itself: its calibrators, the weights it leaves open, thresholds and probabilities."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from reid_edge.decide.calibration import Calibrator, Entry, Fusion, WeightedMean
from reid_edge.decide.consensus import score_by_recipe
from reid_edge.recipe import Recipe
from reid_edge_calibration.band import confidence_of
from reid_edge_calibration.calibrators import FittedCalibrator
from reid_edge_calibration.entry import NEVER_COMPUTED, FitOptions, FittedEntry, cross_fit, fit_score, folds_of, with_calibrators
from reid_edge_calibration.evidence import FittedEvidence, fused_alone
from reid_edge_calibration.fusion.choice import ChosenFusion
from reid_edge_calibration.fusion.grids import fit_grids
from reid_edge_calibration.fusion.network import fit_network
from reid_edge_calibration.fusion.pooling import ChosenPooling
from reid_edge_calibration.fusion.powell import WeightSearch, search_weights
from reid_edge_calibration.identity import fit_identity, fit_unknown
from reid_edge_calibration.judging import geomean_of, held_out_answers
from reid_edge_calibration.reranking import reranked
from reid_edge_calibration.score_table import ScoreTable
from reid_edge_calibration.threshold import best_threshold, choose_threshold
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
    count = recipe.decide.pairs if recipe.decide else 0
    names = tables[0].score_names
    if any(stage.fusion for stage in recipe.rerank):
        tables = _reranked(tables, recipe, count, seed)
    pairs = Pairs.of(tables).drawing(count, seed)
    fold = folds_of(pairs, tables, seed)
    calibrators = {name: _isotonic(pairs, column) for column, name in enumerate(names)}
    filled = cross_fit(pairs, fold, ["isotonic"] * len(names))
    fusion, search = _open_fusion(recipe, names, pairs, filled, seed)
    further = FurtherCalibrations(names, tables, fold, options.further, lambda every: every.drawing(count, seed))
    share = 0.5 if len(tables) > 1 else None
    entry = replace(_before_trials(calibrators, fusion), further=further.fit(None))
    by_fold = {held: replace(with_calibrators(entry, pairs, fold, held), further=further.fit(held)) for held in np.unique(fold)}
    species = "" if any_species or len(tables) > 1 else tables[0].species

    def answer(fitted: Mapping[str, float]) -> Trials:
        entries = {held: replace(each, fitted=fitted) for held, each in by_fold.items()}
        return _trials(pairs, tables, recipe, {person: entries[fold[person]] for person in range(len(fold))})

    def geomean(fitted: Mapping[str, float]) -> float:
        return geomean_at(answer(fitted), fixed_threshold(recipe, species))

    fitted = fit_grids(recipe, [table.species for table in tables], geomean)
    trials = answer(fitted)
    threshold = _threshold(recipe, species, trials, seed)
    entry = replace(
        entry,
        fitted=fitted,
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
        ChosenFusion(_kind(recipe), entry.fusion, pairs.fuse(filled, entry.fusion), {}, search),
        ChosenPooling("best photo", BEST_PHOTO, {}),
        FittedEvidence(entry.evidence, trials.score, "the confidence of the recipe's last step", {}),
        trials,
        trial_fold,
        confidence_of(trials, trial_fold, threshold, share),
        held_out_answers(trials, trial_fold),
    )


def _before_trials(calibrators: Mapping[str, FittedCalibrator], fusion: Fusion) -> Entry:
    """An entry that fuses; what decides is replaced once there are trials."""
    curves = {name: each.calibrator for name, each in calibrators.items()}
    first = next(iter(curves.values()))
    return Entry(curves, fusion, BEST_PHOTO, fused_alone(tuple(curves)), first, first, threshold=0.5, ask_low=0.5, ask_high=0.5)


def _reranked(tables: Sequence[ScoreTable], recipe: Recipe, count: int, seed: int) -> list[ScoreTable]:
    """The tables with the scores of re-ranking by a fusion, by calibrators that are fitted on the other scores."""
    pairs, names = Pairs.of(tables).drawing(count, seed), tables[0].score_names
    calibrators = {name: _isotonic(pairs, column) for column, name in enumerate(names)}
    entry = _before_trials(calibrators, WeightedMean(dict.fromkeys(names, 1.0)))
    return [reranked(table, recipe, entry) for table in tables]


def _isotonic(pairs: Pairs, column: int) -> FittedCalibrator:
    raw = pairs.raw[0, :, column]
    if np.isnan(raw).all():
        return FittedCalibrator(NEVER_COMPUTED, "never computed", {}, np.full(len(raw), np.nan))
    calibrator = fit_score(pairs, column, np.ones(len(raw), bool), "isotonic")
    return FittedCalibrator(calibrator, "isotonic", {}, calibrator(raw))


def _kind(recipe: Recipe) -> str:
    fits = {fuse.fit for fuse in recipe.fuse}
    return "weights" if "powell" in fits else "network" if "network" in fits else "recipe"


def _open_fusion(
    recipe: Recipe, names: Sequence[str], pairs: Pairs, filled: NDArray[np.float64], seed: int
) -> tuple[Fusion, WeightSearch | None]:
    """The fusion whose weights, or whose network, the recipe leaves to be fitted, and how its weights were found; else equal weights."""
    open_one = next((fuse for fuse in recipe.fuse if fuse.fit in ("powell", "network")), None)
    if open_one is None:
        return WeightedMean(dict.fromkeys(names, 1 / len(names))), None
    taken = [name for name in names if any(name in group.scores for group in open_one.groups)]
    columns = [names.index(name) for name in taken]
    part = replace(pairs, raw=pairs.raw[..., columns], learnt=pairs.learnt[..., columns])
    everybody = np.ones(pairs.individual.max() + 1, bool)
    if open_one.fit == "powell":
        search = search_weights(taken, part, TrialPlan(part), filled[..., columns], everybody, seed)
        return WeightedMean(dict.fromkeys(names, 0.0) | dict(search.fusion.weights)), search
    network = fit_network(taken, part, TrialPlan(part), filled[..., columns], everybody, seed)
    nothing = (0.0,) * len(network.out)
    hidden = {name: network.hidden.get(name, nothing) for name in names}
    return replace(network, hidden=hidden, typical={name: network.typical.get(name, 0.0) for name in names}), None


def fixed_threshold(recipe: Recipe, species: str) -> float | None:
    """The recipe's own for this species; None where it is to be fitted."""
    decide = recipe.decide
    return decide.species.get(species.lower(), decide.threshold) if decide else None


def geomean_at(trials: Trials, threshold: float | None) -> float:
    """GeoMean of trials at a threshold; at the best one where None."""
    if threshold is None:
        return best_threshold(trials)[1]
    known = trials.score >= threshold
    return geomean_of(trials, np.where(trials.known, trials.right & known, ~known))


def _threshold(recipe: Recipe, species: str, trials: Trials, seed: int) -> float:
    """The recipe's own, or the one with the best GeoMean on the trials."""
    fixed = fixed_threshold(recipe, species)
    return choose_threshold(trials, seed) if fixed is None else fixed


class FurtherCalibrations:
    """Calibrators of the same scores, fitted on other labels: of the same species where there are some, else of all."""

    def __init__(
        self,
        names: Sequence[str],
        tables: Sequence[ScoreTable],
        fold: NDArray[np.int64],
        further: Mapping[str, Sequence[ScoreTable]],
        draw: Callable[[Pairs], Pairs],
    ) -> None:
        self._names = names
        ours = {table.species for table in tables}
        asked = [(table.species, name) for table in tables for name in table.query_identity]
        fold_of = dict(zip(asked, fold[Pairs.of(tables).individual], strict=True))
        self._parts: dict[str, tuple[Pairs, NDArray[np.int64]]] = {}
        for calibration, its in further.items():
            chosen = [table for table in its if table.species in ours] or list(its)
            pairs = draw(Pairs.of(chosen))
            folds = np.array([fold_of.get((table.species, name), -1) for table in chosen for name in table.query_identity])
            self._parts[calibration] = pairs, folds[pairs.query]

    def fit(self, held: int | None) -> dict[str, dict[str, Calibrator]]:
        """By calibration and score, on all pairs but those of the individuals of this fold; None for all."""
        return {
            calibration: {
                name: fit_score(pairs, column, np.ones(len(fold), bool) if held is None else fold != held, "isotonic")
                for column, name in enumerate(self._names)
            }
            for calibration, (pairs, fold) in self._parts.items()
        }


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
