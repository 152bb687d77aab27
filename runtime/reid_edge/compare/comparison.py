"""The second half of the way of a photo: shortlist gallery animals by their vectors and score each against the query."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from reid_edge.compare.fused_reranking import GalleryNeighbours, fused_neighbours
from reid_edge.compare.fusing import order_scores
from reid_edge.compare.heads import boosting_features, classify, of_candidates
from reid_edge.compare.matching import Matches
from reid_edge.compare.matching.distinctive import distinctive_scores
from reid_edge.compare.matching.first_look import match_first_look
from reid_edge.compare.matching.pair_scores import Comparable, highest_score, match_pairs, pair_score, pairs_at_a_time
from reid_edge.compare.reranking import jaccard_distances
from reid_edge.compare.selection import Selection
from reid_edge.compare.shortlist import rows_to_match, shortlist, united
from reid_edge.compare.source import CandidateSource
from reid_edge.describe.features import Features
from reid_edge.describe.keypoints import Keypoints
from reid_edge.engines.networks import Networks
from reid_edge.recipe import EarlyExit, Match, Recipe, Rerank
from reid_edge.recipe.species import applies_to
from reid_edge.recipe.stages import Head
from reid_edge.threads import in_shares
from reid_edge.timings import Timings

MatchKey: TypeAlias = tuple[str, str, str, float, int, int]
"""Keypoints, matcher, network, least score, points and sighting: what the matches of one query depend on."""


@dataclass(frozen=True)
class Comparison:
    """A query against its shortlist.

    Attributes:
        sighting_ids: int64 [B], the shortlist, nearest first.
        score_names: S names, the columns of `raw`.
        raw: float64 [B, S], cosines, match counts, shares of neighbours in common, probabilities; NaN where a matcher was not run on a
            candidate, or a head does not know its individual or the species.
        matches: by matcher name, by row of the shortlist.
        owners: B names, whom each candidate shows.
        warnings: what could not be computed, one sentence each.
    """

    sighting_ids: NDArray[np.int64]
    score_names: tuple[str, ...]
    raw: NDArray[np.float64]
    matches: dict[str, dict[int, Matches]] = field(default_factory=dict)
    owners: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class MayStop(Protocol):
    """Says of a comparison that is not finished whether its answer is, see `EarlyExitCheck` and `DoubtCheck` of `reid_edge.decide`."""

    def __call__(self, comparison: Comparison, column: int, ceilings: Mapping[int, float]) -> bool:
        """Whether the answer stays, whatever the rows of `ceilings` score up to these in the column."""


@dataclass(frozen=True)
class Comparer:
    """Compares animals with a gallery.

    Attributes:
        recipe: how many candidates, which matchers.
        networks: for the matchers that are networks, and for the heads with their labels.
        source: the gallery.
        kept: the matches of one query by matcher and sighting, so that comparing it with a part of the gallery again costs little; None
            where each comparison starts anew.
        neighbours: what re-ranking by a fusion needs; None where the pack is not calibrated, and there is no such score.
    """

    recipe: Recipe
    networks: Networks
    source: CandidateSource
    kept: MutableMapping[MatchKey, Matches] | None = None
    neighbours: GalleryNeighbours | None = None

    def keeping_matches(self) -> Comparer:
        """For one query that is compared with several parts of the gallery."""
        return replace(self, kept={})

    def compare(self, features: Features, selection: Selection, timings: Timings, may_stop: MayStop | None = None) -> Comparison:
        """Shortlist and score.

        Args:
            features: the animal's.
            selection: which gallery animals may be candidates, and for heads the query's species and viewpoint.
            timings: gets the stages ``retrieve``, ``load`` and one per matcher, re-ranking and head.
            may_stop: lets the last matcher stop early, or not begin, where the recipe says so; all candidates are matched without it.

        Raises:
            EngineError: a network failed.
            PackError: a head gives other probabilities than its labels say.
        """
        recipe, names = self.recipe, self.recipe.score_names
        with timings.stage("retrieve"):
            ids = self._shortlist(features, selection)
            raw = np.full((len(ids), len(names)), np.nan)
            owners = tuple(self.source.identity_of(int(sighting)) for sighting in ids)
            comparison = Comparison(ids, names, raw, owners=owners)
            if not len(ids):
                return comparison
            rows = {name: _rows_of(recipe.species_of(name), ids, self.source) for name in features.vectors}
            vectors = {name: self.source.vectors(name, ids[these]) for name, these in rows.items()}
            for name, each in vectors.items():
                raw[rows[name], names.index(name)] = each @ features.vectors[name]
        matchers = [match for match in recipe.match if applies_to(match.species, selection.query.species)]
        stored = _Stored(self.source, ids, {extract.name: extract.species for extract in recipe.extract})
        run = _Run(features, stored, comparison, timings)
        comparer = self if self.kept is not None else self.keeping_matches()  # matchers of one setting share their matches
        for match in matchers:
            comparer._match(match, run, may_stop)
        for rerank in recipe.rerank:
            if not applies_to(rerank.species, selection.query.species):
                continue
            with timings.stage(rerank.name):
                if rerank.fusion:
                    comparison = self._rerank_by_fusion(rerank, comparison)
                    continue
                vector = features.vectors[rerank.embedding]
                distances = jaccard_distances(vector, vectors[rerank.embedding], rerank.k1, rerank.k2)
                raw[rows[rerank.embedding], names.index(rerank.name)] = 1 - distances
        for head in recipe.head:
            if applies_to(head.species, selection.query.species):
                with timings.stage(head.name):
                    probabilities = self._classify(head, features, selection)
                    raw[:, names.index(head.name)] = of_candidates(
                        probabilities, self.networks.labels[head.name], comparison.owners
                    )
        return comparison

    def _rerank_by_fusion(self, stage: Rerank, comparison: Comparison) -> Comparison:
        """Enter the score, where there is one, and a warning where photos of the shortlist were never compared with others."""
        if self.neighbours is None:
            return comparison
        ids, column = comparison.sighting_ids, comparison.score_names.index(stage.name)
        comparison.raw[:, column] = fused_neighbours(stage, comparison.raw, ids, self.neighbours)
        if not (missing := self.neighbours.missing(ids)):
            return comparison
        warning = f"{missing} of {len(ids)} gallery photos have no scores for {stage.name}; run: reid-edge gallery pairs."
        return replace(comparison, warnings=(*comparison.warnings, warning))

    def _shortlist(self, features: Features, selection: Selection) -> NDArray[np.int64]:
        """What any of the recipe's retrievals whose vector the query has finds."""
        retrieves = (self.recipe.retrieve, *self.recipe.retrieve_also)
        found = [(each, features.vectors[each.embedding]) for each in retrieves if each.embedding in features.vectors]
        return united([shortlist(self.source, each, vector, selection.ids) for each, vector in found])

    def _match(self, match: Match, run: _Run, may_stop: MayStop | None) -> None:
        """Run one matcher, batch by batch where it may stop between."""
        column = run.comparison.score_names.index(match.name)
        if match.in_doubt and may_stop:
            with run.timings.stage(match.name):
                if may_stop(run.comparison, column, {}):
                    return
        rows = run.stored.described(match, self._rows_to_match(match, run.comparison))
        with run.timings.stage("load"):
            run.stored.read(match, rows if match.count == "inliers" else self._not_kept(match, rows, run.stored))
        early = self.recipe.early_exit if may_stop and match is self.recipe.match[-1] else None
        size = pairs_at_a_time(match, self.networks) if early else max(1, len(rows))
        with run.timings.stage(match.name):
            for start in range(0, len(rows), size):
                self._score(match, rows[start : start + size], run)
                left = rows[start + size :]
                if early and may_stop and left:
                    ceilings = _ceilings(match, _highest_scores(match, left, run), early, run.comparison)
                    if may_stop(run.comparison, column, ceilings):
                        break

    def _score(self, match: Match, rows: list[int], run: _Run) -> None:
        """Match these rows of the shortlist and enter their scores."""
        query = (run.features.pictures if match.rules.pictures else run.features.keypoints)[match.keypoints]
        found = self._matches(match, query, rows, run.stored)
        if match.count == "distinctive":
            scores = list(distinctive_scores(len(query), found, [run.comparison.owners[row] for row in rows]))
        elif match.count == "inliers":
            candidates = run.stored.candidates(match, rows)
            scores = [pair_score(match, query, *pair) for pair in zip(candidates, found, strict=True)]
        else:
            scores = [pair_score(match, query, query, each) for each in found]
        run.comparison.matches.setdefault(match.name, {}).update(zip(rows, found, strict=True))
        run.comparison.raw[rows, run.comparison.score_names.index(match.name)] = scores

    def _matches(self, match: Match, query: Comparable, rows: list[int], stored: _Stored) -> list[Matches]:
        """The matches with these candidates, computed where they are not kept."""
        kept = self.kept if self.kept is not None else {}
        missing = self._not_kept(match, rows, stored)
        if missing and match.is_first_look and isinstance(query, Keypoints):
            look = partial(match_first_look, query.first(match.points).descriptors, min_score=match.min_score)
            found = in_shares(look, stored.first(match, missing), self.networks.device.threads)
        elif missing:
            some = [_best_points(candidate, match.points) for candidate in stored.candidates(match, missing)]
            found = match_pairs(match, _best_points(query, match.points), some, self.recipe, self.networks)
        if missing:
            kept.update(zip((_key(match, stored, row) for row in missing), found, strict=True))
        return [kept[_key(match, stored, row)] for row in rows]

    def _not_kept(self, match: Match, rows: list[int], stored: _Stored) -> list[int]:
        kept = self.kept or {}
        return [row for row in rows if _key(match, stored, row) not in kept]

    def _rows_to_match(self, match: Match, comparison: Comparison) -> list[int]:
        """Rows of the shortlist that this matcher sees: all, or the best by an earlier score or a fusion of such."""
        if not match.best:
            return list(range(len(comparison.sighting_ids)))
        scores = order_scores(self.recipe, match.order, comparison.raw)
        photos = self.recipe.retrieve.unit == "photos"
        owners = [str(sighting) for sighting in comparison.sighting_ids] if photos else comparison.owners
        return rows_to_match(scores, owners, match.best, match.photos)

    def _classify(self, head: Head, features: Features, selection: Selection) -> NDArray[np.float64]:
        """A head's probabilities; the neighbours of boosting are the nearest of all that the query may be compared with, on the shortlist
        or not.
        """
        vector, labels = features.vectors[head.embedding], self.networks.labels[head.name]
        if head.kind == "boosting":
            ids = self.source.nearest(head.embedding, vector, labels.neighbours, selection.ids)
            distances = 1 - self.source.vectors(head.embedding, ids) @ vector
            shown = [self.source.identity_of(int(sighting)) for sighting in ids]
            vector = boosting_features(vector, distances, shown, selection.query, labels)
        return classify(vector, labels, self.networks[head.network].engine)


class _Stored:
    """What the gallery holds of the shortlist, read when a matcher first asks for a row of it."""

    def __init__(self, source: CandidateSource, ids: NDArray[np.int64], species: Mapping[str, tuple[str, ...]]) -> None:
        self.ids = ids
        self._source = source
        self._rows = {extraction: frozenset(_rows_of(of, ids, source)) for extraction, of in species.items()}
        self._read: dict[tuple[str, bool, int], Comparable] = {}

    def described(self, match: Match, rows: list[int]) -> list[int]:
        """Those of these rows whose animal has what the matcher compares."""
        return [row for row in rows if row in self._rows[match.keypoints]]

    def read(self, match: Match, rows: list[int]) -> None:
        """Read what the matcher will see of these rows; a first look sees mapped descriptors, which need no reading."""
        if not match.is_first_look:
            self.candidates(match, rows)

    def candidates(self, match: Match, rows: list[int]) -> list[Comparable]:
        """The keypoints or the pictures that the matcher sees, one per row."""
        keys = {row: (match.keypoints, match.rules.pictures, row) for row in rows}
        missing = [row for row in rows if keys[row] not in self._read]
        if missing:
            read = self._source.pictures if match.rules.pictures else self._source.keypoints
            self._read.update(zip((keys[row] for row in missing), read(match.keypoints, self.ids[missing]), strict=True))
        return [self._read[keys[row]] for row in rows]

    def first(self, match: Match, rows: list[int]) -> NDArray[np.int16]:
        """Only the best descriptors, which are mapped."""
        return self._source.first_descriptors(match.keypoints, self.ids[rows], match.points)


def _key(match: Match, stored: _Stored, row: int) -> MatchKey:
    return match.keypoints, match.matcher, match.network, match.min_score, match.points, int(stored.ids[row])


def _rows_of(species: tuple[str, ...], ids: NDArray[np.int64], source: CandidateSource) -> list[int]:
    """The rows of a shortlist whose animals a stage for these species describes."""
    if not species:
        return list(range(len(ids)))
    return [row for row, sighting in enumerate(ids) if applies_to(species, source.species_of(int(sighting)))]


@dataclass(frozen=True)
class _Run:
    """One query on its way through the matchers."""

    features: Features
    stored: _Stored
    comparison: Comparison
    timings: Timings


def _highest_scores(match: Match, rows: list[int], run: _Run) -> dict[int, float]:
    keypoints = run.features.keypoints[match.keypoints]
    candidates = zip(rows, run.stored.candidates(match, rows), strict=True)
    return {row: highest_score(match, keypoints, each) for row, each in candidates if isinstance(each, Keypoints)}


def _ceilings(match: Match, highest: dict[int, float], early: EarlyExit, comparison: Comparison) -> dict[int, float]:
    """The highest score that each of these rows may reach, or is assumed to reach, see `reid_edge.recipe.EarlyExit`."""
    if not early.per_match:
        return highest
    orders = comparison.raw[:, comparison.score_names.index(match.order)]
    return {row: min(most, early.per_match * float(orders[row]) + early.spare) for row, most in highest.items()}


def _best_points(candidate: Comparable, points: int) -> Comparable:
    """Its first `points` keypoints, which are the detector's best; all where 0, and of pictures."""
    return candidate.first(points) if points and isinstance(candidate, Keypoints) else candidate
