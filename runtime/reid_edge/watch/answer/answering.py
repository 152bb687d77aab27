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
from reid_edge.gallery.changes import Position
from reid_edge.gallery.replica import undescribed_sightings
from reid_edge.identify.describing_again import describe_again
from reid_edge.identify.identifier import Identifier
from reid_edge.pack import find_pack, open_pack
from reid_edge.photo import Photo
from reid_edge.storage.address import Place
from reid_edge.timings import Timings
from reid_edge.watch.answer.replica_worker import ReplicaWorker

EMPTY = "empty"
_CATCH_UP_SECONDS = 2.0

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
        replica_age_seconds: of the replica that it was compared with; None where that was the gallery itself.
    """

    verdict: str
    decisions: tuple[Decision, ...]
    vectors: tuple[NDArray[np.float32] | None, ...]
    described: tuple[DescribedAnimal, ...]
    pack: str
    gallery_revision: str
    replica_age_seconds: float | None = None


class Answerer:
    """A loaded pack and a gallery, reopened when it changed. Where a replica is kept, that is read and the gallery itself written.

    Attributes:
        path: of the gallery itself.
        replica: that is read; None where it is the gallery itself.
        similarity: of two animals' vectors, the calibrated probability that they show the same individual; None where the recipe has
            no vectors.
    """

    def __init__(
        self,
        gallery: Place,
        pack: str,
        device: str,
        threads: int | None,
        stated: Query,
        keep_replica: Callable[[str], ReplicaWorker | None] = lambda feature_key: None,
    ) -> None:
        """Load the pack and open the gallery.

        Args:
            gallery: its path or address.
            pack: a name, folder or zip.
            device, threads: see `Identifier`.
            stated: what is known of all photos.
            keep_replica: makes the replica of the features with this key, where one is to be read.

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
        self._seen: tuple[str, Position] | None = None
        self._gallery: Gallery | None = None
        self.replica = keep_replica(self.identifier.feature_key)
        try:
            self.refresh()
            self.candidates.check_species(stated.species)
        except BaseException:
            self.close()
            raise

    @property
    def gallery(self) -> Gallery:
        """The gallery as it is open now, for reading."""
        assert self._gallery is not None
        return self._gallery

    @property
    def revision(self) -> str:
        """Of the gallery as it was seen last."""
        return "" if self._seen is None else self._seen[0]

    @property
    def is_server_away(self) -> bool:
        """Whether the gallery is on a server that could not be read the last time, so that a replica is all there is."""
        return self.replica is not None and self.replica.status.is_server_away

    def catch_up(self) -> bool:
        """See the gallery as it is on the server at this moment; False where the copy takes longer, see `ReplicaWorker.catch_up`.

        Raises:
            GalleryError, StorageError: it cannot be read now.
        """
        if self.replica is not None and not self.replica.catch_up(_CATCH_UP_SECONDS):
            return False
        self.refresh()
        return True

    def refresh(self) -> bool:
        """Look whether the gallery changed, and see it as it is now; returns whether it did.

        Raises:
            GalleryError, StorageError: it cannot be read now.
        """
        if self._gallery is None or self._gallery.replaced():  # by a backup, for instance
            opened = Gallery.open(self.path, writable=False) if self.replica is None else self.replica.open()
            self._close_gallery()
            self._gallery, self._seen = opened, None
        state = self._gallery.state()
        if state == self._seen:
            return False
        self.candidates = self.identifier.candidates(self._gallery)
        self.similarity = self._similarity_now()
        self._seen = state
        return True

    def undescribed(self) -> list[Sighting]:
        """Gallery photos that this pack has not described, and that nothing is compared with."""
        if self.replica is not None:
            return undescribed_sightings(self.gallery)
        return self.gallery.sightings_without(self.identifier.feature_key)

    def describe_gallery(self, sightings: Iterable[Sighting]) -> int:
        """Describe them from their files, on the server; returns how many cannot be, because their file is missing.

        Raises:
            GalleryError, StorageError, EngineError: the others are not described; what was described before is kept.
        """
        with Gallery.open(self.path) as writable:
            return len(describe_again(writable, self.identifier, sightings))

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
        replica = self.replica.status if self.replica is not None else None
        timings = Timings()
        query = replace(self._stated, boxes=boxes, with_evidence=with_evidence, place=camera)
        selection = self.candidates.select(query)
        animals = self.identifier.describe(photo, selection.query, timings, skip_empty=True)
        decisions = self.identifier.answer(photo, animals, self.candidates, selection, timings)
        if replica is not None and replica.is_server_away:
            decisions = [replace(each, warnings=(*each.warnings, replica.warning)) for each in decisions]
        resolved = tuple(resolve_frame(decisions))
        return PhotoAnswer(
            resolved[0].verdict if resolved else EMPTY,
            resolved,
            tuple(self._vector(animal) for animal in animals),
            tuple(animals),
            self.pack,
            self.revision,
            None if replica is None else replica.age_seconds,
        )

    def close(self) -> None:
        """Close the gallery, and stop keeping its replica."""
        self._close_gallery()
        if self.replica is not None:
            self.replica.close()

    def _close_gallery(self) -> None:
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
