"""The model of discovery, fitted on labelled photos: the log odds of a pair, where to stop joining, and what a join is worth.

It is to hold in small folders as well, where few strangers say what is usual. So each set is also drawn from, as folders of few photos that
are compared with each other alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import adjusted_rand_score

from reid_edge.discover.constraints import Constraints, constraints_of
from reid_edge.discover.discovery import near_copies
from reid_edge.discover.grouping import Grouping, group, labels_of
from reid_edge.discover.pair_model import EVIDENCE, DiscoveryModel, fewer_than_usual, standing_out_of
from reid_edge_benchmarks.discovery.photos import ComparedSet

_DRAWS = 12  # parts of each set that the rule to stop is chosen on
_SHARE = 0.7  # of the individuals in each part; the whole set counts as much as all of its parts together
_SMALL = ((5, 3), (8, 3), (5, 8))  # individuals, and the most photos of each
_SMALL_DRAWS = 4
_STEPS = np.arange(-4.0, 2.01, 0.1)


@dataclass(frozen=True)
class _Folder:
    """Photos as if they were all: their rows, what is certain, whom they show, and how much they count."""

    rows: NDArray[np.float32]
    constraints: Constraints
    truth: NDArray[np.str_]
    weight: float

    @classmethod
    def of(cls, each: ComparedSet, places: NDArray[np.int64], weight: float, anew: bool = False) -> _Folder:
        rows = each.discovery.rows_among(places.tolist()) if anew else each.discovery.rows()[np.ix_(places, range(2), places)]
        constraints = constraints_of([each.discovery.seen[place] for place in places])
        copies = tuple(near_copies(rows, constraints))
        return cls(rows, replace(constraints, same=copies), each.truth[places], weight)

    def pairs(self) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """float32 [P, 3], evidence and `fewer_than_usual` of each pair, and whether it is one animal."""
        evidence = standing_out_of(self.rows, self.constraints.comparable)
        rows, columns = np.nonzero(np.triu(~np.isnan(evidence).any(axis=-1), 1))
        table = np.concatenate([evidence[rows, columns], fewer_than_usual(evidence)[rows, columns, None]], axis=1)
        return table, self.truth[rows] == self.truth[columns]

    def grouping(self, model: DiscoveryModel) -> Grouping:
        """All joins made."""
        return group(model.pair_log_odds(standing_out_of(self.rows, self.constraints.comparable)), self.constraints, 0.0)


def fit_model(sets: Sequence[ComparedSet], seed: int = 0) -> DiscoveryModel:
    """Fit on these sets, each counted as much as the others."""
    whole = [_Folder.of(each, np.arange(len(each.truth)), 1.0) for each in sets]
    small = [folder for each in sets for folder in _small_folders(each, seed)]
    parts = [folder for each in sets for folder in _parts(each, seed)]
    tables = [(*folder.pairs(), folder.weight) for folder in (*whole, *small)]
    weights = np.concatenate([np.full(len(same), weight / len(same)) for _, same, weight in tables])
    fitted = LogisticRegression(C=10).fit(
        np.concatenate([evidence for evidence, _, _ in tables]),
        np.concatenate([same for _, same, _ in tables]),
        sample_weight=weights * len(weights) / weights.sum(),
    )
    model = DiscoveryModel(
        bias=float(fitted.intercept_[0]),
        weights=dict(zip(EVIDENCE, map(float, fitted.coef_[0]), strict=False)),
        least=0.0,
        join_bias=0.0,
        join_weight=1.0,
        size=float(fitted.coef_[0, len(EVIDENCE)]),
        data={"sets": [each.name for each in sets], "photos": [len(each.truth) for each in sets], "small_folders": len(small)},
    )
    joined = [[(folder.grouping(model), folder.truth) for folder in some] for some in (parts, whole, small)]
    scores = [sum(np.mean([_rand(part, float(least)) for part in some]) for some in joined) for least in _STEPS]
    fitted_model = _with_join_odds(model, [part for some in joined for part in some])
    return replace(fitted_model, least=round(float(_STEPS[int(np.argmax(scores))]), 2))


def _parts(each: ComparedSet, seed: int) -> list[_Folder]:
    """Photos of some of the individuals."""
    random, individuals = np.random.default_rng(seed), np.unique(each.truth)
    count = max(2, round(_SHARE * len(individuals)))
    draws = (random.choice(individuals, count, replace=False) for _ in range(_DRAWS))
    return [_Folder.of(each, np.flatnonzero(np.isin(each.truth, chosen)), 0.0) for chosen in draws]


def _small_folders(each: ComparedSet, seed: int) -> list[_Folder]:
    """Few photos of few individuals, compared with each other alone."""
    random, individuals = np.random.default_rng(seed), np.unique(each.truth)
    folders = []
    for count, most in _SMALL * _SMALL_DRAWS:
        chosen = random.choice(individuals, min(count, len(individuals)), replace=False)
        photos = [random.permutation(np.flatnonzero(each.truth == name))[:most] for name in chosen]
        weight = 1 / (len(_SMALL) * _SMALL_DRAWS)
        folders.append(_Folder.of(each, np.sort(np.concatenate(photos)), weight, anew=True))
    return folders


def _rand(part: tuple[Grouping, NDArray[np.str_]], least: float) -> float:
    grouping, truth = part
    return float(adjusted_rand_score(truth, labels_of(grouping.groups(grouping.made_at(least)), len(truth))))


def _with_join_odds(model: DiscoveryModel, parts: Sequence[tuple[Grouping, NDArray[np.str_]]]) -> DiscoveryModel:
    """A join is right where most of both sides show one individual."""
    values, right, weights = [], [], []
    for grouping, truth in parts:
        joins = [join for join in grouping.joins if np.isfinite(join.log_odds)]
        for join in joins:
            values.append([join.log_odds])
            right.append(_most(truth[list(join.first)]) == _most(truth[list(join.second)]))
            weights.append(1 / len(joins))
    fitted = LogisticRegression(C=10).fit(values, right, sample_weight=np.array(weights) * len(weights) / sum(weights))
    return replace(model, join_bias=float(fitted.intercept_[0]), join_weight=max(0.0, float(fitted.coef_[0, 0])))


def _most(names: NDArray[np.str_]) -> str:
    found, counts = np.unique(names, return_counts=True)
    return str(found[counts.argmax()])
