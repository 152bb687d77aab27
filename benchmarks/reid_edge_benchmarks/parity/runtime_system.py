"""The runtime's side: calibrated by `reid_edge_calibration` on one fold, asked about the photos of another over a gallery of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from reid_edge.compare.candidates import GalleryCandidates
from reid_edge.decide.decision import Decision
from reid_edge.describe.description import DescribedAnimal
from reid_edge.describe.query import Query
from reid_edge.gallery import Gallery
from reid_edge.identify.enrolment import enrol
from reid_edge.identify.identifier import Identifier
from reid_edge.pack import Pack, open_pack
from reid_edge.photo import read_photo
from reid_edge.recipe import Recipe
from reid_edge.recipe.stages import Decide, Fuse, Group
from reid_edge_calibration.fit import CalibrationFit, fit_with_facts
from reid_edge_calibration.labels.labelled_set import LabelledSet
from reid_edge_calibration.packing import write_calibrated_pack
from reid_edge_calibration.progress import Progress
from reid_edge_calibration.score_table import ScoreTable
from reid_edge_calibration.scoring import describe_query, kept_table, refuse_incomplete, score_pairs_of_gallery

FUSED_MEAN = "mean of all scores"


@dataclass(frozen=True)
class RuntimeAnswer:
    """What the runtime says to one query, and what it saw.

    Attributes:
        top: the identity ranked first; None where nothing was compared.
        known: its evidence reaches the threshold; a question to a person counts as the answer that the threshold would have given.
        evidence: for `top`.
        fused: by identity.
        described: the photo's largest animal.
    """

    top: str | None
    known: bool
    evidence: float
    fused: Mapping[str, float]
    described: DescribedAnimal


@dataclass(frozen=True)
class RuntimeSystem:
    """A calibrated system on this machine.

    Attributes:
        identifier: with the calibrated pack.
        tables: the scores that it was calibrated on, one per species.
        photos: of each table, the gallery's photos in its order.
        fit: how.
    """

    identifier: Identifier
    tables: tuple[ScoreTable, ...]
    photos: tuple[tuple[Path, ...], ...]
    fit: CalibrationFit


def with_one_fusion(recipe: Recipe) -> Recipe:
    """A recipe that leaves fusion to what calibration chooses, as one that takes the plain mean of its calibrated scores and one
    threshold; a recipe with fusions of its own as it is.
    """
    if recipe.fuse:
        return recipe
    mean = Fuse(FUSED_MEAN, (Group(recipe.score_names, 1.0),))
    always = tuple(replace(match, in_doubt=False) for match in recipe.match)  # doubt is of the fusion that calibration chose
    return replace(recipe, match=always, fuse=(mean,), decide=Decide(None))


def calibrate_runtime(
    pack: Pack, sets: Sequence[LabelledSet], folder: Path, progress: Progress, seed: int, device: str, threads: int | None
) -> RuntimeSystem:
    """Score the pairs of labelled sets, fit, and open the calibrated pack.

    Args:
        pack: its own calibration is not used.
        sets: one per species.
        folder: keeps galleries, score tables and the calibrated pack.
        seed: of folds, starts and resamples.
        device, threads: see `Identifier`.

    Raises:
        UsageError: a photo cannot be read, or there are too few.
        PackError, EngineError, GalleryError, StorageError: it cannot go on.
    """
    identifier = open_identifier(pack, device, threads)
    tables = tuple(kept_table(labelled, identifier, folder, progress) for labelled in sets)
    fit = fit_with_facts(tables, seed, None, identifier.recipe)
    out = folder / f"calibrated-{sets[0].stem(identifier)}"
    write_calibrated_pack(pack, fit.model, out)
    photos = tuple(_photos(folder / f"{labelled.stem(identifier)}.sqlite") for labelled in sets)
    calibrated = open_pack(out, allow_random=True)  # where it was allowed to come this far
    return RuntimeSystem(open_identifier(calibrated, device, threads), tables, photos, fit)


def ask_runtime(labelled: LabelledSet, system: RuntimeSystem, folder: Path, progress: Progress) -> list[RuntimeAnswer]:
    """Enrol the database photos and identify the query photos.

    Raises:
        UsageError, PhotoError: a photo cannot be read.
        EngineError, GalleryError, StorageError: it cannot go on.
    """
    identifier, answers = system.identifier, []
    with Gallery.open_or_create(folder / f"{labelled.stem(identifier)}.sqlite") as gallery:
        refuse_incomplete(labelled, enrol(gallery, identifier, progress(labelled.database, f"Enrolling {labelled.name}")))
        candidates = GalleryCandidates(gallery, identifier.feature_key, any_view=identifier.recipe.retrieve.any_view)
        score_pairs_of_gallery(gallery, identifier, candidates, progress)
        everybody = len(gallery.individuals())
        for query in progress(labelled.queries, f"Identifying {labelled.name}"):
            query_facts = Query(species=labelled.species, viewpoint=query.viewpoint, top=everybody)
            decision = identifier.identify(read_photo(query.path), candidates, query_facts)[0]
            answers.append(_answer(decision, describe_query(query, labelled, identifier)))
    return answers


def open_identifier(pack: Pack, device: str, threads: int | None) -> Identifier:
    """The pack on a device, its recipe with a fusion that both sides have."""
    identifier = Identifier(pack, device, threads)
    identifier.recipe = with_one_fusion(identifier.recipe)
    return identifier


def _photos(gallery_path: Path) -> tuple[Path, ...]:
    with Gallery.open(gallery_path, writable=False) as gallery:
        return tuple(Path(sighting.photo_path) for sighting in gallery.sightings())


def _answer(decision: Decision, described: DescribedAnimal) -> RuntimeAnswer:
    ranking = decision.ranking
    evidence = ranking[0].evidence if ranking else 0.0
    return RuntimeAnswer(
        top=ranking[0].identity if ranking else None,
        known=bool(ranking) and evidence >= decision.thresholds.known_from,
        evidence=evidence,
        fused={ranked.identity: ranked.fused for ranked in ranking},
        described=described,
    )
