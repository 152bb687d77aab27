"""A gallery whose features are read once, and views of it: a part of its photos, or the same photos under other names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from reid_edge.compare.candidates import GalleryCandidates
from reid_edge.describe.keypoints import Keypoints
from reid_edge.gallery import LeftOut

T = TypeVar("T")


class GalleryView(GalleryCandidates):
    """The sightings of a gallery, or some of them, under names that may differ from the gallery's. Views share what was read.

    Attributes:
        owners: by sighting id, whom it shows in this view.
    """

    def __init__(self, candidates: GalleryCandidates) -> None:
        """All of a gallery, under its own names."""
        vars(self).update(vars(candidates))
        self.owners: Mapping[int, str] = {sighting: seen.identity for sighting, seen in self._sightings.items()}
        self._read_vectors: dict[tuple[str, int], NDArray[np.float32]] = {}
        self._read_keypoints: dict[tuple[str, int], Keypoints] = {}

    def showing(self, owners: Mapping[int, str]) -> GalleryView:
        """A view of these sightings alone, which show these individuals."""
        view = copy(self)
        view.owners = dict(owners)
        view._sightings = {sighting: replace(self._sightings[sighting], identity=name) for sighting, name in owners.items()}
        view._ids = np.array(sorted(owners), np.int64)
        view._indexes = {name: (index, view._ids) for name, (index, _) in self._indexes.items()}
        view._left_out = LeftOut()
        for found in ("_by_photo", "_seen", "_predicted"):
            vars(view).pop(found, None)
        return view

    @property
    def path(self) -> Path:
        """The gallery's file."""
        return self._gallery.path

    @property
    def individuals(self) -> list[str]:
        """Their names, sorted."""
        return sorted(set(self.owners.values()))

    def vectors(self, embedding: str, sighting_ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """See `GalleryCandidates`."""
        each = _once(
            self._read_vectors, embedding, sighting_ids, lambda ids: list(super(GalleryView, self).vectors(embedding, ids))
        )
        return np.array(each, np.float32).reshape(len(each), -1)

    def keypoints(self, extraction: str, sighting_ids: NDArray[np.int64]) -> list[Keypoints]:
        """See `GalleryCandidates`."""
        return _once(
            self._read_keypoints, extraction, sighting_ids, lambda ids: super(GalleryView, self).keypoints(extraction, ids)
        )


def _once(
    kept: dict[tuple[str, int], T], name: str, sighting_ids: NDArray[np.int64], read: Callable[[NDArray[np.int64]], list[T]]
) -> list[T]:
    ids = [int(sighting) for sighting in sighting_ids]
    missing = [sighting for sighting in ids if (name, sighting) not in kept]
    if missing:
        kept.update(zip(((name, sighting) for sighting in missing), read(np.array(missing, np.int64)), strict=True))
    return [kept[name, sighting] for sighting in ids]
