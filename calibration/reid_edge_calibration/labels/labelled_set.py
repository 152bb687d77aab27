"""Database and query photos with the identities that people gave them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from reid_edge.errors import UsageError
from reid_edge.gallery.enrolment_list import Enrolment
from reid_edge.identify.identifier import Identifier
from reid_edge_calibration.labels.encounters import labels_tell_encounters
from reid_edge_calibration.labels.label_formats import read_labels
from reid_edge_calibration.labels.labelled_photo import LabelledPhoto, LabelledSource, first_few
from reid_edge_calibration.labels.leakage import find_leakage
from reid_edge_calibration.labels.request import LabelRequest
from reid_edge_calibration.labels.splits import split_photos
from reid_edge_calibration.progress import Progress


@dataclass(frozen=True)
class LabelledSet:
    """Database and query photos of one species.

    Attributes:
        name: of the folder that its labels lie in, for messages; with the species, where there are several in it.
        fold: the rows' fold, ``all`` where none was chosen.
        database, queries: who each photo shows.
        species: the species that they share, '' where it is not known.
        leaked: query photos that are in the database too and are left out of `queries`: they would find themselves.
        notes: what a person should know of these labels, a sentence each.
        tells_encounters: the photos were split by day, or the labels say which were taken together, see
            `encounters.labels_tell_encounters`.
    """

    name: str
    fold: str
    database: tuple[Enrolment, ...]
    queries: tuple[Enrolment, ...]
    species: str
    leaked: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()
    tells_encounters: bool = True

    def stem(self, identifier: Identifier) -> str:
        """The name of files that hold what this pack computes of this set: another network, stage, row or label gives another name, but
        not another fusion, step or decision, which read the same scores.
        """
        scored = replace(identifier.recipe, fuse=identifier.recipe.ordering_fusions, step=(), decide=None)
        networks = {
            name: identifier.pack.manifest.file(network.file).sha256
            for name, network in identifier.pack.manifest.networks.items()
        }
        what = repr((self.database, self.queries, sorted(networks.items()), scored, identifier.feature_key))
        name = re.sub(r"[/\\:]", "-", f"{self.name}-{self.fold}")
        return f"{name}-{sha256(what.encode()).hexdigest()[:12]}"


def read_labelled_sets(paths: Sequence[Path], request: LabelRequest, progress: Progress) -> list[LabelledSet]:
    """Read labels, split them into database and queries, and look for queries that are in the database too.

    Args:
        paths: sources of labels, see `read_labels`. Each is split by itself; those of the same species make one set.
        request: which labels, and how to split them.

    Returns:
        one set per species, in the order of the sources, and of the species' names within one.

    Raises:
        UsageError: a source cannot be read or split as asked, a species is not there, or two sources of a species share names.
        StorageError: a source may not be read.
    """
    sources = [_named(read_labels(path, request.fold, request.skip_conflicts), request.species) for path in paths]
    there = {photo.enrolment.species for labels in sources for photo in labels.photos}
    for species in request.species:
        if species not in there:
            listed = ", ".join(sorted(name or "photos without one" for name in there))
            raise UsageError(f"The labels have no species {species!r}.", f"They have {listed}.")
    parts: dict[str, list[LabelledSet]] = {}
    for labels in sources:
        for part in _by_species(labels, request, progress):
            parts.setdefault(part.species, []).append(part)
    return [_without_leaks(_merged(own), request, progress) for own in parts.values()]


def of_the_same_species(others: Sequence[LabelledSet], sets: Sequence[LabelledSet]) -> list[LabelledSet]:
    """For each of the sets the one of the others that is of its species, such as those of another fold.

    Raises:
        UsageError: there is none.
    """
    by_species = {other.species: other for other in others}
    for labelled in sets:
        if labelled.species not in by_species:
            fold = f"The fold {others[0].fold}" if others else "The other fold"
            raise UsageError(
                f"{fold} has no photos of {labelled.species or 'animals without a species'}.", "Choose others with --species."
            )
    return [by_species[labelled.species] for labelled in sets]


def _named(labels: LabelledSource, species: Sequence[str]) -> LabelledSource:
    """The labels, with the species that was asked for where they name none."""
    if len(species) != 1 or any(photo.enrolment.species for photo in labels.photos):
        return labels
    photos = (replace(photo, enrolment=replace(photo.enrolment, species=species[0])) for photo in labels.photos)
    return replace(labels, photos=tuple(photos))


def _by_species(labels: LabelledSource, request: LabelRequest, progress: Progress) -> list[LabelledSet]:
    photos_of: dict[str, list[LabelledPhoto]] = {}
    for photo in labels.photos:
        photos_of.setdefault(photo.enrolment.species, []).append(photo)
    sets, notes = [], labels.notes
    for species, photos in sorted(photos_of.items()):
        if request.species and species not in request.species:
            continue
        name = labels.name if len(photos_of) == 1 else f"{labels.name} {species or 'without species'}"
        split = split_photos(photos, request, name, progress)
        database, queries = (tuple(photo.enrolment for photo in side) for side in (split.database, split.queries))
        told = split.how == "time" or labels_tell_encounters(photos)
        noted = (*notes, *split.notes)
        sets.append(LabelledSet(name, request.fold or "all", database, queries, species, notes=noted, tells_encounters=told))
        notes = ()
    return sets


def _merged(sets: Sequence[LabelledSet]) -> LabelledSet:
    """One set of several sources of a species.

    Raises:
        UsageError: they share names of individuals, which may or may not mean the same animal.
    """
    if len(sets) == 1:
        return sets[0]
    seen: set[str] = set()
    for each in sets:
        names = {row.identity for row in (*each.database, *each.queries)}
        if shared := sorted(seen & names):
            raise UsageError(
                f"Two sources of {sets[0].species or 'photos without a species'} have individuals of the same name: "
                f"{first_few(shared)}.",
                "Put them into one source where they are the same animals, or else give them names of their own.",
            )
        seen |= names
    return LabelledSet(
        "+".join(dict.fromkeys(each.name for each in sets)),
        sets[0].fold,
        tuple(row for each in sets for row in each.database),
        tuple(row for each in sets for row in each.queries),
        sets[0].species,
        notes=tuple(note for each in sets for note in each.notes),
        tells_encounters=all(each.tells_encounters for each in sets),
    )


def _without_leaks(labelled: LabelledSet, request: LabelRequest, progress: Progress) -> LabelledSet:
    leakage = find_leakage(labelled.database, labelled.queries, labelled.name, progress)
    leaked = frozenset(leakage.same_bytes) | (leakage.nearly if request.drop_leaks else frozenset())
    queries = tuple(row for row in labelled.queries if row.path not in leaked)
    if not queries:
        raise UsageError(
            f"Every query photo of {labelled.name} is in the database too, or nearly.",
            "Split by encounter or time, add photos of other days, or give --keep-leaks and expect probabilities that are too good.",
        )
    notes = leakage.notes(labelled.name, len(labelled.queries), request.drop_leaks)
    return replace(
        labelled,
        queries=queries,
        leaked=tuple(row.path for row in labelled.queries if row.path in leaked),
        notes=(*labelled.notes, *notes),
    )
