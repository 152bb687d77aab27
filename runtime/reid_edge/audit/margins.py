"""By how much photos resemble an individual more than they resemble anybody else.

A score alone depends on the species, the pose and the photo: two zebras agree in 200 points, two tigers in 40. Beside the
best score with a third individual it says the same of all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from statistics import fmean

from reid_edge.audit.pairs import PairTable, PhotoPair
from reid_edge.gallery import Sighting


class Margins:
    """Margins of photos and of sets of photos, in differences of strength (see `EvidenceScore.strength`)."""

    def __init__(self, table: PairTable, strength: Callable[[float], float]) -> None:
        """Of the pairs of a table."""
        self._table = table
        self._strength = strength

    def of_photo(self, photo: Sighting, others: Collection[Sighting], names: Collection[str]) -> float | None:
        """The strength of the photo's best pair with the others, less that of its best pair with a third individual.

        Where none of the others was matched, because all looked less alike than others did, the weakest individual stands in.

        Args:
            photo: any.
            others: of one individual.
            names: individuals that are not a third one: those that the photo and the others stand under.

        Returns:
            None where the photo was compared with no third individual.
        """
        ids = {each.id for each in others}
        best, third = -1.0, defaultdict[str, float](float)
        for pair in self._table.of_photo[photo.id]:
            other = pair.of(photo)
            if other.id in ids:
                best = max(best, pair.score)
            elif other.identity not in names:
                third[other.identity] = max(third[other.identity], pair.score)
        if not third:
            return None
        return self._strength(best if best >= 0 else min(third.values())) - self._strength(max(third.values()))

    def of_pair(self, pair: PhotoPair) -> float | None:
        """The strength of a pair of one individual's photos, less the mean of those of their best pairs with another individual; None where
        neither was compared with one.
        """
        rivals = [
            max(
                (each.score for each in self._table.of_photo[photo.id] if each.of(photo).identity != photo.identity), default=None
            )
            for photo in (pair.first, pair.second)
        ]
        strengths = [self._strength(score) for score in rivals if score is not None]
        return self._strength(pair.score) - fmean(strengths) if strengths else None

    def between(self, some: Sequence[Sighting], others: Sequence[Sighting]) -> float | None:
        """The mean margin of all photos of two sets, each set counted as much as the other; None where no photo of them was compared."""
        if not self._table.between(some, others):
            return None
        names = {each.identity for each in (*some, *others)}
        sides = [
            [margin for photo in photos if (margin := self.of_photo(photo, opposite, names)) is not None]
            for photos, opposite in ((some, others), (others, some))
        ]
        means = [fmean(side) for side in sides if side]
        return fmean(means) if means else None


def halves(photos: Sequence[Sighting]) -> tuple[list[Sighting], list[Sighting]]:
    """An individual's photos as if it stood under two names, photos of one occasion together; the second is empty where there is one."""
    occasions: dict[str, list[Sighting]] = defaultdict(list)
    for photo in sorted(photos, key=lambda each: each.id):
        occasions[photo.encounter or photo.taken_at[:10] or f"sighting {photo.id}"].append(photo)
    order = list(occasions.values())
    return [each for one in order[::2] for each in one], [each for one in order[1::2] for each in one]
