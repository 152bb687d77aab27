"""All pairs of photos that were compared, by photo and individual."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from reid_edge.audit.comparing import Pair, pair_of
from reid_edge.audit.probability import PairProbability
from reid_edge.gallery import Sighting


@dataclass(frozen=True)
class PhotoPair:
    """Two photos that were compared.

    Attributes:
        first, second: in the order of the individuals' names.
        score: of the pair, in the unit of the audit's score.
        probability: that both show one individual, by the pack's calibration; NaN where it is not calibrated.
    """

    first: Sighting
    second: Sighting
    score: float
    probability: float

    def of(self, sighting: Sighting) -> Sighting:
        """The other photo."""
        return self.second if sighting.id == self.first.id else self.first


@dataclass
class PairTable:
    """The pairs of an audit.

    Attributes:
        photos: by individual, its photos.
        of_photo: by sighting id, all pairs that it is in.
        names: two and two, in alphabetical order, those of which photos were compared.
        together: two and two, in alphabetical order, those that stand for two animals of one photo, so that they are not one.
    """

    photos: dict[str, list[Sighting]] = field(default_factory=lambda: defaultdict(list))
    of_photo: dict[int, list[PhotoPair]] = field(default_factory=lambda: defaultdict(list))
    names: set[tuple[str, str]] = field(default_factory=set)
    together: set[tuple[str, str]] = field(default_factory=set)

    @classmethod
    def of(cls, sightings: Iterable[Sighting], scores: Mapping[Pair, float], probability: PairProbability) -> PairTable:
        """From the score of each pair; pairs with a photo that is not among the sightings are left out."""
        table, by_id = cls(), {each.id: each for each in sightings}
        by_photo: dict[str, set[str]] = defaultdict(set)
        for sighting in by_id.values():
            table.photos[sighting.identity].append(sighting)
            by_photo[sighting.photo_sha256].add(sighting.identity)
        table.together = {(a, b) for names in by_photo.values() for a in names for b in names if a < b}
        for (one, other), score in sorted(scores.items()):
            if one in by_id and other in by_id:
                first, second = sorted((by_id[one], by_id[other]), key=lambda each: (each.identity, each.id))
                pair = PhotoPair(first, second, score, probability(score, first.species or second.species))
                table.of_photo[one].append(pair)
                table.of_photo[other].append(pair)
                if first.identity != second.identity:
                    table.names.add((first.identity, second.identity))
        return table

    def between(self, some: Iterable[Sighting], others: Iterable[Sighting]) -> list[PhotoPair]:
        """The pairs of a photo of the one and one of the other, strongest first; the two share no photo."""
        ids = {each.id for each in others}
        pairs = [pair for each in some for pair in self.of_photo[each.id] if pair.of(each).id in ids]
        return sorted(pairs, key=lambda pair: (-pair.score, pair.first.id, pair.second.id))


def scores_by_pair(scores: Mapping[int, Mapping[int, float]]) -> dict[Pair, float]:
    """Scores by photo and other photo as scores by pair."""
    return {pair_of(photo, other): score for photo, others in scores.items() for other, score in others.items()}
