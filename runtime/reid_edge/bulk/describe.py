"""A run that describes many photos: which are left to do, and how each reaches the gallery and the result files."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from reid_edge.bulk.describe_results import DESCRIBED_AGAIN, ENROLLED, PRESENT, DescribeResults, Value, describe_schema
from reid_edge.bulk.describing import DescribeRecipe, PhotoToDescribe
from reid_edge.bulk.file_facts import FileFacts
from reid_edge.bulk.hashes import PhotoHashes
from reid_edge.bulk.opening import BulkPack
from reid_edge.bulk.result_files import ResultFiles
from reid_edge.bulk.run import BulkRun, Done, Todo
from reid_edge.gallery import Gallery, Sighting
from reid_edge.gallery.enrolment_list import Enrolment
from reid_edge.gallery.names import name_key
from reid_edge.storage.address import absolute_place


class DescribeRun(BulkRun):
    """Describes photos into a gallery and result files."""

    def __init__(
        self, gallery: Gallery, pack: BulkPack, folder: Path, values: Sequence[Value], retry_failed: bool = False
    ) -> None:
        """Look what is left to do.

        Args:
            gallery: writable.
            pack: that describes.
            folder: of the results.
            values: photos to describe, or sightings of the gallery that this pack has not described.
            retry_failed: see `BulkRun`.

        Raises:
            UsageError: the folder holds the results of another pack or gallery.
            GalleryError, StorageError: the gallery or the folder cannot be read or written.
        """
        embeddings = tuple(pack.recipe.embedding_names)
        record = {"command": "describe", "pack": pack.feature_key, "gallery": str(absolute_place(gallery.path))}
        files = ResultFiles(folder, record, describe_schema(embeddings))
        try:
            self._described = gallery.described_photos(pack.feature_key)
            super().__init__(files, [(value, _facts(value)) for value in values], retry_failed)
            self._results = DescribeResults(gallery, pack.feature_key, embeddings, files)
        except BaseException:
            files.close()
            raise
        self._pack = pack.workers

    def holds(self, row: Mapping[str, Any]) -> bool:
        """Not where the gallery lacks what a row says that it has: it was undone, or a backup was restored."""
        return row["status"] not in (ENROLLED, PRESENT, DESCRIBED_AGAIN) or row["photo_sha256"] in self._described

    def recipe(self) -> DescribeRecipe:
        """See `BulkRun.recipe`."""
        return DescribeRecipe(
            self._pack, PhotoHashes.of(self._results.enrolled_photos), PhotoHashes.of(self._results.described_photos)
        )

    def take(self, results: Sequence[Done]) -> list[Todo]:
        """See `BulkRun.take`."""
        return self._results.take(results, self.counts)


def with_species(gallery: Gallery, enrolments: Iterable[Enrolment]) -> list[Enrolment]:
    """Enrolments without a species get that of their individual, else the only one there is, in the gallery and the enrolments together;
    where there are several, they stay without one.
    """
    enrolments = list(enrolments)
    spelling: dict[str, str] = {}
    species_of: dict[str, set[str]] = defaultdict(set)
    given = [(each.name, part) for each in gallery.individuals() for part in each.species.split(" / ")]
    for name, species in [*given, *((each.identity, each.species) for each in enrolments)]:
        if species:
            species_of[name_key(name)].add(spelling.setdefault(species.casefold(), species))
    every = set(spelling.values())

    def species_for(enrolment: Enrolment) -> str:
        if enrolment.species:
            return spelling[enrolment.species.casefold()]
        held = species_of.get(name_key(enrolment.identity)) or every
        return next(iter(held)) if len(held) == 1 else ""

    return [replace(each, species=species_for(each)) for each in enrolments]


def _facts(value: Value) -> FileFacts:
    if isinstance(value, Sighting):
        return FileFacts.of(Path(value.photo_path), {"sighting": value.id})
    keys = ("identity", "box", "animal") if value.enrolment.identity else ("species", "viewpoint")
    asked = {key: each for key, each in asdict(value.enrolment).items() if key in keys}
    return FileFacts.of(value.enrolment.path, asked)


def to_describe(enrolments: Iterable[Enrolment]) -> list[PhotoToDescribe]:
    """Photos that are described unless their content is known."""
    return [PhotoToDescribe(each) for each in enrolments]
