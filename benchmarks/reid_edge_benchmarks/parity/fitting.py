"""What a system leaves open is fitted on the reference's own scores: calibrators, weights by Powell's method, the threshold.

Shared with `reid_edge_calibration` is the book-keeping alone: which pairs are of one individual, which individuals form a fold, Powell's
starts and limits, and the rule that picks a threshold from trials.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reid_edge.recipe import Recipe
from reid_edge.recipe.stages import Fuse
from reid_edge_benchmarks.parity.calibrating import IsotonicCurve
from reid_edge_benchmarks.parity.deciding import ReferenceAnswer, decide
from reid_edge_calibration.checks import shortage
from reid_edge_calibration.entry import folds_of
from reid_edge_calibration.fusion.powell import powell
from reid_edge_calibration.score_table import ScoreTable
from reid_edge_calibration.threshold import best_threshold, choose_threshold
from reid_edge_calibration.trials import Pairs, Trials

Curves = Mapping[str, IsotonicCurve]


@dataclass(frozen=True)
class ReferenceEntry:
    """What was fitted for one species.

    Attributes:
        curves: by score.
        weights: of single scores, where a fusion of the recipe leaves them open; else None.
        threshold: known from this confidence on.
    """

    curves: Curves
    weights: Mapping[str, float] | None
    threshold: float

    def answer(self, raw: NDArray[np.float64], owners: Sequence[str], recipe: Recipe, species: str) -> ReferenceAnswer:
        """The answer to one query from the raw scores [B, S] of its shortlist."""
        return _answer(raw, owners, recipe, self.curves, self.weights, species)


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
    pairs, names = Pairs.of(tables), tables[0].score_names
    fold = folds_of(pairs, tables, seed)
    everybody = np.ones(len(pairs.query), bool)
    held_out = {held: _curves(pairs, names, fold[pairs.individual[pairs.query]] != held) for held in np.unique(fold)}
    open_one = next((fuse for fuse in recipe.fuse if fuse.fit == "powell"), None)
    weights = _weights(open_one, names, pairs, fold, held_out, seed) if open_one else None
    trials = _trials(pairs, tables, recipe, weights, [held_out[fold[each]] for each in pairs.individual])
    return ReferenceEntry(_curves(pairs, names, everybody), weights, _threshold(recipe, tables, trials, seed))


def _curves(pairs: Pairs, names: Sequence[str], chosen: NDArray[np.bool_]) -> Curves:
    """Of every score, on the chosen pairs; on all where these are all of one kind."""
    curves = {}
    for column, name in enumerate(names):
        raw = pairs.raw[0, :, column]
        outcome = pairs.same[chosen & ~np.isnan(raw)]
        rows = chosen if outcome.any() and not outcome.all() else np.ones(len(raw), bool)
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
) -> ReferenceAnswer:
    names = recipe.score_names
    nearest_first = np.argsort(-raw[:, names.index(recipe.retrieve.embedding)], kind="stable")
    raw, owners = raw[nearest_first], [owners[row] for row in nearest_first]
    there = [{name: float(value) for name, value in zip(names, row, strict=True) if value == value} for row in raw]
    filled = np.where(np.isnan(raw), -np.inf, raw)
    columns = [curves[name](filled[:, place]) for place, name in enumerate(names)]
    calibrated = [dict(zip(names, map(float, row), strict=True)) for row in zip(*columns, strict=True)]
    return decide(there, calibrated, owners, recipe, weights, species)


def _trials(
    pairs: Pairs, tables: Sequence[ScoreTable], recipe: Recipe, weights: Mapping[str, float] | None, curves: Sequence[Curves]
) -> Trials:
    """Every query in the gallery as it is, and where it was scored so in the one without its individual.

    Args:
        pairs, tables, recipe, weights: see the others here.
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
            answer = _answer(pairs.raw[int(removed), mine], owners, recipe, curves[query], weights, species)
            rows.append((query, removed, answer.confidence, not removed and answer.identity == str(individual)))
    query, removed, score, right = (np.array(column) for column in zip(*rows, strict=True))
    known = ~removed & pairs.known[query]
    return Trials(score, right, known, pairs.individual[query], pairs.species[query], removed, pairs.quality[query])


def _weights(
    fuse: Fuse, names: Sequence[str], pairs: Pairs, fold: NDArray[np.int64], held_out: Mapping[int, Curves], seed: int
) -> dict[str, float]:
    """The weights with the best GeoMean at its best threshold, from equal ones and from random ones on."""
    taken = [name for name in names if any(name in group.scores for group in fuse.groups)]
    of_pair = fold[pairs.individual[pairs.query]]
    filled = np.empty((*pairs.raw.shape[:2], len(taken)))
    for place, name in enumerate(taken):
        raw = pairs.raw[..., names.index(name)]
        for held in np.unique(of_pair):
            test = of_pair == held
            filled[:, test, place] = held_out[held][name](np.where(np.isnan(raw[:, test]), -np.inf, raw[:, test]))
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
