"""Open-set trials: what happens when each query meets a gallery with its individual in it, and one without.

A labelled fold has few unknown individuals, often one or two, so a threshold fitted on them alone is a matter of luck. Every
query of a known individual therefore counts twice: once as it is, and once in the gallery without its own individual, where the
right answer is `new_individual`. That gives as many unknown examples as there are queries. Both are scored as the runtime scores
them (score_table.py), because whoever is not there leaves a place among the candidates to others.

A photo is also asked for in small and uneven parts of the gallery, so that an answer is worth the same where two individuals are known, or
one by many photos. All trials of one photo count as one photo.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from reid_edge.decide.calibration import Fusion, Pooling
from reid_edge.decide.calibration.evidence import CHANCE, Standing, level_of
from reid_edge_calibration.score_table import ScoreTable

BEST_PHOTO = Pooling()
PART = 1 / 6
"""Three parts of a gallery, twice, count together as much as the gallery."""


@dataclass(frozen=True)
class Pairs:
    """Score tables laid end to end.

    Attributes:
        raw: float64 [2, P, S], in the gallery as it is, and in the one without the query's own individual; NaN where a score was not
            computed.
        same: bool [P], the pair shows the same individual.
        query: int [P], the query of each pair.
        candidate: int [P], the individual that the candidate of each pair shows, numbered as `individual`.
        weight: float64 [P], of each pair, so that every species counts the same; the mean is 1.
        individual: int [Q], the individual of each query; individuals of two species never share a number.
        known: bool [Q], the individual is in the gallery.
        species: int [Q], the table that the query is from.
        learnt: bool [2, P, S], the score was computed for one pair of the pair's query or more.
        quality: float64 [Q, K], of the query photos.
        photo: int [Q], the photo that each query asks for.
        whole: bool [Q], the query asks the whole gallery.
        drawn: bool [P], the pairs that calibrators may be fitted on; None for all, see `drawing`.
    """

    raw: NDArray[np.float64]
    same: NDArray[np.bool_]
    query: NDArray[np.int64]
    candidate: NDArray[np.int64]
    weight: NDArray[np.float64]
    individual: NDArray[np.int64]
    known: NDArray[np.bool_]
    species: NDArray[np.int64]
    learnt: NDArray[np.bool_]
    quality: NDArray[np.float64]
    photo: NDArray[np.int64]
    whole: NDArray[np.bool_]
    drawn: NDArray[np.bool_] | None = None

    @classmethod
    def of(cls, tables: Sequence[ScoreTable]) -> Pairs:
        """All pairs of the tables, which have the same score names."""
        code: dict[tuple[str, str], int] = {}
        individual = [code.setdefault((table.species, name), len(code)) for table in tables for name in table.query_identity]
        candidate = [
            np.array([code.setdefault((table.species, name), len(code)) for name in table.candidate_identity], np.int64)[
                table.candidate
            ]
            for table in tables
        ]
        first = np.cumsum([0, *(len(table.query_identity) for table in tables)])
        query = np.concatenate([table.query + start for table, start in zip(tables, first, strict=False)])
        views = [[getattr(table, view) for table in tables] for view in ("raw", "raw_without")]
        raw = np.stack([np.concatenate(view) for view in views]).astype(np.float64)
        total = len(query)
        return cls(
            raw=raw,
            same=np.concatenate([table.same for table in tables]),
            query=query,
            candidate=np.concatenate(candidate),
            weight=np.concatenate([np.full(len(t.query), total / len(tables) / max(1, len(t.query))) for t in tables]),
            individual=np.array(individual),
            known=np.concatenate([table.known for table in tables]),
            species=np.repeat(np.arange(len(tables)), np.diff(first)),
            learnt=np.stack([_any_by_query(~np.isnan(view), query, first[-1])[query] for view in raw]),
            quality=np.concatenate([table.quality for table in tables]).astype(np.float64),
            photo=np.concatenate([table.photo + start for table, start in zip(tables, first, strict=False)]),
            whole=np.concatenate([table.whole for table in tables]),
        )

    @property
    def of_whole(self) -> NDArray[np.bool_]:
        """Bool [P]: the pair was compared in the whole gallery."""
        return self.whole[self.query]

    @property
    def of_calibration(self) -> NDArray[np.bool_]:
        """Bool [P]: a calibrator is fitted on the pair."""
        return self.of_whole if self.drawn is None else self.of_whole & self.drawn

    def drawing(self, count: int, seed: int) -> Pairs:
        """The same pairs, of which `count` of one individual and as many of two calibrate, from each species the same number; 0 for all."""
        if not count:
            return self
        rng, drawn = np.random.default_rng(seed), np.zeros(len(self.query), bool)
        species = self.species[self.query]
        of_each = -(-count // len(np.unique(species)))
        for number in np.unique(species):
            for same in (True, False):
                rows = np.flatnonzero(self.of_whole & (species == number) & (self.same == same))
                drawn[rng.choice(rows, min(of_each, len(rows)), replace=False)] = True
        return replace(self, drawn=drawn)

    def with_stand_ins(self, filled: NDArray[np.float64]) -> NDArray[np.float64]:
        """What stands for scores that were not computed, as in Entry.fuse of the runtime: the lowest that was computed for the query.

        Args:
            filled: float64 [2, P, S] calibrated scores; those that were not computed may have any value.
        """
        absent = np.isnan(self.raw)
        lowest = np.full((2, len(self.individual), filled.shape[2]), np.inf)
        for view in (0, 1):
            np.minimum.at(lowest[view], self.query, np.where(absent[view], np.inf, filled[view]))
        stand_in = np.where(np.isinf(lowest), 0.0, lowest)[:, self.query]
        return np.where(absent, stand_in, filled)

    def fuse(self, filled: NDArray[np.float64], fusion: Fusion) -> NDArray[np.float64]:
        """Entry.fuse of the runtime for every query at once.

        Args:
            filled: float64 [2, P, S] calibrated scores, see `with_stand_ins`.
            fusion: as the runtime applies it.

        Returns:
            float64 [2, P], 0 for pairs that were not compared.
        """
        return np.asarray(fusion(filled, self.learnt) * ~np.isnan(self.raw).all(axis=2))


@dataclass(frozen=True)
class Trials:
    """T answers: the best candidate of a query, and whether it is right.

    Attributes:
        score: float64 [T], fused score of the best candidate, 0 where there was none.
        right: bool [T], it shows the individual of the query, and no other individual scores as much.
        known: bool [T], the individual was among those that could be found.
        individual: int [T], of the query.
        species: int [T], of the query.
        removed: bool [T], the trial is a query of a known individual that was made unknown.
        quality: float64 [T, K], of the query photo.
        part: float64 [T], as how much of a photo the trial counts: 1 in the whole gallery, 1 / 6 in a part of it.
    """

    score: NDArray[np.float64]
    right: NDArray[np.bool_]
    known: NDArray[np.bool_]
    individual: NDArray[np.int64]
    species: NDArray[np.int64]
    removed: NDArray[np.bool_]
    quality: NDArray[np.float64]
    part: NDArray[np.float64] = None  # type: ignore[assignment]  # each its own photo

    def __post_init__(self) -> None:
        if self.part is None:
            object.__setattr__(self, "part", np.ones(len(self.score)))

    def only(self, chosen: NDArray[np.bool_]) -> Trials:
        """The trials of this mask, bool [T]."""
        return replace(self, **{name: getattr(self, name)[chosen] for name in self.__dataclass_fields__})

    def balance(self, times: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """The weight of each trial in BAKS (known ones) and BAUS (the others): as per individual, then per species.

        Args:
            times: how often each individual is drawn, by its number; once where None.

        Returns:
            float64 [T], sums to 1 over the known and to 1 over the others, or to 0 where none was drawn.
        """
        drawn = np.ones(len(self.score)) if times is None else times[self.individual]
        weight = np.zeros(len(self.score))
        for known in (True, False):
            side = self.known == known
            _, person = np.unique(self.individual[side], return_inverse=True)
            per_photo = drawn[side] * self.part[side] / np.bincount(person, self.part[side])[person]
            per_species = np.bincount(self.species[side], per_photo)
            weight[side] = per_photo / np.maximum(per_species, 1e-300)[self.species[side]]
            weight[side] /= max(1, (per_species > 0).sum())
        return weight


class TrialPlan:
    """Which trials some pairs give, whatever their fused scores: every query as it is, then those that were also scored without their
    own individual.

    Pairs of one query with one individual form a group; G groups, and all that is known of them beside fused scores is computed once.
    """

    def __init__(self, pairs: Pairs) -> None:
        self._pairs = pairs
        queries = len(pairs.individual)
        self._order = np.lexsort([pairs.candidate, pairs.query])
        query, candidate = pairs.query[self._order], pairs.candidate[self._order]
        self._first = np.flatnonzero((np.diff(query, prepend=-1) != 0) | (np.diff(candidate, prepend=-1) != 0))
        self._query, self._same = query[self._first], pairs.same[self._order][self._first]
        self._compared = ~np.isnan(pairs.raw).all(axis=2)[:, self._order]
        self._photos = np.add.reduceat(self._compared, self._first, axis=1, dtype=np.int64)
        raw = pairs.raw[:, self._order]
        self._level = np.maximum.reduceat(np.where(np.isnan(raw), -np.inf, level_of(raw)), self._first, axis=1)
        lowest = np.full((2, queries, raw.shape[2]), np.inf)
        for view in (0, 1):
            np.minimum.at(lowest[view], self._query, np.where(np.isfinite(self._level[view]), self._level[view], np.inf))
        stand_in = np.where(np.isfinite(lowest), lowest, 0.0)[:, self._query]
        self._filled = np.where(np.isfinite(self._level), self._level, stand_in)
        again = np.zeros(queries, bool)
        again[self._query[self._photos[1] > 0]] = True
        self._source = np.concatenate([np.arange(queries), np.flatnonzero(again)])
        self._removed = np.arange(len(self._source)) >= queries

    def run(self, fused: NDArray[np.float64], pooling: Pooling = BEST_PHOTO) -> Trials:
        """The trials with these fused scores, float64 [2, P] in [0, 1]."""
        return self.answers(self.pool(fused, pooling))

    def answers(self, pooled: NDArray[np.float64]) -> Trials:
        """The trials with these scores of individuals, float64 [2, G] in [0, 1], see `pool` and `shares`."""
        pairs, source, removed = self._pairs, self._source, self._removed
        own, other, without = np.zeros((3, len(pairs.individual)))
        np.maximum.at(own, self._query[self._same], pooled[0, self._same])
        np.maximum.at(other, self._query[~self._same], pooled[0, ~self._same])
        np.maximum.at(without, self._query, pooled[1])
        return Trials(
            score=np.where(removed, without[source], np.maximum(own, other)[source]),
            right=~removed & (own > other)[source],
            known=~removed & pairs.known[source],
            individual=pairs.individual[source],
            species=pairs.species[source],
            removed=removed,
            quality=pairs.quality[source],
            part=np.where(pairs.whole[source], 1.0, PART),
        )

    def standing(
        self, pooled: NDArray[np.float64], rivals: NDArray[np.float64] | None = None
    ) -> tuple[Standing, NDArray[np.float64]]:
        """How the best identity of each trial stands among the others, as the runtime computes it.

        Args:
            pooled: as for `answers`.
            rivals: float64 [S], what it is ahead of where there is no other one, see `reid_edge.decide.calibration.Evidence`;
                None: found here.

        Returns:
            standing: of T identities; 1 photo where there was no candidate.
            rivals: float64 [S], as given, or the median over the trials of the best other individual's level.
        """
        views = zip(*(self._standing(view, pooled[view]) for view in (0, 1)), strict=True)
        chosen = self._removed.astype(int), self._source
        own, highest, others, photos = (np.stack(each)[chosen] for each in views)
        # The individual that was taken away counts: the size of the gallery must not tell which trials these are.
        others = others + self._removed
        if rivals is None:
            computed = np.where(np.isfinite(highest), highest, np.nan)
            some = np.isfinite(highest).any(axis=0)
            rivals = np.full(own.shape[1], np.log(CHANCE))
            rivals[some] = np.nanmedian(computed[:, some], axis=0)
        alone = ~np.isfinite(highest).any(axis=1)[:, None]
        against = np.where(alone, rivals, highest)
        known = np.isfinite(own) & np.isfinite(against)
        leads = np.subtract(own, against, out=np.zeros_like(own), where=known)
        levels = np.where(np.isfinite(own), own, rivals)
        return Standing(self.answers(pooled).score, leads, levels, np.maximum(photos, 1), others), rivals

    def pool(self, fused: NDArray[np.float64], pooling: Pooling = BEST_PHOTO) -> NDArray[np.float64]:
        """The scores of individuals, float64 [2, G], from those of pairs, float64 [2, P]."""
        return pooling(fused[:, self._order], self._first, self._compared)

    def shares(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """The scores of individuals, float64 [2, G], of which those of one query add up to 1, see `Evidence.shares`.

        Args:
            weights: float64 [S], or [G, S] where they differ by group, see `individuals`.
        """
        utility = (self._filled * weights).sum(axis=2)
        utility[self._photos == 0] = -np.inf
        highest = np.full((2, len(self._pairs.individual)), -np.inf)
        for view in (0, 1):
            np.maximum.at(highest[view], self._query, utility[view])
        behind = np.subtract(utility, highest[:, self._query], out=np.full_like(utility, -np.inf), where=self._photos > 0)
        odds = np.exp(behind)
        total = np.stack([np.bincount(self._query, view, len(self._pairs.individual)) for view in odds])
        return odds / np.maximum(total, 1e-300)[:, self._query]

    @property
    def groups(self) -> NDArray[np.int64]:
        """Int [G], the query of each group; within a query, groups are in the order of their individuals' numbers."""
        return self._query

    @property
    def individuals(self) -> NDArray[np.int64]:
        """Int [G], the individual of the query of each group."""
        return self._pairs.individual[self._query]

    def known_groups(
        self, chosen: NDArray[np.bool_]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.int64], NDArray[np.float64]]:
        """What weights of levels are learnt from: queries of individuals that are in the gallery, in it as it is.

        Args:
            chosen: bool, of each individual by its number.

        Returns:
            level: float64 [N, S], of the individuals that each query was compared with; a stand-in where a score was not computed.
            same: bool [N], the individual is the query's.
            first: int64 [M], where the individuals of each query begin.
            weight: float64 [M], of each query; species count the same, and the mean is 1 over whole galleries.
        """
        asked = np.zeros(len(self._pairs.individual), bool)
        asked[self._query[self._same & (self._photos[0] > 0)]] = True
        rows = np.flatnonzero((asked & chosen[self._pairs.individual])[self._query] & (self._photos[0] > 0))
        query = self._query[rows]
        first = np.flatnonzero(np.diff(query, prepend=-1))
        part = np.where(self._pairs.whole[query[first]], 1.0, PART)
        species = self._pairs.species[query[first]]
        per_species = np.bincount(species, part)
        weight = part / per_species[species] * part.sum() / max(1, (per_species > 0).sum())
        return self._filled[0, rows], self._same[rows], first, weight

    def _standing(
        self, view: int, pooled: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
        """Of the best identity of every query in one of the two galleries: its level float64 [Q, S], the highest of the others' [Q, S],
        how many others there are int64 [Q], and how many of its photos were compared [Q], 0 where there is no candidate.
        """
        there = np.flatnonzero(self._photos[view] > 0)
        query, level = self._query[there], self._level[view, there]
        order = np.lexsort([-pooled[there], query])
        best = order[np.unique(query[order], return_index=True)[1]]
        asked, others = query[best], level.copy()
        others[best] = -np.inf
        queries = len(self._pairs.individual)
        highest = np.full((queries, level.shape[1]), -np.inf)
        np.maximum.at(highest, query, others)
        own, photos = np.full(highest.shape, -np.inf), np.zeros(queries, np.int64)
        own[asked], photos[asked] = level[best], self._photos[view, there][best]
        return own, highest, np.maximum(np.bincount(query, minlength=queries) - 1, 0), photos


def _any_by_query(flags: NDArray[np.bool_], query: NDArray[np.int64], queries: int) -> NDArray[np.bool_]:
    """Bool [queries, S]: some row of [P, S] is true for the query."""
    result = np.zeros((queries, flags.shape[1]), bool)
    np.logical_or.at(result, query, flags)
    return result
