"""Pair scores become a ranking of identities: calibrate, fuse, keep each individual's best photo, and weigh how it stands out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from reid_edge.calibration import Entry
from reid_edge.comparison import Comparison
from reid_edge.decision import MatchedPoints, PairEvidence, RankedIdentity
from reid_edge.features import Features
from reid_edge.keypoints import Keypoints
from reid_edge.recipe import Match


class SightingNames(Protocol):
    """Who and which photo a sighting is."""

    def identity_of(self, sighting_id: int) -> str:
        """The individual's name."""

    def photo_of(self, sighting_id: int) -> str:
        """The photo's file name."""


class KeypointSource(Protocol):
    """Where the keypoints of a candidate come from."""

    def keypoints(self, extraction: str, sighting_ids: NDArray[np.int64]) -> list[Keypoints]:
        """One set per id, in their order."""


@dataclass(frozen=True)
class Ranking:
    """Identities, best first.

    Attributes:
        comparison: the raw scores.
        calibrated: float64 [B, S], probability per pair score, NaN where absent.
        fused: float64 [B], one score per candidate photo, 0..1.
        rows: per identity the row of its best photo in the shortlist.
        evidence: float64 [I], how clearly each identity stands out, 0..1, none above the best one's.
        identities, photos: per identity, its name and its best photo's file name.
        probabilities: per identity, that the animal is this one; together at most 1.
        unknown: the probability that the animal is none of the gallery's, at most what the best identity leaves; 1 of an empty ranking.
    """

    comparison: Comparison
    calibrated: NDArray[np.float64]
    fused: NDArray[np.float64]
    rows: tuple[int, ...]
    evidence: NDArray[np.float64]
    identities: tuple[str, ...]
    photos: tuple[str, ...]
    probabilities: tuple[float, ...]
    unknown: float

    def ranked(
        self, top: int, query: Features, source: KeypointSource | None, matches: Sequence[Match] = ()
    ) -> tuple[RankedIdentity, ...]:
        """The best identities with their scores, and with matched points where `source` and `matches` are given."""
        return tuple(self._ranked(place, query, source, matches) for place in range(min(top, len(self.rows))))

    def _ranked(self, place: int, query: Features, source: KeypointSource | None, matches: Sequence[Match]) -> RankedIdentity:
        row = self.rows[place]
        scores = tuple(
            PairEvidence(name, _number(self.comparison.raw[row, column]), _number(self.calibrated[row, column]))
            for column, name in enumerate(self.comparison.score_names)
        )
        points = tuple(self._points(match, row, query, source) for match in matches) if source else ()
        return RankedIdentity(
            identity=self.identities[place],
            probability=self.probabilities[place],
            evidence=float(self.evidence[place]),
            fused=float(self.fused[row]),
            sighting=int(self.comparison.sighting_ids[row]),
            photo=self.photos[place],
            scores=scores,
            matches=points,
        )

    def _points(self, match: Match, row: int, query: Features, source: KeypointSource) -> MatchedPoints:
        found = self.comparison.matches[match.name].get(row)
        if found is None:
            return MatchedPoints(match.name, (), (), ())
        candidate = source.keypoints(match.keypoints, self.comparison.sighting_ids[row : row + 1])[0]
        query_xy = query.keypoints[match.keypoints].xy[found.query]
        candidate_xy = candidate.xy[found.candidate]
        return MatchedPoints(
            match.name,
            [(float(x), float(y)) for x, y in query_xy],
            [(float(x), float(y)) for x, y in candidate_xy],
            [float(score) for score in found.scores],
        )


def rank(comparison: Comparison, names: SightingNames, entry: Entry) -> Ranking:
    """Calibrate, fuse and rank a shortlist.

    Equal scores are ordered by identity, then by place in the shortlist, so the order of enrolment does not change the answer.

    Args:
        comparison: the shortlist with raw scores.
        names: who each sighting is.
        entry: the calibration of the species.
    """
    calibrated, fused = entry.fuse(comparison.raw)
    ids = [int(sighting) for sighting in comparison.sighting_ids]
    owners = [names.identity_of(sighting) for sighting in ids]
    photos_of: dict[str, list[int]] = {}
    for row in sorted(range(len(ids)), key=lambda row: (-fused[row], owners[row], row)):
        photos_of.setdefault(owners[row], []).append(row)
    rows = [photos[0] for photos in photos_of.values()]
    highest = [np.fmax.reduce(comparison.raw[photos]) for photos in photos_of.values()]
    evidence = entry.evidence(fused[rows], np.reshape(highest, (len(rows), -1))) if rows else np.empty(0)
    evidence = np.minimum(evidence, evidence[:1])
    probabilities = _probabilities(entry.identity(evidence))
    return Ranking(
        comparison,
        calibrated,
        fused,
        tuple(rows),
        evidence,
        identities=tuple(photos_of),
        photos=tuple(names.photo_of(ids[row]) for row in rows),
        probabilities=probabilities,
        unknown=min(float(entry.unknown(1 - evidence[0])), 1 - probabilities[0]) if rows else 1.0,
    )


def _probabilities(each: NDArray[np.float64]) -> tuple[float, ...]:
    """The best keeps its calibrated probability; the others share at most what it leaves, in proportion to their own."""
    if not len(each):
        return ()
    first, others = float(each[0]), each[1:]
    total = float(others.sum())
    shrink = min(1.0, (1.0 - first) / total) if total > 0 else 1.0
    return (first, *(float(probability * shrink) for probability in others))


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
