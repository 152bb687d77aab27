"""One entry of a calibration: everything from calibrators to the ask band, fitted on the score tables of one species or of several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from reid_edge.decide.calibration import Calibrator, Entry
from reid_edge_calibration.band import Band, Confidence, ask_band, confidence_of
from reid_edge_calibration.calibrators import KINDS, FittedCalibrator, choose_calibrator
from reid_edge_calibration.evidence import FittedEvidence, Seen, fit_evidence, fused_alone
from reid_edge_calibration.fusion import ChosenFusion, ChosenPooling, choose_fusion, choose_pooling
from reid_edge_calibration.identity import fit_identity, fit_unknown
from reid_edge_calibration.judging import held_out_answers
from reid_edge_calibration.order import fit_order
from reid_edge_calibration.score_table import ScoreTable
from reid_edge_calibration.threshold import choose_threshold
from reid_edge_calibration.trials import Pairs, TrialPlan, Trials

FOLDS = 5
NEVER_COMPUTED = Calibrator("linear", (0.0, 1.0), (0.0, 0.0))
"""Of a score that the recipe computes of other species only."""


@dataclass(frozen=True)
class FitOptions:
    """What is fitted, and to what end.

    Attributes:
        calibrate: calibrators of the raw scores; otherwise they are scaled linearly from their range to 0..1.
        choose_weights: the best fusion and pooling; otherwise the plain mean and the best photo.
        model_decision: evidence from leads, photos and quality; otherwise the fused score alone, with one threshold.
        most_wrong: the share of all photos that may be answered unattended and wrongly.
        untold: species whose labels do not say which photos were taken together: what they promise is met twice over.
        absolute: the scores whose level may be evidence, see `reid_edge.recipe.Recipe.absolute_scores`.
        further: by the name of a further calibration, the score tables that it is fitted on, see `reid_edge.recipe.Group`.
    """

    calibrate: bool = True
    choose_weights: bool = True
    model_decision: bool = True
    most_wrong: float = 0.05
    absolute: tuple[str, ...] = ()
    untold: frozenset[str] = frozenset()
    further: Mapping[str, Sequence[ScoreTable]] = field(default_factory=dict)


@dataclass(frozen=True)
class FittedEntry:
    """An entry without its ask band, and all that was learnt on the way to it.

    Attributes:
        entry: as far as it is fitted; its ask band is the threshold alone.
        pairs: what it was fitted on.
        calibrators: by score name, what was chosen and tried.
        fusion, pooling, evidence: what was chosen and tried.
        trials: with cross-fitted evidence.
        fold: int [T], of each trial.
        confidence: of each trial.
        right: bool [T], answered rightly with the threshold that is best on the other folds.
    """

    entry: Entry
    pairs: Pairs
    calibrators: dict[str, FittedCalibrator]
    fusion: ChosenFusion
    pooling: ChosenPooling
    evidence: FittedEvidence
    trials: Trials
    fold: NDArray[np.int64]
    confidence: Confidence
    right: NDArray[np.bool_]

    def with_band(self, sure: float, seed: int) -> tuple[Entry, Band]:
        """The whole entry, asking where answers are less sure than this; see `band.sure_enough`."""
        entry = self.entry
        band = ask_band(self.trials, self.confidence, entry.identity, entry.unknown, entry.threshold, sure, seed)
        return replace(entry, ask_low=band.ask_low, ask_high=band.ask_high), band


def fit_entry(tables: Sequence[ScoreTable], seed: int, options: FitOptions, beside: Sequence[ScoreTable] = ()) -> FittedEntry:
    """Fit on score tables that `checks` let pass; the order of individuals is learnt from those of other species, `beside`, too.

    The calibrators of the entry are fitted on all pairs. Fusion, evidence, threshold, band and final probability are fitted on fused
    scores whose calibrators did not see the individual of the query (cross-fitting in 5 folds over individuals), because a
    calibrator flatters the pairs it was fitted on. With several tables the entry serves species that no calibrator saw, so its folds
    are the species, and every species counts the same.
    """
    pairs, names = Pairs.of(tables), tables[0].score_names
    fold = folds_of(pairs, tables, seed)
    calibrators = {name: _calibrator(pairs, column, seed, options) for column, name in enumerate(names)}
    filled = cross_fit(pairs, fold, [each.kind for each in calibrators.values()])
    plan = TrialPlan(pairs)

    def answer(pooled: NDArray[np.float64]) -> tuple[Trials, FittedEvidence]:
        trials = plan.answers(pooled)
        standing, rivals = plan.standing(pooled)
        seen = Seen(standing, trials.quality, rivals, np.isin(names, options.absolute))
        evidence = _evidence(names, seen, trials, fold[trials.individual], options)
        return replace(trials, score=evidence.score), evidence

    # The evidence orders individuals by itself, whatever the fusion is.
    plain = options.model_decision or not options.choose_weights
    fusion = choose_fusion(names, pairs, filled, fold, lambda fused: answer(plan.pool(fused))[0], seed, plain)
    pooling = choose_pooling(fold, lambda pooling: answer(plan.pool(fusion.fused, pooling))[0], seed, plain)
    if options.model_decision:
        order, shares = _order(names, tables, beside, plan, fold)
        trials, evidence = answer(shares)
        evidence = replace(evidence, evidence=replace(evidence.evidence, order=order))
    else:
        trials, evidence = answer(plan.pool(fusion.fused, pooling.pooling))
    trial_fold = fold[trials.individual]
    # How often a species without labels meets unknown animals is not known; one half is assumed.
    share = 0.5 if len(tables) > 1 else None
    threshold = choose_threshold(trials, seed)
    entry = Entry(
        calibrators={name: each.calibrator for name, each in calibrators.items()},
        fusion=fusion.fusion,
        pooling=pooling.pooling,
        evidence=evidence.evidence,
        identity=fit_identity(trials, share),
        unknown=fit_unknown(trials, share),
        threshold=threshold,
        ask_low=threshold,
        ask_high=threshold,
    )
    return FittedEntry(
        entry,
        pairs,
        calibrators,
        fusion,
        pooling,
        evidence,
        trials,
        trial_fold,
        confidence_of(trials, trial_fold, threshold, share),
        held_out_answers(trials, trial_fold),
    )


def _order(
    names: Sequence[str], tables: Sequence[ScoreTable], beside: Sequence[ScoreTable], plan: TrialPlan, fold: NDArray[np.int64]
) -> tuple[dict[str, float], NDArray[np.float64]]:
    """The weights that order individuals, fitted on all tables, and `TrialPlan.shares` by weights that saw no individual of the fold."""
    wide = TrialPlan(Pairs.of([*tables, *beside]))  # the individuals of `tables` have the first numbers
    chosen = np.ones(wide.individuals.max() + 1, bool)
    weights = np.empty((len(plan.individuals), len(names)))
    for held in np.unique(fold):
        others = chosen.copy()
        others[np.flatnonzero(fold == held)] = not (fold != held).any() and not beside
        weights[fold[plan.individuals] == held] = fit_order(wide, others)
    return dict(zip(names, map(float, fit_order(wide, chosen)), strict=True)), plan.shares(weights)


def borrow(lender: FittedEntry, own: FittedEntry) -> FittedEntry:
    """The trials of a species with the scores, evidence and threshold of another entry, and final probabilities of its own.

    Args:
        lender: fitted on other species, or on all.
        own: the species' own entry.
    """
    pairs, entry = own.pairs, lender.entry
    by_score = zip(lender.calibrators.items(), np.moveaxis(pairs.raw, 2, 0), strict=True)
    calibrators = {name: replace(each, probability=each.calibrator(raw[0])) for (name, each), raw in by_score}
    filled = np.empty_like(pairs.raw)
    for column, curve in enumerate(entry.calibrators.values()):
        raw = pairs.raw[..., column]
        filled[..., column] = curve(np.where(np.isnan(raw), -np.inf, raw))
    plan, evidence = TrialPlan(pairs), entry.evidence
    if evidence.order:
        pooled = plan.shares(np.array(list(evidence.order.values())))
    else:
        pooled = plan.pool(pairs.fuse(pairs.with_stand_ins(filled), entry.fusion), entry.pooling)
    trials = plan.answers(pooled)
    standing, _ = plan.standing(pooled, np.array(list(evidence.rivals.values())))
    trials = replace(trials, score=entry.evidence.weigh(standing, trials.quality))
    known = trials.score >= entry.threshold
    return replace(
        lender,
        entry=replace(entry, identity=fit_identity(trials), unknown=fit_unknown(trials)),
        pairs=pairs,
        calibrators=calibrators,
        trials=trials,
        fold=own.fold,
        confidence=confidence_of(trials, own.fold, entry.threshold),
        right=np.where(trials.known, trials.right & known, ~known),
    )


def _evidence(names: Sequence[str], seen: Seen, trials: Trials, fold: NDArray[np.int64], options: FitOptions) -> FittedEvidence:
    if options.model_decision:
        return fit_evidence(names, seen, trials.right, trials.balance(), fold, trials.individual)
    alone = fused_alone(names)
    return FittedEvidence(alone, alone.weigh(seen.standing), "the fused score", {})


def _calibrator(pairs: Pairs, column: int, seed: int, options: FitOptions) -> FittedCalibrator:
    """The calibrator of one score, chosen and fitted on all pairs in the gallery as it is."""
    raw = pairs.raw[0, :, column]
    if not options.calibrate:
        return FittedCalibrator(_scaled(raw), "scaled", {}, np.where(np.isnan(raw), np.nan, _scaled(raw)(raw)))
    whole = pairs.of_whole
    chosen = choose_calibrator(raw[whole], pairs.same[whole], pairs.weight[whole], pairs.individual[pairs.query[whole]], seed)
    probability = np.full(len(raw), np.nan)
    probability[whole] = chosen.probability
    return replace(chosen, probability=probability)


def _scaled(raw: NDArray[np.float64]) -> Calibrator:
    low, high = np.nanmin(raw), np.nanmax(raw)
    return Calibrator("linear", (float(low), float(max(high, low + 1e-6))), (0.0, 1.0))


def cross_fit(pairs: Pairs, fold: NDArray[np.int64], kinds: Sequence[str]) -> NDArray[np.float64]:
    """Calibrated scores [2, P, S] by calibrators that saw no query of the fold, see `Pairs.with_stand_ins`."""
    filled = np.empty_like(pairs.raw)
    pair_fold = fold[pairs.individual[pairs.query]]
    for held in np.unique(pair_fold):
        test = pair_fold == held
        for column, kind in enumerate(kinds):
            raw = pairs.raw[:, test, column]
            filled[:, test, column] = fit_score(pairs, column, ~test, kind)(np.where(np.isnan(raw), -np.inf, raw))
    return pairs.with_stand_ins(filled)


def with_calibrators(entry: Entry, pairs: Pairs, fold: NDArray[np.int64], held: int) -> Entry:
    """The entry with isotonic calibrators that saw no query of the fold."""
    others = fold[pairs.individual[pairs.query]] != held
    fitted = {name: fit_score(pairs, column, others, "isotonic") for column, name in enumerate(entry.calibrators)}
    return replace(entry, calibrators=fitted)


def fit_score(pairs: Pairs, column: int, chosen: NDArray[np.bool_], kind: str) -> Calibrator:
    """The calibrator of one score on the chosen pairs, or on all where the chosen ones have no positive or no negative."""
    if kind == "scaled":
        return _scaled(pairs.raw[0, :, column])
    if np.isnan(pairs.raw[0, :, column]).all():
        return NEVER_COMPUTED
    chosen = chosen & pairs.of_calibration
    outcome = pairs.same[chosen & ~np.isnan(pairs.raw[0, :, column])]
    if outcome.all() or not outcome.any():
        chosen = pairs.of_calibration
    return KINDS[kind](pairs.raw[0, chosen, column], pairs.same[chosen], pairs.weight[chosen])


def folds_of(pairs: Pairs, tables: Sequence[ScoreTable], seed: int) -> NDArray[np.int64]:
    """The fold of each individual, by its number: its species, where there are several; else those with positive pairs are dealt out
    evenly.
    """
    species = _species_of_individuals(pairs)
    if len(tables) > 1:
        return species
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
