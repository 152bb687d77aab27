"""A labelled set becomes a score table: enrol its database photos, ask for its query photos, keep the raw scores of the pairs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reid_edge.compare.candidates import GalleryCandidates
from reid_edge.compare.comparison import Comparer
from reid_edge.compare.gallery_pairs import pair_score_count, score_gallery_pairs
from reid_edge.describe.description import DescribedAnimal
from reid_edge.describe.features import Features
from reid_edge.describe.quality import QUALITY
from reid_edge.describe.query import Query
from reid_edge.describe.viewpoint import completed
from reid_edge.errors import PhotoError, UsageError
from reid_edge.gallery import Gallery
from reid_edge.gallery.enrolment_list import Enrolment
from reid_edge.gallery.pair_scores import PairScoreFile
from reid_edge.identify.enrolment import EnrolmentResult, enrol
from reid_edge.identify.identifier import Identifier
from reid_edge.photo import read_photo
from reid_edge.timings import Timings
from reid_edge_calibration.labels.labelled_set import LabelledSet
from reid_edge_calibration.progress import Progress
from reid_edge_calibration.query_scores import KeptQueries, QueryScores
from reid_edge_calibration.score_table import ScoreTable

_PART_SIZES = (1, 2, 3, 5, 10, 20)
_PARTS = 3
"""Parts of the gallery that each query photo is also compared with, and how many individuals they hold."""


def kept_table(
    labelled: LabelledSet, identifier: Identifier, folder: Path, progress: Progress, open_set_trials: bool = True
) -> ScoreTable:
    """The table that this folder keeps from an earlier run; scored anew, and kept, where there is none, it cannot be read, or a photo is
    younger than it. Scoring that was stopped continues with the next query photo. Arguments and errors as for `score_labelled_set`, whose
    gallery lies beside it.
    """
    stem = labelled.stem(identifier)
    path = folder / f"{stem}{'' if open_set_trials else '-answers'}.npz"
    with suppress(UsageError):
        table = ScoreTable.load(path)
        photos = {row.path for row in (*labelled.database, *labelled.queries)}
        if not any(photo.is_file() and photo.stat().st_mtime > path.stat().st_mtime for photo in photos):
            return table
    kept = KeptQueries(path.with_suffix(".queries"))
    table = score_labelled_set(labelled, identifier, folder / f"{stem}.sqlite", progress, open_set_trials, kept)
    table.save(path)
    kept.remove()
    return table


def score_labelled_set(
    labelled: LabelledSet,
    identifier: Identifier,
    gallery_path: Path,
    progress: Progress,
    open_set_trials: bool = True,
    kept: KeptQueries | None = None,
) -> ScoreTable:
    """Score the pairs that the runtime would score.

    Args:
        labelled: which photos.
        identifier: the pack; its calibration is not used.
        gallery_path: where the database photos are enrolled; an existing gallery is continued, so that features are kept.
        open_set_trials: also score the pairs that the runtime would score if the query's own individual were not in the gallery, as
            fitting a threshold needs.
        kept: where the scores of each query photo are kept, and found again, until the table is whole; None to keep none.

    Raises:
        UsageError: a photo cannot be read: a calibration on a part of the data would be a silent one.
        EngineError, GalleryError, StorageError: it cannot go on.
    """
    with Gallery.open_or_create(gallery_path) as gallery:
        result = enrol(gallery, identifier, progress(labelled.database, f"Enrolling {labelled.name}"))
        refuse_incomplete(labelled, result)
        candidates = identifier.candidates(gallery)
        score_pairs_of_gallery(gallery, identifier, candidates, progress)
        return _score(labelled, identifier, gallery, candidates, progress, open_set_trials, kept)


def score_pairs_of_gallery(gallery: Gallery, identifier: Identifier, candidates: GalleryCandidates, progress: Progress) -> None:
    """Score gallery photos against each other, as `reid-edge gallery pairs` does, where the recipe re-ranks by a fusion.

    Raises:
        EngineError, GalleryError, StorageError: it cannot go on.
    """
    if any(stage.fusion for stage in identifier.recipe.rerank):
        file = PairScoreFile(gallery.cache, identifier.pair_key, pair_score_count(identifier.recipe))
        score_gallery_pairs(identifier.recipe, identifier.networks, candidates, file, progress)


def _score(
    labelled: LabelledSet,
    identifier: Identifier,
    gallery: Gallery,
    candidates: GalleryCandidates,
    progress: Progress,
    open_set_trials: bool,
    kept: KeptQueries | None,
) -> ScoreTable:
    sightings = gallery.sightings()
    column_of = {sighting.id: column for column, sighting in enumerate(sightings)}
    owners = {each.id: each.identity for each in sightings}
    found: list[QueryScores] = []
    for number, query in enumerate(progress(labelled.queries, f"Scoring {labelled.name}")):
        scores = kept.find(number, query.path) if kept else None
        if scores is None:
            scores = _score_query(number, query, labelled, identifier, candidates, owners, open_set_trials)
            if kept:
                kept.keep(number, scores)
        found.append(scores)
    starts = np.cumsum([0, *(each.parts for each in found)])
    photo = np.repeat(np.arange(len(found)), [each.parts for each in found]).astype(np.int32)
    shape, every = (-1, len(identifier.recipe.score_names)), [np.empty(0, np.int32)]
    return ScoreTable(
        identifier.recipe.score_names,
        labelled.species,
        tuple(labelled.queries[number].identity for number in photo),
        tuple(sighting.identity for sighting in sightings),
        np.concatenate([*every, *(each.part + start for each, start in zip(found, starts, strict=False))]).astype(np.int32),
        np.array([column_of[int(sighting)] for each in found for sighting in each.sighting], np.int32),
        np.concatenate([np.empty(0, np.float32), *(each.raw.ravel() for each in found)]).reshape(shape),
        np.concatenate([np.empty(0, np.float32), *(each.raw_without.ravel() for each in found)]).reshape(shape),
        np.array([found[number].quality for number in photo], np.float32).reshape(-1, len(QUALITY)),
        photo,
        *_gallery_pairs(identifier, candidates, column_of),
    )


def _score_query(
    number: int,
    query: Enrolment,
    labelled: LabelledSet,
    identifier: Identifier,
    candidates: GalleryCandidates,
    owners: Mapping[int, str],
    open_set_trials: bool,
) -> QueryScores:
    """Describe one query photo and compare it with the gallery, without its own individual too, and with parts of it."""
    described = describe_query(query, labelled, identifier)
    query = replace(query, viewpoint=completed(Query(viewpoint=query.viewpoint), described.viewpoint).viewpoint)
    asked = _AskedAgain(described.features, query, identifier, candidates, owners)
    # The published systems, which count photos, are answered for by rules of their own.
    uneven = open_set_trials and identifier.recipe.retrieve.unit == "individuals"
    nothing = np.full(len(identifier.recipe.score_names), np.nan)
    part_of: list[int] = []
    sightings: list[int] = []
    raw: list[NDArray[np.float64]] = []
    raw_without: list[NDArray[np.float64]] = []
    parts = [None, *(asked.parts(number) if uneven else [])]
    for place, part in enumerate(parts):
        views = asked.views(part) if open_set_trials else [asked.scores(part), {}]
        pairs = sorted(set[int]().union(*views))
        part_of += [place] * len(pairs)
        sightings += pairs
        for scores, view in zip((raw, raw_without), views, strict=True):
            scores += [view.get(sighting, nothing) for sighting in pairs]
    shape = (len(sightings), len(nothing))
    return QueryScores(
        len(parts),
        np.array(part_of, np.int32),
        np.array(sightings, np.int64),
        np.array(raw, np.float32).reshape(shape),
        np.array(raw_without, np.float32).reshape(shape),
        described.quality,
    )


def _gallery_pairs(
    identifier: Identifier, candidates: GalleryCandidates, column_of: Mapping[int, int]
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]:
    """The pairs of gallery photos that re-ranking by a fusion needs, as a `ScoreTable` has them."""
    count = pair_score_count(identifier.recipe)
    needed = any(stage.fusion for stage in identifier.recipe.rerank)
    scored = candidates.pair_scores(identifier.pair_key, count) if needed else {}
    pairs = [(column_of[one], pairs) for one, pairs in scored.items() if one in column_of]
    query = [column for column, record in pairs for _ in record.candidates]
    candidate = [column_of[int(other)] for _, record in pairs for other in record.candidates]
    raw = np.concatenate([np.empty((0, count), np.float32), *(record.raw for _, record in pairs)])
    return np.array(query, np.int32), np.array(candidate, np.int32), raw


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


class _AskedAgain:
    """One query photo, compared with the gallery and with parts of it; what was matched once is kept."""

    def __init__(
        self,
        features: Features,
        query: Enrolment,
        identifier: Identifier,
        candidates: GalleryCandidates,
        owners: Mapping[int, str],
    ) -> None:
        self._features = features
        self._identity = query.identity
        self._comparer = Comparer(identifier.recipe, identifier.networks, candidates).keeping_matches()
        # Every photo of a labelled set is compared with all others, of whatever species these say they are.
        selection = candidates.select(Query(viewpoint=query.viewpoint))
        self._selection = replace(selection, query=Query(query.species, query.viewpoint))
        allowed = owners if selection.ids is None else selection.ids
        self._photos: dict[str, list[int]] = {}
        for sighting in sorted(map(int, allowed)):
            self._photos.setdefault(owners[sighting], []).append(sighting)

    def scores(self, part: Collection[int] | None) -> dict[int, NDArray[np.float64]]:
        """By sighting, the raw scores of the pairs that are compared in this part of the gallery; None for all of it."""
        ids = self._selection.ids if part is None else np.array(sorted(part), np.int64)
        comparison = self._comparer.compare(self._features, replace(self._selection, ids=ids), Timings())
        return dict(zip(map(int, comparison.sighting_ids), comparison.raw, strict=True))

    def views(self, part: Collection[int] | None) -> list[dict[int, NDArray[np.float64]]]:
        """The scores in a part of the gallery, and in the same part without the query's own individual, where it is in there."""
        own = set(self._photos.get(self._identity, ()))
        everything = {sighting for photos in self._photos.values() for sighting in photos} if part is None else set(part)
        without = everything - own
        return [self.scores(part), self.scores(without) if without != everything else {}]

    def parts(self, seed: int) -> list[set[int]]:
        """Small and uneven galleries: some individuals, each with some of its photos. The query's own is one of them, where it is known."""
        rng = np.random.default_rng(seed)
        others = sorted(set(self._photos) - {self._identity})
        own = [self._identity] if self._identity in self._photos else []
        sizes = [size for size in _PART_SIZES if size <= len(others)]
        chosen = rng.choice(sizes, min(_PARTS, len(sizes)), replace=False) if sizes else []
        parts = []
        for size in chosen:
            names = [*own, *rng.choice(others, size - len(own), replace=False)]
            parts.append({int(sighting) for name in names for sighting in self._some(name, rng)})
        return parts

    def _some(self, name: str, rng: np.random.Generator) -> NDArray[np.int64]:
        photos = self._photos[name]
        return rng.choice(photos, rng.integers(1, len(photos) + 1), replace=False)


def _unreadable(labelled: LabelledSet, error: PhotoError) -> UsageError:
    return UsageError(f"{labelled.name}: {error.message}", "Repair the photo, or take it out of the labels.")
