"""What a query is compared with, as the comparison sees it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from reid_edge.describe.keypoints import Keypoints


class CandidateSource(Protocol):
    """Where candidates come from: a gallery, seen through one pack."""

    def __len__(self) -> int:
        """How many sightings there are."""

    def identity_of(self, sighting_id: int) -> str:
        """The individual's name."""

    def individual_numbers(self, sighting_ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """A number from 0 on for the individual of each id, the same for its photos: int64 [N]."""

    def species_of(self, sighting_id: int) -> str:
        """As the gallery spells it; empty where it is not known."""

    def nearest(
        self, embedding: str, vector: NDArray[np.float32], count: int, allowed: NDArray[np.int64] | None
    ) -> NDArray[np.int64]:
        """The sighting ids of the nearest `count` animals by cosine, nearest first, among the allowed ids (None: all)."""

    def differing(self, embedding: str, sighting_ids: Sequence[int], count: int) -> list[int]:
        """At most `count` of these photos of one individual, chosen to differ, whatever their order; see
        `reid_edge.compare.shortlist.most_different`.
        """

    def vectors(self, embedding: str, sighting_ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """float32 [N, D], in the order of the ids."""

    def keypoints(self, extraction: str, sighting_ids: NDArray[np.int64]) -> list[Keypoints]:
        """One set per id, in their order."""

    def first_descriptors(self, extraction: str, sighting_ids: NDArray[np.int64], points: int) -> NDArray[np.int16]:
        """The best `points` descriptors of each id, int16 [N, points, D], see `reid_edge.compare.matching.first_look.to_fractions`."""

    def pictures(self, extraction: str, sighting_ids: NDArray[np.int64]) -> list[NDArray[np.uint8]]:
        """One picture uint8 [S, S] per id, in their order."""
