"""The model of discovery, fitted on labelled photos: the log odds of a pair, where to stop joining, and what a join is worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import adjusted_rand_score

from reid_edge.discover.constraints import Constraints, constraints_of
from reid_edge.discover.discovery import near_copies
from reid_edge.discover.grouping import Grouping, group, labels_of
from reid_edge.discover.pair_model import EVIDENCE, DiscoveryModel, standing_out_of
from reid_edge_benchmarks.discovery.photos import ComparedSet

_DRAWS = 12  # parts of each set that the rule to stop is chosen on
_SHARE = 0.7  # of the individuals in each part; the whole set counts as much as all of its parts together
_STEPS = np.arange(-4.0, 2.01, 0.1)


def fit_model(sets: Sequence[ComparedSet], seed: int = 0) -> DiscoveryModel:
    """Fit on these sets, each counted as much as the others."""
    pairs = [_pairs_of(each) for each in sets]
    weights = np.concatenate([np.full(len(same), 1 / len(same)) for _, same in pairs])
    fitted = LogisticRegression(C=10).fit(
        np.concatenate([evidence for evidence, _ in pairs]),
        np.concatenate([same for _, same in pairs]),
        sample_weight=weights * len(weights) / weights.sum(),
    )
    model = DiscoveryModel(
        bias=float(fitted.intercept_[0]),
        weights=dict(zip(EVIDENCE, map(float, fitted.coef_[0]), strict=True)),
        least=0.0,
        join_bias=0.0,
        join_weight=1.0,
        data={"sets": [each.name for each in sets], "photos": [len(each.truth) for each in sets]},
    )
    parts = [part for each in sets for part in _parts(each, model, seed)]
    whole = [_part(each, model, np.arange(len(each.truth))) for each in sets]
    scores = [sum(np.mean([_rand(part, float(least)) for part in some]) for some in (parts, whole)) for least in _STEPS]
    return replace(_with_join_odds(model, [*parts, *whole]), least=round(float(_STEPS[int(np.argmax(scores))]), 2))


def _pairs_of(each: ComparedSet) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    comparable = constraints_of(each.discovery.seen).comparable
    evidence = standing_out_of(each.discovery.rows(), comparable)
    rows, columns = np.nonzero(np.triu(~np.isnan(evidence).any(axis=-1), 1))
    return evidence[rows, columns], each.truth[rows] == each.truth[columns]


def _parts(each: ComparedSet, model: DiscoveryModel, seed: int) -> list[tuple[Grouping, NDArray[np.str_]]]:
    """Groupings of photos of some of the individuals, all joins made."""
    random, individuals = np.random.default_rng(seed), np.unique(each.truth)
    count = max(2, round(_SHARE * len(individuals)))
    draws = (random.choice(individuals, count, replace=False) for _ in range(_DRAWS))
    return [_part(each, model, np.flatnonzero(np.isin(each.truth, chosen))) for chosen in draws]


def _part(each: ComparedSet, model: DiscoveryModel, places: NDArray[np.int64]) -> tuple[Grouping, NDArray[np.str_]]:
    constraints = constraints_of([each.discovery.seen[place] for place in places])
    rows = each.discovery.rows()[np.ix_(places, range(2), places)]
    copies = near_copies(rows, constraints)
    log_odds = model.pair_log_odds(standing_out_of(rows, constraints.comparable))
    joined = Constraints(tuple(copies), constraints.different, constraints.comparable)
    return group(log_odds, joined, 0.0), each.truth[places]


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
