"""A labelled set becomes a score table: enrol its database photos, ask for its query photos, keep the raw scores of the pairs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np

from reid_edge.compare.candidates import GalleryCandidates
from reid_edge.compare.comparison import Comparer, Comparison
from reid_edge.describe.description import DescribedAnimal
from reid_edge.describe.features import Features
from reid_edge.describe.quality import QUALITY
from reid_edge.describe.query import Query
from reid_edge.describe.viewpoint import completed
from reid_edge.errors import PhotoError, UsageError
from reid_edge.gallery import Gallery
from reid_edge.gallery.enrolment_list import Enrolment
from reid_edge.identify.enrolment import EnrolmentResult, enrol
from reid_edge.identify.identifier import Identifier
from reid_edge.photo import read_photo
from reid_edge.timings import Timings
from reid_edge_calibration.labels.labelled_set import LabelledSet
from reid_edge_calibration.progress import Progress
from reid_edge_calibration.score_table import ScoreTable


def kept_table(
    labelled: LabelledSet, identifier: Identifier, folder: Path, progress: Progress, open_set_trials: bool = True
) -> ScoreTable:
    """The table that this folder keeps from an earlier run; scored anew, and kept, where there is none, it cannot be read, or a photo is
    younger than it. Arguments and errors as for `score_labelled_set`, whose gallery lies beside it.
    """
    stem = labelled.stem(identifier)
    path = folder / f"{stem}{'' if open_set_trials else '-answers'}.npz"
    with suppress(UsageError):
        table = ScoreTable.load(path)
        photos = {row.path for row in (*labelled.database, *labelled.queries)}
        if not any(photo.is_file() and photo.stat().st_mtime > path.stat().st_mtime for photo in photos):
            return table
    table = score_labelled_set(labelled, identifier, folder / f"{stem}.sqlite", progress, open_set_trials)
    table.save(path)
    return table


def score_labelled_set(
    labelled: LabelledSet, identifier: Identifier, gallery_path: Path, progress: Progress, open_set_trials: bool = True
) -> ScoreTable:
    """Score the pairs that the runtime would score.

    Args:
        labelled: which photos.
        identifier: the pack; its calibration is not used.
        gallery_path: where the database photos are enrolled; an existing gallery is continued, so that features are kept.
        open_set_trials: also score the pairs that the runtime would score if the query's own individual were not in the gallery, as
            fitting a threshold needs.

    Raises:
        UsageError: a photo cannot be read: a calibration on a part of the data would be a silent one.
        EngineError, GalleryError, StorageError: it cannot go on.
    """
    with Gallery.open_or_create(gallery_path) as gallery:
        result = enrol(gallery, identifier, progress(labelled.database, f"Enrolling {labelled.name}"))
        refuse_incomplete(labelled, result)
        candidates = identifier.candidates(gallery)
        return _score(labelled, identifier, gallery, candidates, progress, open_set_trials)


def _score(
    labelled: LabelledSet,
    identifier: Identifier,
    gallery: Gallery,
    candidates: GalleryCandidates,
    progress: Progress,
    open_set_trials: bool,
) -> ScoreTable:
    sightings = gallery.sightings()
    column_of = {sighting.id: column for column, sighting in enumerate(sightings)}
    identities = [sighting.identity for sighting in sightings]
    rows: list[int] = []
    columns: list[int] = []
    raw: dict[str, list[np.ndarray]] = {"raw": [], "raw_without": []}
    quality = np.empty((len(labelled.queries), len(QUALITY)), np.float32)
    nothing = np.full(len(identifier.recipe.score_names), np.nan)
    for row, query in enumerate(progress(labelled.queries, f"Scoring {labelled.name}")):
        described = describe_query(query, labelled, identifier)
        quality[row] = described.quality
        query = replace(query, viewpoint=completed(Query(viewpoint=query.viewpoint), described.viewpoint).viewpoint)
        comparisons = _comparisons(described.features, query, identifier, candidates, identities, list(column_of))
        scored = [
            dict(zip(map(int, comparison.sighting_ids), comparison.raw, strict=True))
            for comparison in islice(comparisons, 2 if open_set_trials else 1)
        ]
        pairs = sorted(set[int]().union(*scored))
        rows += [row] * len(pairs)
        columns += [column_of[sighting] for sighting in pairs]
        for scores, part in zip(raw.values(), [*scored, {}], strict=False):
            scores += [part.get(sighting, nothing) for sighting in pairs]
    shape = (len(rows), len(identifier.recipe.score_names))
    return ScoreTable(
        identifier.recipe.score_names,
        labelled.species,
        tuple(query.identity for query in labelled.queries),
        tuple(identities),
        np.array(rows, np.int32),
        np.array(columns, np.int32),
        **{name: np.array(scores, np.float32).reshape(shape) for name, scores in raw.items()},
        quality=quality,
    )


def refuse_incomplete(labelled: LabelledSet, result: EnrolmentResult) -> None:
    """Figures on a part of the data, or on doubtful labels, would be silent ones.

    Raises:
        UsageError: a database photo could not be read, or is there twice under two identities.
    """
    if result.failed:
        raise _unreadable(labelled, result.failed[0][1])
    if result.conflicting:
        conflicts = "; ".join(
            f"{path} is labelled {given}, but the same photo is {other}" for path, given, other in result.conflicting
        )
        raise UsageError(
            f"{labelled.name}: {conflicts}.",
            "Correct one of the two labels of each. To leave these photos out: --skip-conflicts.",
        )


def describe_query(query: Enrolment, labelled: LabelledSet, identifier: Identifier) -> DescribedAnimal:
    """The largest animal of a query photo.

    Raises:
        UsageError: the photo cannot be read.
    """
    try:
        photo = read_photo(query.path)
    except PhotoError as error:
        raise _unreadable(labelled, error) from error
    return identifier.describe(photo, Query(query.species, query.viewpoint), largest_only=True)[0]


def _comparisons(
    features: Features,
    query: Enrolment,
    identifier: Identifier,
    candidates: GalleryCandidates,
    identities: Sequence[str],
    sighting_ids: Sequence[int],
) -> Iterator[Comparison]:
    """The query against the gallery, and then against the gallery without its own individual, where it is in there."""
    selection = candidates.select(Query(viewpoint=query.viewpoint))
    selection = replace(selection, query=Query(query.species, query.viewpoint))
    comparer = Comparer(identifier.recipe, identifier.networks, candidates)
    yield comparer.compare(features, selection, Timings())
    others = {sighting for sighting, identity in zip(sighting_ids, identities, strict=True) if identity != query.identity}
    if len(others) == len(sighting_ids):
        return
    allowed = sighting_ids if selection.ids is None else [int(sighting) for sighting in selection.ids]
    without = np.array(sorted(others.intersection(allowed)), np.int64)
    yield comparer.compare(features, replace(selection, ids=without), Timings())


def _unreadable(labelled: LabelledSet, error: PhotoError) -> UsageError:
    return UsageError(f"{labelled.name}: {error.message}", "Repair the photo, or take it out of the labels.")
