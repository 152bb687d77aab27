"""The whole of ``reid-edge bench parity``: both sides fitted on one fold, both asked about another, compared and shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from reid_edge.decide.calibration import WeightedMean
from reid_edge.gallery.enrolment_list import Enrolment
from reid_edge.pack import Pack
from reid_edge_benchmarks.parity.differences import (
    Difference,
    PairScores,
    answer_differences,
    calibration_differences,
    description_differences,
    score_differences,
)
from reid_edge_benchmarks.parity.fitting import ReferenceEntry, fit_reference
from reid_edge_benchmarks.parity.fused_reranking import FusedReranking
from reid_edge_benchmarks.parity.reference import ReferenceSystem
from reid_edge_benchmarks.parity.runtime_system import RuntimeSystem, ask_runtime, calibrate_runtime, open_identifier
from reid_edge_benchmarks.parity.scored import Scored
from reid_edge_benchmarks.parity.sides import Sides
from reid_edge_benchmarks.parity.tables import print_parity
from reid_edge_calibration.labels.labelled_set import LabelledSet
from reid_edge_calibration.metrics import NEW
from reid_edge_calibration.progress import Progress
from reid_edge_calibration.reranking import reranked


@dataclass(frozen=True)
class ParityRequest:
    """What is compared.

    Attributes:
        sets: labelled photos to ask about, one set per species.
        fitting: of the same species, the photos to fit on.
        folder: keeps galleries, score tables and the calibrated pack.
        weights: a folder with weights of networks; None for the catalogue's sources.
        seed: of folds, starts and resamples.
        device, threads: of the runtime; PyTorch runs on the processor with as many threads.
    """

    sets: tuple[LabelledSet, ...]
    fitting: tuple[LabelledSet, ...]
    folder: Path
    weights: Path | None
    seed: int
    device: str
    threads: int | None


def measure_parity(request: ParityRequest, pack: Pack, progress: Progress) -> dict[str, Any]:
    """Compare, and print the tables.

    Returns:
        All figures as plain data.

    Raises:
        UsageError, PhotoError, PackError, EngineError, GalleryError, StorageError: one of the sides cannot run.
    """
    identifier = open_identifier(pack, request.device, request.threads)
    reference = ReferenceSystem(pack, identifier.recipe, request.weights, identifier.networks.device.threads)
    reference.load()
    runtime = calibrate_runtime(pack, request.fitting, request.folder, progress, request.seed, request.device, request.threads)
    recipe = runtime.identifier.recipe
    fitted_on = [reference.score(labelled, progress, open_set_trials=True) for labelled in request.fitting]
    tables = [scored.table(recipe.score_names) for scored in fitted_on]
    entries = fit_reference(tables, recipe, request.seed)
    differences: list[tuple[str, Difference]] = []
    sides: list[Sides] = []
    for place, (labelled, fitting) in enumerate(zip(request.sets, fitted_on, strict=True)):
        entry, photos = runtime.fit.model.entry(labelled.species)[0], _names(fitting.labelled.queries)
        reranking = FusedReranking(recipe, entries[labelled.species].curves, labelled.species)
        mine = PairScores.of(reranking.fill_table(tables[place]), fitting.paths)
        its = PairScores.of(reranked(runtime.tables[place], recipe, entry), runtime.photos[place])
        differences += [(labelled.name, each) for each in score_differences(recipe, photos, mine, its)]
        own = calibration_differences(recipe.score_names, mine, its, entries[labelled.species], entry)
        differences += [(labelled.name, each) for each in own]
        described, side = _ask_both(labelled, request.folder, runtime, reference, entries[labelled.species], progress)
        differences += [(labelled.name, each) for each in described]
        sides.append(side)
    notes = [] if pack.recipe.get("fuse") else [_NO_FUSION]
    thresholds = {
        labelled.species: {
            "reference": entries[labelled.species].threshold,
            "runtime": runtime.fit.model.entry(labelled.species)[0].threshold,
        }
        for labelled in request.sets
    }
    print_parity(pack.manifest.name, differences, [each.name for each in request.sets], sides, thresholds, notes)
    together = {"together": Sides.together(sides).as_json()} if len(sides) > 1 else {}
    return {
        "sets": {each.name: side.as_json() for each, side in zip(request.sets, sides, strict=True)},
        **together,
        "differences": [{"set": name, **each.as_json()} for name, each in differences],
        "thresholds": thresholds,
        "weights": {
            species: {"reference": entry.weights, "runtime": _plain_weights(runtime, species)}
            for species, entry in entries.items()
            if entry.weights
        },
        "notes": notes,
    }


_NO_FUSION = (
    "The recipe has no fusion of its own: compared up to the plain mean of the calibrated scores, with one threshold on both sides; its "
    "leads, pooling and questions to a person are what calibration chose, which no account describes."
)


def few(labelled: LabelledSet, queries: int | None, database: int | None) -> LabelledSet:
    """A part of a labelled set: individuals in turns, so that all are there as long as there is room."""
    return replace(labelled, queries=_in_turns(labelled.queries, queries), database=_in_turns(labelled.database, database))


def _in_turns(rows: Sequence[Enrolment], count: int | None) -> tuple[Enrolment, ...]:
    if count is None or count >= len(rows):
        return tuple(rows)
    turn: dict[str, int] = {}
    keys = []
    for place, row in enumerate(rows):
        turn[row.identity] = turn.get(row.identity, -1) + 1
        keys.append((turn[row.identity], place))
    return tuple(rows[place] for place in sorted(place for _, place in sorted(keys)[:count]))


def _ask_both(
    labelled: LabelledSet,
    folder: Path,
    runtime: RuntimeSystem,
    reference: ReferenceSystem,
    entry: ReferenceEntry,
    progress: Progress,
) -> tuple[list[Difference], Sides]:
    recipe, photos = reference.recipe, _names(labelled.queries)
    its = ask_runtime(labelled, runtime, folder, progress)
    scored = reference.score(labelled, progress, open_set_trials=False)
    reranking, mine = FusedReranking(recipe, entry.curves, labelled.species), []
    for compared in scored.compared:
        raw = reranking.fill(compared.raw, compared.rows.tolist(), scored.gallery_pairs)
        mine.append(entry.answer(raw, [scored.owners[row] for row in compared.rows], recipe, labelled.species))
    differences = [*description_differences(recipe, photos, scored.queries, its), *answer_differences(photos, mine, its)]
    return differences, Sides(
        photos=photos,
        truth=tuple(query.identity for query in labelled.queries),
        known=_known(scored),
        reference=tuple(each.at(entry.threshold) or NEW for each in mine),
        runtime=tuple(each.top if each.known and each.top else NEW for each in its),
        reference_top=tuple(each.identity or NEW for each in mine),
        runtime_top=tuple(each.top or NEW for each in its),
    )


def _plain_weights(runtime: RuntimeSystem, species: str) -> dict[str, float]:
    fusion = runtime.fit.model.entry(species)[0].fusion
    return dict(fusion.weights) if isinstance(fusion, WeightedMean) else {}


def _known(scored: Scored) -> frozenset[str]:
    return frozenset(scored.owners)


def _names(rows: Sequence[Enrolment]) -> tuple[str, ...]:
    return tuple(row.path.name for row in rows)
