"""The gallery of a labelled set, described once, with the near-copies and the rearranged galleries that the laws ask for."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import numpy as np

from reid_edge.gallery import Gallery, NewSighting, Sighting
from reid_edge.identify.enrolment import enrol
from reid_edge.identify.identifier import Identifier
from reid_edge_benchmarks.trust.near_copies import write_near_copies
from reid_edge_benchmarks.trust.views import GalleryView
from reid_edge_calibration.labels.labelled_set import LabelledSet
from reid_edge_calibration.progress import Progress
from reid_edge_calibration.scoring import refuse_incomplete


@dataclass(frozen=True)
class Catalogue:
    """What the queries of one labelled set are compared with.

    Attributes:
        labelled: the photos.
        whole: the database photos.
        with_copies: the same, and near-copies of photos of one individual.
        copied: that individual, the one of the most photos.
        rearranged: the database photos in another gallery, enrolled in another order and under other names.
        names: by name in `rearranged`, the name in `whole`.
        twice: the database photos in another gallery, one photo of each individual twice.
    """

    labelled: LabelledSet
    whole: GalleryView
    with_copies: GalleryView
    copied: str
    rearranged: GalleryView
    names: Mapping[str, str]
    twice: GalleryView

    @property
    def copies(self) -> dict[int, str]:
        """The near-copies, as the owners of a view."""
        return {sighting: name for sighting, name in self.with_copies.owners.items() if sighting not in self.whole.owners}

    def of_individuals(self, names: Sequence[str]) -> GalleryView:
        """All database photos of these individuals alone."""
        chosen = set(names)
        return self.whole.showing({sighting: name for sighting, name in self.whole.owners.items() if name in chosen})

    def few_photos(self, most: int) -> dict[int, str]:
        """The first photos of each individual, so many at most, as the owners of a view."""
        count: Counter[str] = Counter()
        few = {}
        for sighting, name in sorted(self.whole.owners.items()):
            count[name] += 1
            if count[name] <= most:
                few[sighting] = name
        return few


@contextmanager
def open_catalogue(
    labelled: LabelledSet, identifier: Identifier, copies: int, folder: Path, progress: Progress
) -> Iterator[Catalogue]:
    """Enrol the database photos, as `bench accuracy` does and in the same file, then the near-copies in a copy of that file.

    Args:
        labelled: which photos.
        identifier: the pack.
        copies: how many near-copies.
        folder: keeps galleries and near-copies; those that are there are continued.
        progress: wraps an iterable and a word for it.

    Raises:
        UsageError: a database photo cannot be read, or two rows contradict each other.
        EngineError, GalleryError, StorageError: it cannot go on.
    """
    plain = folder / f"{labelled.stem(identifier)}.sqlite"
    with Gallery.open_or_create(plain) as gallery:
        refuse_incomplete(labelled, enrol(gallery, identifier, progress(labelled.database, f"Enrolling {labelled.name}")))
    path = plain.with_name(f"{plain.stem}-trust.sqlite")
    if not path.exists():
        shutil.copyfile(plain, path)
    with Gallery.open(path) as gallery:
        own = [row for row in labelled.database if row.identity == most_photographed(labelled)]
        made = write_near_copies(own, copies, plain.with_suffix("") / "near-copies", progress)
        enrol(gallery, identifier, progress(made, "Enrolling near-copies"))
        files = [{row.path.resolve() for row in rows} for rows in (labelled.database, made)]
        seen = gallery.sightings()
        sightings = ([each.id for each in seen if Path(each.photo_path) in part] for part in files)
        with arranged(labelled, gallery, identifier, *sightings) as catalogue:
            yield catalogue


@contextmanager
def arranged(
    labelled: LabelledSet, gallery: Gallery, identifier: Identifier, database: Sequence[int], copies: Sequence[int]
) -> Iterator[Catalogue]:
    """The views of a gallery that holds everything, and the galleries beside it that are made of it for a while.

    Args:
        labelled: which photos.
        gallery: holds the features of all.
        identifier: the pack.
        database, copies: sighting ids of the database photos, and of the near-copies.

    Raises:
        GalleryError, StorageError: a gallery cannot be made.
    """
    everything = GalleryView(identifier.candidates(gallery))
    whole = everything.showing({sighting: everything.owners[sighting] for sighting in database})
    with_copies = everything.showing({sighting: everything.owners[sighting] for sighting in (*database, *copies)})
    ordered = [everything.sighting(sighting) for sighting in sorted(database)]
    renamed = {name: f"{number:04d}" for number, name in enumerate(reversed(whole.individuals))}
    shuffle = np.random.default_rng(0).permutation(len(ordered))
    shuffled = [replace(ordered[place], identity=renamed[ordered[place].identity]) for place in shuffle]
    first = {seen.identity: seen for seen in reversed(ordered)}
    twice = [*ordered, *(replace(seen, photo_sha256=_other_hash(seen)) for seen in first.values())]
    with (
        _gallery_of(shuffled, gallery, identifier, "rearranged") as rearranged,
        _gallery_of(twice, gallery, identifier, "twice") as doubled,
    ):
        names = {new: name for name, new in renamed.items()}
        yield Catalogue(labelled, whole, with_copies, most_photographed(labelled), rearranged, names, doubled)


@contextmanager
def _gallery_of(sightings: Sequence[Sighting], source: Gallery, identifier: Identifier, name: str) -> Iterator[GalleryView]:
    """A new gallery of these sightings with the features that the source holds, in this order; it is deleted afterwards."""
    path, key = source.path.with_name(f"{source.path.stem}-{name}.sqlite"), identifier.feature_key
    _delete(path)
    try:
        with Gallery.create(path) as gallery:
            batch = gallery.new_batch()
            facts = NewSighting.__dataclass_fields__.keys() - {"thumbnail"}
            with gallery.transaction():
                for seen in sightings:
                    new = NewSighting(**{name: getattr(seen, name) for name in facts})
                    gallery.add_sighting(new, source.features([seen.id], key)[seen.id], key, batch)
            yield GalleryView(identifier.candidates(gallery))
    finally:
        _delete(path)


def _delete(path: Path) -> None:
    path.unlink(missing_ok=True)
    shutil.rmtree(path.with_name(f"{path.name}.cache"), ignore_errors=True)


def most_photographed(labelled: LabelledSet) -> str:
    """The individual of the most database photos; of several, the first by name."""
    count = Counter(row.identity for row in labelled.database)
    return min(count, key=lambda name: (-count[name], name))


def _other_hash(seen: Sighting) -> str:
    """The hash of another file with the same picture."""
    return sha256(f"again {seen.photo_sha256}".encode()).hexdigest()
