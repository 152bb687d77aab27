"""Descriptions on their way into the gallery and the result files: each exactly once, wherever the run is stopped.

The gallery comes first, a batch in one transaction; then the rows. A run that ends between the two finds the photos in the gallery and
makes their rows from it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa
from numpy.typing import NDArray

from reid_edge.bulk.describing import DescribedPhoto, DescribedSighting, PhotoToDescribe
from reid_edge.bulk.result_files import ResultFiles
from reid_edge.bulk.run import COPY, FAILED, Done, Todo
from reid_edge.bulk.worker import Failed
from reid_edge.describe.features import vector_array
from reid_edge.describe.segmentation import overlap
from reid_edge.errors import GalleryError
from reid_edge.gallery import Gallery, Sighting, SightingToEnrol
from reid_edge.gallery.names import name_key
from reid_edge.gallery.records import Observation
from reid_edge.identify.storing import SAME_ANIMAL, SAME_BOX, same_animal, store_animal

ENROLLED, PRESENT, CONFLICT, DESCRIBED_AGAIN = "enrolled", "present", "conflict", "described_again"
DESCRIBED = "described"
"""What became of a photo: see docs/scale.md."""

Value = PhotoToDescribe | Sighting
Result = DescribedPhoto | Failed

_FACTS = ("identity", "species", "viewpoint", "taken_at", "latitude", "longitude")


def describe_schema(embeddings: Sequence[str]) -> pa.Schema:
    """The columns of the rows, a vector for each embedding of the recipe."""
    text, number = pa.string(), pa.float64()
    return pa.schema(
        [
            *(("path", text), ("file_size", pa.int64()), ("file_modified_ns", pa.int64()), ("task", text)),
            *(("photo_sha256", text), ("status", text), ("error", text), ("hint", text)),
            *(("animal_index", pa.int32()), ("box", pa.list_(number)), ("animal_found", pa.bool_())),
            *(("identity", text), ("species", text), ("viewpoint", text), ("taken_at", text)),
            *(("latitude", number), ("longitude", number)),
            *((vector_array(name), pa.list_(pa.float32())) for name in embeddings),
        ]
    )


class DescribeResults:
    """Takes over descriptions."""

    def __init__(self, gallery: Gallery, feature_key: str, embeddings: Sequence[str], files: ResultFiles) -> None:
        """Read which photos are known.

        Args:
            gallery: writable.
            feature_key: of the pack that describes.
            embeddings: of its recipe.
            files: of this run.

        Raises:
            GalleryError, StorageError: one of them cannot be read.
        """
        self._gallery, self._key, self._files = gallery, feature_key, files
        self._vectors = [vector_array(name) for name in embeddings]
        self._batch = gallery.new_batch()
        self._undescribed = {each.id for each in gallery.sightings_without(feature_key)}
        self._described = {row["photo_sha256"] for row in files.rows(("photo_sha256", "status")) if row["status"] == DESCRIBED}

    @property
    def enrolled_photos(self) -> set[str]:
        """Hashes of the photos of which the gallery has features."""
        return self._gallery.described_photos(self._key)

    @property
    def described_photos(self) -> set[str]:
        """Hashes of the photos of nobody known that have results."""
        return self._described

    def take(self, results: Sequence[Done], counts: Counter[str]) -> list[Todo]:
        """Store results.

        Args:
            results: of a batch.
            counts: of photos by what became of them.

        Returns:
            Photos that have to be described after all: their content is known, but not the animal that is meant.

        Raises:
            GalleryError, StorageError: nothing further can be stored.
        """
        rows: list[dict[str, Any]] = []
        again: list[Todo] = []
        with self._gallery.transaction():
            for value, facts, result in results:
                found = self._rows(value, result)
                if not found and isinstance(value, PhotoToDescribe):
                    again.append((replace(value, even_if_known=True), facts))
                    continue
                counts[found[0]["status"]] += 1
                rows += [{**facts.as_row(), **row} for row in found]
        self._files.add(rows)
        return again

    def _rows(self, value: Value, result: Result) -> list[dict[str, Any]]:
        """The rows of a photo; none where it has to be described after all."""
        if isinstance(result, Failed):
            return [{"status": FAILED, "error": result.message, "hint": result.hint}]
        if isinstance(value, Sighting):
            return [self._put(value, result.animals[0])]
        if not value.enrolment.identity:
            return self._unnamed(result)
        return self._enrol(value, result)

    def _put(self, sighting: Sighting, animal: DescribedSighting) -> dict[str, Any]:
        try:
            self._gallery.put_features(sighting.id, self._key, animal.features)
        except GalleryError as error:  # it was removed meanwhile
            return {"photo_sha256": sighting.photo_sha256, "status": FAILED, "error": error.message, "hint": error.hint}
        return self._row(DESCRIBED_AGAIN, sighting, animal.features)

    def _unnamed(self, result: DescribedPhoto) -> list[dict[str, Any]]:
        if result.sha256 in self._described:
            return [{"photo_sha256": result.sha256, "status": COPY}]
        self._described.add(result.sha256)
        return [{**self._row(DESCRIBED, each.sighting, each.features), "animal_found": each.found} for each in result.animals]

    def _enrol(self, value: PhotoToDescribe, result: DescribedPhoto) -> list[dict[str, Any]]:
        enrolment, animal = value.enrolment, next(iter(result.animals), None)
        enrolled = self._gallery.photo_sightings(result.sha256)
        present = same_animal(enrolled, enrolment) if enrolment.box is None else None
        if present is None:
            if animal is None:
                return []
            new = SightingToEnrol(animal.sighting, animal.features, self._key)
            least_overlap = SAME_BOX if enrolment.box else SAME_ANIMAL
            sighting_id, present = store_animal(self._gallery, new, self._batch, least_overlap)
            if present is None:
                row = self._row(ENROLLED, self._gallery.sighting(sighting_id), animal.features)
                return [{**row, "animal_found": animal.found}]
        if present.id in self._undescribed and animal is None:
            return []  # another animal of this photo has features
        self._gallery.relink_if_missing(present, enrolment.path, self._batch)
        if name_key(present.identity) != name_key(enrolment.identity):
            return [self._row(CONFLICT, present, None)]
        if present.id in self._undescribed and animal and _same_place(present, animal):
            self._gallery.put_features(present.id, self._key, animal.features)
            self._undescribed.discard(present.id)
            return [self._row(DESCRIBED_AGAIN, present, animal.features)]
        return [self._row(PRESENT, present, self._gallery.features([present.id], self._key, self._vectors).get(present.id))]

    def _row(self, status: str, seen: Observation, features: Any) -> dict[str, Any]:
        arrays: dict[str, NDArray[Any]] = features or {}
        facts = {name: getattr(seen, name) for name in _FACTS}
        vectors = {name: arrays[name].tolist() for name in self._vectors if name in arrays}
        box = None if seen.box is None else list(seen.box)
        return {
            "photo_sha256": seen.photo_sha256,
            "status": status,
            "animal_index": seen.animal_index,
            "box": box,
            **facts,
            **vectors,
        }


def _same_place(sighting: Sighting, animal: DescribedSighting) -> bool:
    box = animal.sighting.box
    return sighting.box is None or box is None or overlap(sighting.box, box) >= SAME_ANIMAL
