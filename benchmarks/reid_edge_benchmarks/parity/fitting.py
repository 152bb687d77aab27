"""What a system leaves open is fitted on the reference's own scores: calibrators, weights by Powell's method, the threshold.

Shared with `reid_edge_calibration` is the book-keeping alone: which pairs are of one individual, which individuals form a fold, Powell's
starts and limits, and the rule that picks a threshold from trials.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from reid_edge.decide.calibration.fusion import NEAREST_TO_CERTAIN
from reid_edge.decide.fitted import with_fitted
from reid_edge.recipe import Recipe
from reid_edge.recipe.stages import Fuse
from reid_edge_benchmarks.parity.calibrating import IsotonicCurve, by_name
from reid_edge_benchmarks.parity.deciding import Network, ReferenceAnswer, decide
from reid_edge_benchmarks.parity.fused_reranking import FusedReranking
from reid_edge_calibration.checks import shortage
from reid_edge_calibration.entry import folds_of
from reid_edge_calibration.fusion.grids import fit_grids
from reid_edge_calibration.fusion.network import fit_network
from reid_edge_calibration.fusion.powell import powell
from reid_edge_calibration.score_table import ScoreTable
from reid_edge_calibration.system import fixed_threshold, geomean_at
from reid_edge_calibration.threshold import best_threshold, choose_threshold
from reid_edge_calibration.trials import Pairs, TrialPlan, Trials

Curves = Mapping[str, IsotonicCurve]


@dataclass(frozen=True)
class ReferenceEntry:
    """What was fitted for one species.

    Attributes:
        curves: by score.
        weights: of single scores, where a fusion of the recipe leaves them open; else None.
        threshold: known from this confidence on.
        network: the fused score by a network, where a fusion of the recipe leaves one to be fitted; else None.
        fitted: weights and limits that the recipe leaves to be fitted, see `reid_edge.decide.fitted`.
    """

    curves: Curves
    weights: Mapping[str, float] | None
    threshold: float
    network: Network | None = None
    fitted: Mapping[str, float] = field(default_factory=dict)

    def answer(self, raw: NDArray[np.float64], owners: Sequence[str], recipe: Recipe, species: str) -> ReferenceAnswer:
        """The answer to one query from the raw scores [B, S] of its shortlist."""
        return _answer(raw, owners, with_fitted(recipe, self.fitted), self.curves, self.weights, species, self.network)


def fit_reference(tables: Sequence[ScoreTable], recipe: Recipe, seed: int) -> dict[str, ReferenceEntry]:
    """By species, its own entry where it has photos enough, else that of all species together.

    Args:
        tables: of the reference's scores, one per species.
        recipe: with fusions and a decision.
        seed: of folds, starts and resamples.
    """
    few = [bool(shortage([table], recipe)) for table in tables]
    together = _fit(tables, recipe, seed) if any(few) else None
    return {
        table.species: together if lacks and together else _fit([table], recipe, seed)
        for table, lacks in zip(tables, few, strict=True)
    }


def _fit(tables: Sequence[ScoreTable], recipe: Recipe, seed: int) -> ReferenceEntry:
    count = recipe.decide.pairs if recipe.decide else 0
    pairs, names = Pairs.of(tables).drawing(count, seed), tables[0].score_names
    if any(stage.fusion for stage in recipe.rerank):
        first = _curves(pairs, names, np.ones(len(pairs.query), bool))
        tables = [FusedReranking(recipe, first, table.species).fill_table(table) for table in tables]
        pairs = Pairs.of(tables).drawing(count, seed)
    fold = folds_of(pairs, tables, seed)
    everybody = np.ones(len(pairs.query), bool)
    held_out = {held: _curves(pairs, names, fold[pairs.individual[pairs.query]] != held) for held in np.unique(fold)}
    open_one = next((fuse for fuse in recipe.fuse if fuse.fit == "powell"), None)
    weights = _weights(open_one, names, pairs, fold, held_out, seed) if open_one else None
    network = _network(recipe, names, pairs, fold, held_out, seed)
    curves = [held_out[fold[each]] for each in pairs.individual]
    species = tables[0].species if len(tables) == 1 else ""

    def answered(fitted: Mapping[str, float]) -> Trials:
        return _trials(pairs, tables, with_fitted(recipe, fitted), weights, curves, network)

    fitted = fit_grids(
        recipe,
        [table.species for table in tables],
        lambda values: geomean_at(answered(values), fixed_threshold(recipe, species)),
    )
    threshold = _threshold(recipe, tables, answered(fitted), seed)
    return ReferenceEntry(_curves(pairs, names, everybody), weights, threshold, network, fitted)


def _network(
    recipe: Recipe, names: Sequence[str], pairs: Pairs, fold: NDArray[np.int64], held_out: Mapping[int, Curves], seed: int
) -> Network | None:
    """The network that a fusion leaves to be fitted: the runtime's training on the reference's scores, its units added up one by one."""
    fuse = next((fuse for fuse in recipe.fuse if fuse.fit == "network"), None)
    if fuse is None:
        return None
    taken, filled = _held_out_scores(fuse, names, pairs, fold, held_out)
    columns = [names.index(name) for name in taken]
    part = replace(pairs, raw=pairs.raw[..., columns], learnt=pairs.learnt[..., columns])
    everybody = np.ones(pairs.individual.max() + 1, bool)
    fitted = fit_network(taken, part, TrialPlan(part), part.with_stand_ins(filled), everybody, seed)

    def fused(probability: Mapping[str, float], learnt: Collection[str]) -> float:
        odds = {name: _log_odds(probability[name]) if name in learnt else fitted.typical[name] for name in taken}
        logit = fitted.bias
        for unit, out in enumerate(fitted.out):
            logit += out * math.tanh(fitted.hidden_bias[unit] + sum(odds[name] * fitted.hidden[name][unit] for name in taken))
        return 1 / (1 + math.exp(-logit))

    return fused


def _log_odds(probability: float) -> float:
    kept = min(max(probability, NEAREST_TO_CERTAIN), 1 - NEAREST_TO_CERTAIN)
    return math.log(kept / (1 - kept))


def _curves(pairs: Pairs, names: Sequence[str], chosen: NDArray[np.bool_]) -> Curves:
    """Of every score, on the chosen pairs; on all where these are all of one kind."""
    curves = {}
    for column, name in enumerate(names):
        raw = pairs.raw[0, :, column]
        drawn = np.ones(len(raw), bool) if pairs.drawn is None else pairs.drawn
        outcome = pairs.same[chosen & drawn & ~np.isnan(raw)]
        rows = chosen & drawn if outcome.any() and not outcome.all() else drawn
        curves[name] = IsotonicCurve(raw[rows], pairs.same[rows], pairs.weight[rows])
    return curves


def _threshold(recipe: Recipe, tables: Sequence[ScoreTable], trials: Trials, seed: int) -> float:
    decide = recipe.decide
    assert decide is not None
    own = decide.species.get(tables[0].species.lower()) if len(tables) == 1 else None
    fixed = decide.threshold if own is None else own
    return choose_threshold(trials, seed) if fixed is None else fixed


def _answer(
    raw: NDArray[np.float64],
    owners: Sequence[str],
    recipe: Recipe,
    curves: Curves,
    weights: Mapping[str, float] | None,
    species: str,
    network: Network | None = None,
) -> ReferenceAnswer:
    names = recipe.score_names
    nearest_first = np.argsort(-raw[:, names.index(recipe.retrieve.embedding)], kind="stable")
    raw, owners = raw[nearest_first], [owners[row] for row in nearest_first]
    there, calibrated = by_name(raw, names, curves)
    return decide(there, calibrated, owners, recipe, weights, species, network)


def _trials(
    pairs: Pairs,
    tables: Sequence[ScoreTable],
    recipe: Recipe,
    weights: Mapping[str, float] | None,
    curves: Sequence[Curves],
    network: Network | None,
) -> Trials:
    """Every query in the gallery as it is, and where it was scored so in the one without its individual.

    Args:
        pairs, tables, recipe, weights, network: see the others here.
        curves: per query, which did not see its individual.
    """
    rows: list[tuple[int, bool, float, bool]] = []
    for removed in (False, True):
        there = ~np.isnan(pairs.raw[int(removed)]).all(axis=1)
        for query, individual in enumerate(pairs.individual):
            mine = np.flatnonzero((pairs.query == query) & there)
            if removed and not len(mine):
                continue
            owners, species = [str(each) for each in pairs.candidate[mine]], tables[pairs.species[query]].species
            answer = _answer(pairs.raw[int(removed), mine], owners, recipe, curves[query], weights, species, network)
            rows.append((query, removed, answer.confidence, not removed and answer.identity == str(individual)))
    query, removed, score, right = (np.array(column) for column in zip(*rows, strict=True))
    known = ~removed & pairs.known[query]
    return Trials(score, right, known, pairs.individual[query], pairs.species[query], removed, pairs.quality[query])


def _weights(
    fuse: Fuse, names: Sequence[str], pairs: Pairs, fold: NDArray[np.int64], held_out: Mapping[int, Curves], seed: int
) -> dict[str, float]:
    """The weights with the best GeoMean at its best threshold, from equal ones and from random ones on."""
    taken, filled = _held_out_scores(fuse, names, pairs, fold, held_out)
    columns = [names.index(name) for name in taken]
    learnt, compared = pairs.learnt[..., columns], ~np.isnan(pairs.raw[..., columns]).all(axis=2)

    def loss(weights: NDArray[np.float64]) -> float:
        kept = np.clip(weights, 0, 1)
        share = learnt * (kept if kept.sum() > 0 else np.ones(len(kept)))
        total = share.sum(axis=2)
        fused = np.where(total > 0, (filled * share).sum(axis=2) / np.where(total > 0, total, 1), 0.0) * compared
        return -best_threshold(_best_photos(pairs, fused))[1]

    found, _, _ = powell(loss, len(taken), seed)  # the search is the runtime's, the arithmetic is not
    kept = np.clip(found, 0, 1)
    share = kept / kept.sum() if kept.sum() > 0 else np.full(len(taken), 1 / len(taken))
    return {**dict.fromkeys(names, 0.0), **dict(zip(taken, map(float, share), strict=True))}


def _best_photos(pairs: Pairs, fused: NDArray[np.float64]) -> Trials:
    """The trials where each individual's score is its best photo's, float64 [2, P]."""
    count = len(pairs.individual)
    best = np.zeros((3, count))  # of the own individual, of the others, and without the own
    for side, kept in enumerate((pairs.same, ~pairs.same)):
        np.maximum.at(best[side], pairs.query[kept], fused[0, kept])
    np.maximum.at(best[2], pairs.query, fused[1])
    again = np.unique(pairs.query[~np.isnan(pairs.raw[1]).all(axis=1)])
    query = np.concatenate((np.arange(count), again))
    removed = np.arange(len(query)) >= count
    return Trials(
        np.where(removed, best[2, query], best[:2, query].max(axis=0)),
        ~removed & (best[0] > best[1])[query],
        ~removed & pairs.known[query],
        pairs.individual[query],
        pairs.species[query],
        removed,
        pairs.quality[query],
    )


def _held_out_scores(
    fuse: Fuse, names: Sequence[str], pairs: Pairs, fold: NDArray[np.int64], held_out: Mapping[int, Curves]
) -> tuple[list[str], NDArray[np.float64]]:
    """The scores of a fusion, and of all pairs their probabilities [2, P, S] by curves that did not see the query's individual."""
    taken = [name for name in names if any(name in group.scores for group in fuse.groups)]
    of_pair = fold[pairs.individual[pairs.query]]
    filled = np.empty((*pairs.raw.shape[:2], len(taken)))
    for place, name in enumerate(taken):
        raw = pairs.raw[..., names.index(name)]
        for held in np.unique(of_pair):
            test = of_pair == held
            filled[:, test, place] = held_out[held][name](np.where(np.isnan(raw[:, test]), -np.inf, raw[:, test]))
    return taken, filled
