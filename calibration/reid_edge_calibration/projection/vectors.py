"""Labelled vectors: what a projection is fitted on, and which of them the runtime would compare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reid_edge.errors import UsageError


@dataclass(frozen=True)
class LabelledVectors:
    """The vectors of labelled photos of one embedding, photo by photo.

    Attributes:
        vectors: float64 [N, D] of length 1.
        individual: int [N]; individuals of two sets never share a number.
        encounter: int [N]; photos of one number were taken together. A photo whose encounter is not known has a number of its own.
        viewpoint: int [N], which side is seen; 0 where that is not known.
        group: int [N], the labelled set that the photo is from.
        left_out: photos whose vector is zero, which has no direction; they are not among the N.
    """

    vectors: NDArray[np.float64]
    individual: NDArray[np.int64]
    encounter: NDArray[np.int64]
    viewpoint: NDArray[np.int64]
    group: NDArray[np.int64]
    left_out: int = 0

    @classmethod
    def of(
        cls,
        vectors: NDArray[np.floating],
        individuals: Sequence[str],
        encounters: Sequence[str] | None = None,
        viewpoints: Sequence[str] | None = None,
        groups: Sequence[str] | None = None,
    ) -> LabelledVectors:
        """Vectors and what people say of them; an empty text is what they do not know.

        Args:
            vectors: [N, D], of any length.
            individuals: N names, unique within a group.
            encounters: N names, unique within an individual.
            viewpoints: N words, such as ``left``.
            groups: N names.

        Raises:
            UsageError: a vector holds a value that is no number, or there are not as many labels as vectors.
        """
        count = len(vectors)
        nothing = [""] * count
        encounters, viewpoints, groups = (list(labels or nothing) for labels in (encounters, viewpoints, groups))
        if np.ndim(vectors) != 2 or any(len(labels) != count for labels in (individuals, encounters, viewpoints, groups)):
            raise UsageError(f"{count} vectors have {len(individuals)} labels.", "Give every vector [D] one label.")
        wrong = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
        if len(wrong):
            raise UsageError(
                f"{len(wrong)} of {count} vectors hold a value that is no number, the first is of {individuals[wrong[0]]}.",
                "Enrol these photos again; the embedding network may be broken.",
            )
        together = [
            (group, name, encounter or number)
            for number, (group, name, encounter) in enumerate(zip(groups, individuals, encounters, strict=True))
        ]
        own = list(zip(groups, individuals, strict=True))
        there = np.linalg.norm(vectors, axis=1) > 0
        return cls(
            unit(np.asarray(vectors, np.float64)[there]),
            _numbers(own)[there],
            _numbers(together)[there],
            np.where(np.array([not viewpoint for viewpoint in viewpoints], bool), 0, 1 + _numbers(viewpoints))[there],
            _numbers(groups)[there],
            int((~there).sum()),
        )

    def __len__(self) -> int:
        return len(self.vectors)

    def part(self, chosen: NDArray[np.bool_]) -> LabelledVectors:
        """The chosen photos, bool [N]."""
        return LabelledVectors(
            self.vectors[chosen], self.individual[chosen], self.encounter[chosen], self.viewpoint[chosen], self.group[chosen]
        )

    def projected(self, vectors: NDArray[np.float64]) -> LabelledVectors:
        """The same photos with other vectors [N, K]."""
        return LabelledVectors(unit(vectors), self.individual, self.encounter, self.viewpoint, self.group)

    @property
    def relevant(self) -> NDArray[np.bool_]:
        """bool [N, N]: the informative pairs of one individual: from two encounters, and comparable."""
        same = self.individual[:, None] == self.individual
        return np.asarray(self.comparable & same & (self.encounter[:, None] != self.encounter))

    @property
    def comparable(self) -> NDArray[np.bool_]:
        """bool [N, N]: the pairs that the runtime compares, of one set and not known to show two sides."""
        return may_compare((self.group, self.viewpoint), (self.group, self.viewpoint))

    @property
    def telling(self) -> NDArray[np.int64]:
        """The individuals with comparable photos from two encounters or more, sorted; only they can be found again."""
        return np.unique(self.individual[self.relevant.any(axis=1)])


def may_compare(
    one: tuple[NDArray[np.int64], NDArray[np.int64]], other: tuple[NDArray[np.int64], NDArray[np.int64]]
) -> NDArray[np.bool_]:
    """bool [N, M]: whether each of N is compared with each of M, given the group and the viewpoint of both."""
    (group, side), (other_group, other_side) = one, other
    unknown = (side[:, None] == 0) | (other_side == 0)
    return np.asarray((group[:, None] == other_group) & (unknown | (side[:, None] == other_side)))


def unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Vectors of length 1, [N, D]; zero stays zero."""
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12))


def _numbers(labels: Sequence[object]) -> NDArray[np.int64]:
    """A number per distinct label, in the labels' order and not that of the photos."""
    code = {label: number for number, label in enumerate(sorted(set(labels), key=repr))}
    return np.array([code[label] for label in labels], np.int64)
