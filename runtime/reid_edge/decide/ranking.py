"""A ranking of identities: their scores, probabilities, best photos and matched points."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from reid_edge.compare.comparison import Comparison
from reid_edge.decide.calibration import Entry
from reid_edge.decide.calibration.identities import IdentityScores, score_identities
from reid_edge.decide.consensus import score_by_recipe
from reid_edge.decide.decision import MatchedPoints, PairEvidence, RankedIdentity
from reid_edge.describe.features import Features
from reid_edge.describe.keypoints import Keypoints
from reid_edge.recipe import Match, Recipe

_CERTAIN = 1e-9


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
    """Identities, most likely first.

    Attributes:
        comparison: the raw scores.
        scores: the identities with their fused scores and evidence, and per identity the row of its best photo in the shortlist.
        photos: per identity its best photo's file name.
        probabilities: per identity, that the animal is this one.
        unknown: the probability that the animal is none of the gallery's; 1 of an empty ranking. All together are at most 1.
        counts: by matcher, what its score counts, see `reid_edge.recipe.Match.count`.
    """

    comparison: Comparison
    scores: IdentityScores
    photos: tuple[str, ...]
    probabilities: tuple[float, ...]
    unknown: float
    counts: Mapping[str, str] = field(default_factory=dict)

    def ranked(
        self, top: int, query: Features, source: KeypointSource | None, matches: Sequence[Match] = ()
    ) -> tuple[RankedIdentity, ...]:
        """The best identities with their scores, and with matched points where `source` and `matches` are given."""
        return tuple(self._ranked(place, query, source, matches) for place in range(min(top, len(self.photos))))

    def _ranked(self, place: int, query: Features, source: KeypointSource | None, matches: Sequence[Match]) -> RankedIdentity:
        row = self.scores.rows[place]
        scores = tuple(
            PairEvidence(name, _number(self.comparison.raw[row, column]), _number(self.scores.calibrated[row, column]))
            for column, name in enumerate(self.comparison.score_names)
        )
        points = tuple(self._points(match, row, query, source) for match in matches) if source else ()
        return RankedIdentity(
            identity=self.scores.identities[place],
            probability=self.probabilities[place],
            evidence=float(self.scores.evidence[place]),
            fused=float(self.scores.fused[place]),
            sighting=int(self.comparison.sighting_ids[row]),
            photo=self.photos[place],
            scores=scores,
            matches=points,
        )

    def _points(self, match: Match, row: int, query: Features, source: KeypointSource) -> MatchedPoints:
        found = self.comparison.matches.get(match.name, {}).get(row)
        if found is None or match.rules.pictures:  # a picture does not say where in the photo it was taken
            return MatchedPoints(match.name, (), (), ())
        candidate = source.keypoints(match.keypoints, self.comparison.sighting_ids[row : row + 1])[0]
        query_xy = query.keypoints[match.keypoints].xy[found.query]
        candidate_xy = candidate.xy[found.candidate]
        return MatchedPoints(
            match.name,
            tuple((float(x), float(y)) for x, y in query_xy),
            tuple((float(x), float(y)) for x, y in candidate_xy),
            tuple(float(score) for score in found.scores),
        )


@dataclass(frozen=True)
class Ranker:
    """Ranks the individuals of shortlists of one query photo.

    Attributes:
        names: who each sighting is.
        entry: the calibration of the species.
        quality: float [K] of the query photo; a typical one where None.
        recipe: whose fusions and steps answer, where it has any.
        species: of the query, for steps that are for some species only; empty where unknown.
        prior: by individual, log odds that are known before the photos are compared, see `reid_edge.gallery.time_place`.
    """

    names: SightingNames
    entry: Entry
    quality: NDArray[np.floating] | None = None
    recipe: Recipe | None = None
    species: str = ""
    prior: Mapping[str, float] = field(default_factory=dict)

    def rank(self, comparison: Comparison) -> Ranking:
        """Rank a shortlist by its raw scores.

        Raises:
            PackError: see `reid_edge.decide.consensus.score_by_recipe`.
        """
        ids = [int(sighting) for sighting in comparison.sighting_ids]
        owners = comparison.owners or [self.names.identity_of(sighting) for sighting in ids]
        if self.recipe and self.recipe.fuse:
            scores = score_by_recipe(comparison.raw, owners, self.recipe, self.entry, self.species)
        else:
            scores = score_identities(comparison.raw, owners, self.entry, self.quality)
        if any(name in self.prior for name in scores.identities):
            scores = _with_prior(scores, self.prior)
        each = self.entry.identity(scores.evidence)
        unknown = min(float(self.entry.unknown(1 - scores.evidence[0])), 1 - float(each[0])) if len(each) else 1.0
        probabilities = _probabilities(each, unknown)
        order = sorted(range(len(each)), key=lambda place: -probabilities[place])  # the first stays: none is above it
        scores = scores.in_order(order)
        return Ranking(
            comparison,
            scores,
            photos=tuple(self.names.photo_of(ids[row]) for row in scores.rows),
            probabilities=tuple(probabilities[place] for place in order),
            unknown=unknown,
            counts={match.name: match.count for match in self.recipe.match} if self.recipe else {},
        )


def _with_prior(scores: IdentityScores, prior: Mapping[str, float]) -> IdentityScores:
    """The log odds of the evidence and those of the prior together, the best first."""
    evidence = np.clip(scores.evidence, _CERTAIN, 1 - _CERTAIN)
    odds = np.log(evidence) - np.log1p(-evidence)
    added = np.array([prior.get(name, 0.0) for name in scores.identities])
    evidence = np.where(added == 0, scores.evidence, 1 / (1 + np.exp(-(odds + added))))
    return replace(scores, evidence=evidence).in_order(np.argsort(-evidence, kind="stable").tolist())


def _probabilities(each: NDArray[np.float64], unknown: float) -> tuple[float, ...]:
    """The best keeps its calibrated probability; the others share at most what it and a stranger leave, in proportion to their own."""
    if not len(each):
        return ()
    first, others = float(each[0]), each[1:]
    total = float(others.sum())
    shrink = min(1.0, max(0.0, 1.0 - first - unknown) / total) if total > 0 else 1.0
    return (first, *(float(probability * shrink) for probability in others))


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
