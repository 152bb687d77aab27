"""The features of a gallery as tensors in memory, and the shortlist of a query from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reid_edge.describe.features import Features
from reid_edge.describe.keypoints import Keypoints
from reid_edge.identify.session import Session
from reid_edge.recipe.stages import Retrieve
from reid_edge_benchmarks.references.individuals import most_different, photos_by_individual


@dataclass(frozen=True)
class PointTensors:
    """Keypoints as tensors, best first.

    Attributes:
        xy: [N, 2], pixels of the chip, which is not turned.
        side: pixels of the chip's long side.
        places: [N, 2], as LightGlue wants them (its section 3.1).
        descriptors: [N, D].
    """

    xy: Tensor
    side: float
    places: Tensor
    descriptors: Tensor

    def __len__(self) -> int:
        return len(self.xy)

    @classmethod
    def of(cls, keypoints: Keypoints) -> PointTensors:
        """Of the runtime's."""
        xy, region = torch.tensor(keypoints.xy), torch.tensor(keypoints.region)
        size = region[2:] - region[:2]
        xy, side = xy - region[:2], size.max()
        return cls(xy, float(side), (xy - size / 2) / (side / 2), torch.tensor(keypoints.descriptors))

    def first(self, count: int) -> PointTensors:
        """The best `count` of them; all where 0."""
        kept = slice(count or None)
        return PointTensors(self.xy[kept], self.side, self.places[kept], self.descriptors[kept])


class GalleryTensors:
    """Every gallery animal's features.

    Attributes:
        ids: int64 [G], in the order of the photos' hashes, which orders photos that are equally near.
        owners: G names.
        vectors: by name [G, D].
        points: by extraction, G sets.
    """

    def __init__(self, session: Session) -> None:
        """Read them.

        Raises:
            GalleryError: the gallery cannot be read.
        """
        recipe, candidates = session.identifier.recipe, session.candidates
        missing = {sighting.id for sighting in session.gallery.sightings_without(session.identifier.feature_key)}
        sightings = [sighting for sighting in session.gallery.sightings() if sighting.id not in missing]
        sightings.sort(key=lambda sighting: (sighting.photo_sha256, sighting.animal_index))
        ids = np.array([sighting.id for sighting in sightings], np.int64)
        self.ids, self.owners = torch.from_numpy(ids), [sighting.identity for sighting in sightings]
        self.vectors = {embed.name: torch.from_numpy(candidates.vectors(embed.name, ids)) for embed in recipe.embed}
        self.points = {
            extract.name: [PointTensors.of(keypoints) for keypoints in candidates.keypoints(extract.name, ids)]
            for extract in recipe.extract
        }
        self._differing: dict[frozenset[int], frozenset[int]] = {}

    def shortlist(self, retrieve: Retrieve, query: Features, allowed: NDArray[np.int64] | None) -> list[int]:
        """The rows of the shortlist: the nearest photos, or the nearest individuals by photos of each that differ."""
        cosines = self.vectors[retrieve.embedding] @ torch.from_numpy(query.vectors[retrieve.embedding])
        inside = torch.ones(len(self.ids), dtype=torch.bool)
        if allowed is not None:
            inside = torch.isin(self.ids, torch.from_numpy(allowed))
        number, cosines = int(inside.sum()), cosines.masked_fill(~inside, -torch.inf)
        if retrieve.unit == "photos":
            nearest: list[int] = cosines.topk(min(retrieve.candidates, number)).indices.tolist()
            return nearest
        nearest = cosines.argsort(descending=True, stable=True)[:number].tolist()
        individuals = photos_by_individual(nearest, self.owners, retrieve.candidates)
        return [row for photos in individuals for row in self._some(photos, retrieve)]

    def _some(self, photos: Sequence[int], retrieve: Retrieve) -> list[int]:
        """Those of one individual's photos that are compared; they do not depend on the query."""
        if not retrieve.photos or len(photos) <= retrieve.photos:
            return list(photos)
        key = frozenset(photos)
        if key not in self._differing:
            ordered = sorted(photos)
            rows = most_different(self.vectors[retrieve.embedding][ordered], retrieve.photos)
            self._differing[key] = frozenset(ordered[row] for row in rows)
        return [photo for photo in photos if photo in self._differing[key]]
