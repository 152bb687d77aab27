"""Fit a whole calibration, per species and a generic one, on labelled score tables."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from reid_edge.decide.calibration import CalibrationModel, Entry
from reid_edge.errors import UsageError
from reid_edge.recipe import Recipe
from reid_edge_calibration.band import Band, sure_enough
from reid_edge_calibration.checks import check_tables, shortage
from reid_edge_calibration.entry import FitOptions, FittedEntry, borrow, fit_entry
from reid_edge_calibration.judging import gain
from reid_edge_calibration.score_table import ScoreTable
from reid_edge_calibration.system import fit_system_entry
from reid_edge_calibration.threshold import geomean_curve

UNTOLD = 0.5
"""The part of the promised share of mistakes that is let pass where photos of one encounter may be on both sides. On tigers whose labels
tell no encounters 5 % was promised; seen again in another clip, 12 % were answered wrongly."""

CLEAR = 0.2
"""The part of the promised share of mistakes that answers without the costly score may make; the rest is left to those with it."""


ANY_OTHER = "any other species"


@dataclass(frozen=True)
class SpeciesFit:
    """One entry of the model as it was fitted.

    Attributes:
        name: the species, or "any other species".
        entry: as it is written.
        band: where it asks, and what that leads to on the trials.
        parts: what was tried and chosen on the way.
        borrows: scores, evidence and threshold are the generic entry's.
        facts: what `data` says of it.
    """

    name: str
    entry: Entry
    band: Band
    parts: FittedEntry
    borrows: bool
    facts: dict[str, Any]


@dataclass(frozen=True)
class CalibrationFit:
    """A model, and how each of its entries came about, the generic one last."""

    model: CalibrationModel
    entries: tuple[SpeciesFit, ...]


def fit_calibration(
    tables: Sequence[ScoreTable], seed: int = 0, options: FitOptions | None = None, recipe: Recipe | None = None
) -> CalibrationModel:
    """The model of `fit_with_facts`."""
    return fit_with_facts(tables, seed, options, recipe).model


def fit_with_facts(
    tables: Sequence[ScoreTable], seed: int = 0, options: FitOptions | None = None, recipe: Recipe | None = None
) -> CalibrationFit:
    """Calibrators, fusion, evidence, threshold, ask band and final probability, for each species and for all together.

    A species borrows scores, evidence and thresholds from the generic entry unless its own, cross-validated, have a better GeoMean on its
    trials than a generic entry fitted on the other species alone, by more than two standard errors of the difference. The final
    probabilities are always its own: how often a verdict is right differs most between species. A species that is too small has no entry,
    with a sentence in `data["warnings"]`; the generic one serves it.

    Args:
        tables: one per species, with the same scores.
        seed: of folds, resamples and starts; the same tables and seed give the same model.
        options: what is fitted; everything where None.
        recipe: of the pack; says which scores are absolute, and which one is costly: then all is fitted once more without it. A recipe that
            fuses by itself is fitted as `system.fit_system_entry` says, and its species borrow nothing.

    Raises:
        UsageError: no tables or scores, tables that do not fit together, or too few pairs even in all tables together.
    """
    check_tables(tables)
    missing = shortage(tables, recipe)
    if missing:
        raise UsageError(f"the labelled photos cannot be calibrated on: {missing}.", "Add labelled photos of more individuals.")
    with threadpool_limits(1, "blas"):  # for these small matrices, threads wait for each other more than they work
        options = options or FitOptions(absolute=recipe.absolute_scores if recipe else ())
        if not recipe or not recipe.costly_score:
            return _fit(tables, seed, options, recipe if recipe and recipe.fuse else None)
        promised = options.most_wrong
        fit = _fit(tables, seed, replace(options, most_wrong=promised * (1 - CLEAR)), None)
        cheap = [table.without_score(recipe.costly_score) for table in tables]
        before = _fit(cheap, seed, replace(options, most_wrong=promised * CLEAR), None)
        data = {**fit.model.data, "most_wrong": promised}
        return replace(fit, model=replace(fit.model, data=data, before=before.model))


def _fit(tables: Sequence[ScoreTable], seed: int, options: FitOptions, system: Recipe | None) -> CalibrationFit:
    everything = tuple(range(len(tables)))

    @functools.cache
    def fit(*chosen: int, any_species: bool = False, with_others: bool = False) -> FittedEntry:
        some = [tables[place] for place in chosen]
        if system:
            return fit_system_entry(some, system, seed, options, any_species)
        beside = [tables[place] for place in everything if with_others and place not in chosen]
        return fit_entry(some, seed, options, beside)

    generic = fit(*everything, any_species=True) if system else fit(*everything)
    warnings: list[str] = []
    parts: dict[str, tuple[FittedEntry, bool]] = {}
    for place, table in enumerate(tables):
        missing = shortage([table], system)
        if missing:
            warnings.append(f"{table.species} has no calibration of its own and uses the generic one: {missing}.")
        elif table.species:  # photos that name no species are calibrated for by the generic entry
            own, others = fit(place, with_others=True), [other for other in everything if other != place and not system]
            strangers = fit(*others) if others and not shortage([tables[other] for other in others], system) else None
            borrows = strangers is not None and not gain(own.trials, own.right, borrow(strangers, own).right, seed).convinces
            parts[table.species] = (borrow(generic, own) if borrows else own), borrows
    if len(tables) == 1 and tables[0].species:
        warnings.append(
            f"Only {tables[0].species} was labelled: any other species is answered for as if it were {tables[0].species}, which no photo "
            "vouches for."
        )
    warnings += [
        f"The labels of {species or 'animals without a species'} do not say which photos were taken together (a column encounter or date): "
        "photos of one encounter are easier to match than an animal that is seen again, so more photos are asked about."
        for species in sorted(options.untold)
    ]
    warnings += [
        f"The search for the fusion weights of {name} stopped at its limit of evaluations, before it converged."
        for name, each in {**{name: each for name, (each, _) in parts.items()}, ANY_OTHER: generic}.items()
        if each.fusion.search and not each.fusion.search.converged
    ]
    together = sure_enough([each.confidence for each, _ in parts.values()] or [generic.confidence], options.most_wrong)
    if all(table.species in options.untold for table in tables):
        options = replace(options, untold=options.untold | {ANY_OTHER})
    entries = [
        _finished(name, each, borrows, _sure(name, each, together, options), seed, tables)
        for name, (each, borrows) in (parts | {ANY_OTHER: (generic, False)}).items()
    ]
    data = {
        "seed": seed,
        "most_wrong": options.most_wrong,
        "generic": entries[-1].facts,
        "species": {each.name: each.facts for each in entries[:-1]},
        "warnings": warnings,
    }
    species = {each.name: each.entry for each in entries[:-1]}
    return CalibrationFit(CalibrationModel(tables[0].score_names, species, entries[-1].entry, data), tuple(entries))


def _sure(name: str, parts: FittedEntry, together: float, options: FitOptions) -> float:
    """How sure an answer has to be: as sure as all species together demand, who have trials enough to vouch for the target, and as this
    one's own trials do, of which a handful of look-alikes may be all that went wrong. Where it is not known which photos were taken
    together, trials are easier than an animal that is seen again, and half the share of mistakes is let pass.
    """
    most = options.most_wrong * (UNTOLD if name in options.untold else 1)
    return max(together, sure_enough([parts.confidence], most, one_more=False))


def _finished(name: str, parts: FittedEntry, borrows: bool, sure: float, seed: int, tables: Sequence[ScoreTable]) -> SpeciesFit:
    entry, band = parts.with_band(sure, seed)
    pairs = parts.pairs
    edges, geomean = geomean_curve(parts.trials)
    facts = {
        "queries": int(pairs.whole.sum()),
        "unknown_queries": int((~pairs.known & pairs.whole).sum()),
        "query_individuals": len(np.unique(pairs.individual)),
        "gallery_photos": sum(len(table.candidate_identity) for table in tables if table.species == name or name == ANY_OTHER),
        "pairs": int(pairs.of_whole.sum()),
        "positive_pairs": int((pairs.same & pairs.of_whole).sum()),
        "calibrators": {score: each.kind for score, each in parts.calibrators.items()},
        "fusion": parts.fusion.kind,
        "pooling": parts.pooling.name,
        "evidence": parts.evidence.uses,
        "geomean_of_trials": round(float(geomean[np.searchsorted(edges[1:-1], entry.threshold)]), 4),
        "sure": round(min(sure, 2.0), 4),
        "asked": round(band.asked, 4),
        "wrong_unattended": round(band.wrong, 4),
        "wrong_bound": round(band.bound, 4),
        "borrows": borrows,
    }
    if search := parts.fusion.search:
        facts["weight_search"] = {"evaluations": search.evaluations, "converged": search.converged}
    return SpeciesFit(name, entry, band, parts, borrows, facts)
