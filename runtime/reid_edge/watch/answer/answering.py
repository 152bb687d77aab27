"""Answering one photo after another with a gallery that may change meanwhile: who is on it, or that it is empty."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from reid_edge.decide.apart import resolve_frame
from reid_edge.decide.combining import Similarity
from reid_edge.decide.decision import Decision
from reid_edge.describe.description import DescribedAnimal
from reid_edge.describe.query import Query
from reid_edge.describe.segmentation import Box
from reid_edge.gallery import Gallery, Sighting
from reid_edge.identify.describing_again import describe_again
from reid_edge.identify.identifier import Identifier
from reid_edge.pack import find_pack, open_pack
from reid_edge.photo import Photo
from reid_edge.storage.address import Place
from reid_edge.timings import Timings

EMPTY = "empty"

BoxesOf = Callable[[bytes, Photo], Sequence[Box] | None]
"""The boxes that a detector found in the photo at a path; None where no detector was asked."""


@dataclass(frozen=True)
class PhotoAnswer:
    """The answer for one photo.

    Attributes:
        verdict: of the largest animal: `known`, `new` or `ask`; `empty` where the photo shows no animal.
        decisions: one per animal, largest first.
        vectors: float32 [D] per animal, its first embedding; None where the recipe has none.
        described: the animals with their features.
        pack: name and version.
        gallery_revision: of the gallery that it was compared with.
    """

    verdict: str
    decisions: tuple[Decision, ...]
    vectors: tuple[NDArray[np.float32] | None, ...]
    described: tuple[DescribedAnimal, ...]
    pack: str
    gallery_revision: str


class Answerer:
    """A loaded pack and a gallery, reopened when it changed.

    Attributes:
        similarity: of two animals' vectors, the calibrated probability that they show the same individual; None where the recipe has
            no vectors.
    """

    def __init__(self, gallery: Place, pack: str, device: str, threads: int | None, stated: Query) -> None:
        """Load the pack and open the gallery.

        Args:
            gallery: its path or address.
            pack: a name, folder or zip.
            device, threads: see `Identifier`.
            stated: what is known of all photos.

        Raises:
            GalleryError, PackError, EngineError, UsageError: one of them cannot be opened, or the gallery holds no such species.
        """
        self.path = gallery
        self.species = stated.species
        self._stated = stated
        self.identifier = Identifier(open_pack(find_pack(pack)), device, threads)
        _ = self.identifier.calibration  # a pack that cannot decide is refused at the start
        if self.identifier.networks.device.is_gpu:
            self.identifier.networks.warm_up()  # engines load for seconds, and one that cannot is found now and not at the first photo
        manifest = self.identifier.pack.manifest
        self.pack = f"{manifest.name} {manifest.version}"
        self.revision = ""
        self._gallery: Gallery | None = None
        self.refresh()
        self.candidates.check_species(stated.species)

    @property
    def gallery(self) -> Gallery:
        """The gallery as it is open now, for reading."""
        assert self._gallery is not None
        return self._gallery

    def refresh(self) -> bool:
        """Look whether the gallery changed, and see it as it is now; returns whether it did.

        Raises:
            GalleryError, StorageError: it cannot be read now.
        """
        if self._gallery is None or self._gallery.replaced():  # by a backup, for instance
            opened = Gallery.open(self.path, writable=False)
            self.close()
            self._gallery, self.revision = opened, ""
        revision = self._gallery.revision()
        if revision == self.revision:
            return False
        self.candidates = self.identifier.candidates(self._gallery)
        self.similarity = self._similarity_now()
        self.revision = revision
        return True

    def undescribed(self) -> list[Sighting]:
        """Gallery photos that this pack has not described, and that nothing is compared with."""
        return self.gallery.sightings_without(self.identifier.feature_key)

    def describe_gallery(self, sightings: Iterable[Sighting]) -> int:
        """Describe them from their files; returns how many cannot be, because their file is missing.

        Raises:
            GalleryError, StorageError, EngineError: the others are not described; what was described before is kept.
        """
        with Gallery.open(self.path) as writable:
            left_out = len(describe_again(writable, self.identifier, sightings))
        self.refresh()
        return left_out

    def answer(
        self, photo: Photo, boxes: Sequence[Box] | None = None, with_evidence: bool = False, camera: str = ""
    ) -> PhotoAnswer:
        """Answer for every animal of a photo; two animals of it are never the same individual.

        Where the recipe finds animals and finds none, nothing more is computed and the photo is `empty`.

        Args:
            photo: upright.
            boxes: of its animals, where a detector found them, see `Identifier.describe`; none is an empty photo.
            with_evidence: with the outlines and matched points that a report draws.
            camera: that took it; '' where not known.

        Raises:
            EngineError, GalleryError, StorageError: no answer now.
        """
        self.refresh()
        timings = Timings()
        query = replace(self._stated, boxes=boxes, with_evidence=with_evidence, place=camera)
        selection = self.candidates.select(query)
        animals = self.identifier.describe(photo, selection.query, timings, skip_empty=True)
        decisions = self.identifier.answer(photo, animals, self.candidates, selection, timings)
        resolved = tuple(resolve_frame(decisions))
        return PhotoAnswer(
            resolved[0].verdict if resolved else EMPTY,
            resolved,
            tuple(self._vector(animal) for animal in animals),
            tuple(animals),
            self.pack,
            self.revision,
        )

    def close(self) -> None:
        """Close the gallery."""
        if self._gallery is not None:
            self._gallery.close()
            self._gallery = None

    def _similarity_now(self) -> Similarity | None:
        names = self.identifier.recipe.embedding_names
        entry, _ = self.identifier.calibration.entry(self.candidates.select(self._stated).query.species)
        if not names or names[0] not in entry.calibrators:
            return None
        calibrator = entry.calibrators[names[0]]
        return lambda one, other: float(calibrator(np.array([float(one @ other)]))[0]) if one.shape == other.shape else 0.0

    def _vector(self, animal: DescribedAnimal) -> NDArray[np.float32] | None:
        names = self.identifier.recipe.embedding_names
        return animal.features.vectors[names[0]] if names else None
