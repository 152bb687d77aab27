"""A labelled set becomes a score table: enrol its database photos, ask for its query photos, keep the raw scores of the pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np

from reid_edge.candidates import GalleryCandidates
from reid_edge.comparison import Comparison, compare
from reid_edge.enrolment import EnrolmentResult, enrol
from reid_edge.errors import PhotoError, UsageError
from reid_edge.features import Features
from reid_edge.gallery import Gallery
from reid_edge.gallery.sources import Enrolment, read_source
from reid_edge.identification import Identifier
from reid_edge.photo import read_photo
from reid_edge.timings import Timings
from reid_edge_calibration.score_table import ScoreTable

T = TypeVar("T")
Progress = Callable[[Sequence[T], str], Iterable[T]]


@dataclass(frozen=True)
class LabelledSet:
    """Database and query photos of one metadata.csv.

    Attributes:
        name: its folder's name, for messages.
        fold: the rows' fold, ``all`` where none was chosen.
        database, queries: who each photo shows.
        species: the species that they share.
        leaked: query photos that are in the database too, byte for byte, and are left out of `queries`: they would find themselves.
    """

    name: str
    fold: str
    database: tuple[Enrolment, ...]
    queries: tuple[Enrolment, ...]
    species: str
    leaked: tuple[Path, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of these labels, a sentence each."""
        if not self.leaked:
            return ()
        names = ", ".join(path.name for path in self.leaked[:5]) + (" and others" if len(self.leaked) > 5 else "")
        return (f"{self.name}: query photos that are database photos too were left out, they would find themselves: {names}.",)

    def stem(self, identifier: Identifier) -> str:
        """The name of files that hold what this pack computes of this set: another pack, recipe, row or label gives another name."""
        networks = {
            name: identifier.pack.manifest.file(network.file).sha256
            for name, network in identifier.pack.manifest.networks.items()
        }
        what = repr((self.database, self.queries, sorted(networks.items()), identifier.recipe, identifier.feature_key))
        return f"{self.name}-{self.fold}-{sha256(what.encode()).hexdigest()[:12]}"


def read_labelled_set(metadata: Path, fold: str | None) -> LabelledSet:
    """Read the database and query rows of a metadata.csv (or of the folder that holds one).

    Args:
        metadata: with the columns ``split`` and, where `fold` is given, ``fold``.
        fold: rows of this fold only; None for all.

    Raises:
        UsageError: the file cannot be read, a row is wrong, one of the two splits is empty, or it holds several species.
    """
    database = tuple(read_source(metadata, split="database", fold=fold))
    queries = tuple(read_source(metadata, split="query", fold=fold))
    species = {row.species for row in (*database, *queries)}
    if len(species) > 1:
        raise UsageError(
            f"{metadata} holds several species ({', '.join(sorted(species))}).", "Give one metadata.csv per species."
        )
    name = (metadata if metadata.is_dir() else metadata.parent).resolve().name
    enrolled = {_content(row.path) for row in database}
    leaked = tuple(row.path for row in queries if _content(row.path) in enrolled)
    asked = tuple(row for row in queries if row.path not in leaked)
    return LabelledSet(name, fold or "all", database, asked, species.pop(), leaked)


def _content(path: Path) -> str:
    """What tells one file from another; of one that cannot be read, its path, because reading the photo will say why."""
    try:
        return sha256(path.read_bytes()).hexdigest()
    except OSError:
        return str(path)


def score_labelled_set(
    labelled: LabelledSet, identifier: Identifier, gallery_path: Path, progress: Progress, open_set_trials: bool = True
) -> ScoreTable:
    """Score the pairs that the runtime would score.

    Args:
        labelled: which photos.
        identifier: the pack; its calibration is not used.
        gallery_path: where the database photos are enrolled; an existing gallery is continued, so that features are kept.
        progress: wraps a list and a word for it.
        open_set_trials: also score the pairs that the runtime would score if the query's own individual were not in the gallery, as
            fitting a threshold needs.

    Raises:
        UsageError: a photo cannot be read: a calibration on a part of the data would be a silent one.
        EngineError, GalleryError, StorageError: it cannot go on.
    """
    with Gallery.open_or_create(gallery_path) as gallery:
        result = enrol(gallery, identifier, progress(labelled.database, f"Enrolling {labelled.name}"))
        refuse_incomplete(labelled, result)
        candidates = GalleryCandidates(gallery, identifier.feature_key)
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
    nothing = np.full(len(identifier.recipe.score_names), np.nan)
    for row, query in enumerate(progress(labelled.queries, f"Scoring {labelled.name}")):
        features = describe_query(query, labelled, identifier)
        comparisons = _comparisons(features, query, identifier, candidates, identities, list(column_of))
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
    )


def refuse_incomplete(labelled: LabelledSet, result: EnrolmentResult) -> None:
    """Figures on a part of the data, or on doubtful labels, would be silent ones.

    Raises:
        UsageError: a database photo could not be read, or is there twice under two identities.
    """
    if result.failed:
        raise _unreadable(labelled, result.failed[0][1])
    if result.conflicting:
        path, given, there = result.conflicting[0]
        raise UsageError(
            f"{labelled.name}: {path} is labelled {given}, but the same photo is there as {there}.", "Correct one of the rows."
        )


def describe_query(query: Enrolment, labelled: LabelledSet, identifier: Identifier) -> Features:
    """The features of the largest animal of a query photo.

    Raises:
        UsageError: the photo cannot be read.
    """
    try:
        photo = read_photo(query.path)
    except PhotoError as error:
        raise _unreadable(labelled, error) from error
    return identifier.describe(photo, largest_only=True)[0].features


def _comparisons(
    features: Features,
    query: Enrolment,
    identifier: Identifier,
    candidates: GalleryCandidates,
    identities: Sequence[str],
    sighting_ids: Sequence[int],
) -> Iterator[Comparison]:
    """The query against the gallery, and then against the gallery without its own individual, where it is in there."""
    selection = candidates.select("", query.viewpoint)
    recipe, networks, timings = identifier.recipe, identifier.networks, Timings()
    yield compare(features, candidates, recipe, networks, timings, selection.ids)
    others = {sighting for sighting, identity in zip(sighting_ids, identities, strict=True) if identity != query.identity}
    if len(others) == len(sighting_ids):
        return
    allowed = sighting_ids if selection.ids is None else [int(sighting) for sighting in selection.ids]
    without = np.array(sorted(others.intersection(allowed)), np.int64)
    yield compare(features, candidates, recipe, networks, timings, without)


def _unreadable(labelled: LabelledSet, error: PhotoError) -> UsageError:
    return UsageError(f"{labelled.name}: {error.message}", "Repair the photo, or take its row out of the metadata.csv.")
