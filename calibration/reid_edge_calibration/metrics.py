"""How good are the answers: BAKS, BAUS, GeoMean, R-k, mAP, AUROC, risk and coverage, calibration error and Brier score.

Answers are identities as strings, or `new_individual` for an animal held to be unknown. BAKS, BAUS and GeoMean are those of
AnimalCLEF 2025 as the winner of that year states them (section 3.1 of that account) and as wildlife-datasets computes them, and so are
mAP and AUROC.

Intervals are percentile bootstrap intervals over individuals, because photos of one individual are not independent. Where every individual
was answered alike, such an interval has no width: it says nothing of individuals that were not drawn.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

NEW = "new_individual"


def baks(truth: Sequence[str], answer: Sequence[str], known: Collection[str]) -> float:
    """Balanced accuracy on known samples: the share of right answers, averaged per known individual.

    Args:
        truth: N identities of the queries.
        answer: N identities answered, or NEW.
        known: the identities in the gallery.

    Returns:
        In [0, 1]; NaN where no query shows a known individual.
    """
    return _mean(_share_right(truth, answer, known, of_known=True).values())


def baus(truth: Sequence[str], answer: Sequence[str], known: Collection[str]) -> float:
    """Balanced accuracy on unknown samples: the share of NEW answers, averaged per unknown individual.

    Arguments as for `baks`; NaN where every query shows a known individual.
    """
    return _mean(_share_right(truth, answer, known, of_known=False).values())


def geomean(truth: Sequence[str], answer: Sequence[str], known: Collection[str]) -> float:
    """The square root of BAKS x BAUS; NaN where one of them is."""
    return math.sqrt(baks(truth, answer, known) * baus(truth, answer, known))


def baks_interval(
    truth: Sequence[str], answer: Sequence[str], known: Collection[str], level: float = 0.95, resamples: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """The bootstrap interval of BAKS: low, high; NaN where BAKS is."""
    shares = _resampled(_share_right(truth, answer, known, of_known=True), resamples, np.random.default_rng(seed))
    return _interval(shares.mean(axis=1), level)


def baus_interval(
    truth: Sequence[str], answer: Sequence[str], known: Collection[str], level: float = 0.95, resamples: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """The bootstrap interval of BAUS: low, high; NaN where BAUS is."""
    shares = _resampled(_share_right(truth, answer, known, of_known=False), resamples, np.random.default_rng(seed))
    return _interval(shares.mean(axis=1), level)


def geomean_interval(
    truth: Sequence[str], answer: Sequence[str], known: Collection[str], level: float = 0.95, resamples: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """The bootstrap interval of GeoMean: low, high; NaN where GeoMean is.

    Known and unknown individuals are drawn separately, so every resample has both.
    """
    rng = np.random.default_rng(seed)
    sides = [_resampled(_share_right(truth, answer, known, of_known), resamples, rng).mean(axis=1) for of_known in (True, False)]
    return _interval(np.sqrt(sides[0] * sides[1]), level)


def rank_k(truth: Sequence[str], ranking: Sequence[Sequence[str]], k: int, known: Collection[str]) -> float:
    """R-k: the share of queries of known individuals whose identity is among the first k different identities ranked.

    Args:
        truth: N identities of the queries.
        ranking: per query the identities of its candidates, best first; repetitions count once.
        k: 1 or more.
        known: the identities in the gallery.
    """
    return _mean(hit for hits in _found(truth, ranking, k, known).values() for hit in hits)


def rank_k_interval(
    truth: Sequence[str],
    ranking: Sequence[Sequence[str]],
    k: int,
    known: Collection[str],
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> tuple[float, float]:
    """The bootstrap interval of R-k: low, high; NaN where R-k is. Every photo counts the same, individuals are drawn."""
    found = _found(truth, ranking, k, known)
    sums = {identity: (sum(hits), len(hits)) for identity, hits in found.items()}
    drawn = _resampled(sums, resamples, np.random.default_rng(seed))
    return _interval(drawn[..., 0].sum(axis=1) / drawn[..., 1].sum(axis=1), level) if sums else (math.nan, math.nan)


def mean_average_precision(truth: Sequence[str], ranking: Sequence[Sequence[str]], known: Collection[str]) -> float:
    """mAP over the queries of known individuals: per query, the precision at each right place of its ranking, averaged over these places.

    wildlife-datasets' definition (`mean_average_precision`): a query whose individual is not ranked at all counts 0, and right photos that
    are not in the ranking are not counted as missed. Of a ranking of identities, in which each is there once, it is the mean reciprocal
    rank; of a ranking of gallery photos, in which an individual is there as often as it has photos, the usual mAP of re-identification.

    Args:
        truth: N identities of the queries.
        ranking: per query the identities of what is ranked, best first.
        known: the identities in the gallery.
    """
    known = set(known)
    return _mean(_average_precision(true, ranked) for true, ranked in zip(truth, ranking, strict=True) if true in known)


def _average_precision(true: str, ranked: Sequence[str]) -> float:
    places = [place for place, identity in enumerate(ranked, 1) if identity == true]
    return sum(count / place for count, place in enumerate(places, 1)) / len(places) if places else 0.0


def auroc(positive: ArrayLike, score: ArrayLike) -> float:
    """The chance that a positive scores higher than a negative, ties counting half (Mann-Whitney).

    Args:
        positive: bool [N], such as "the query shows a known individual".
        score: [N], any scale.

    Returns:
        In [0, 1]; NaN where all or none are positive.
    """
    positive = np.asarray(positive, bool)
    _, index, count = np.unique(np.asarray(score, np.float64), return_inverse=True, return_counts=True)
    midrank = (np.cumsum(count) - (count - 1) / 2)[index]
    positives, negatives = int(positive.sum()), int((~positive).sum())
    if not positives or not negatives:
        return math.nan
    return float((midrank[positive].sum() - positives * (positives + 1) / 2) / (positives * negatives))


@dataclass(frozen=True)
class RiskCoverage:
    """What it costs to answer more queries unattended, the surest first. One step per different confidence.

    Attributes:
        coverage: float64 [M], share of all queries that are answered, rising.
        risk: float64 [M], share of these that are answered wrongly (selective risk).
        confidence: float64 [M], the least among these, falling.
    """

    coverage: NDArray[np.float64]
    risk: NDArray[np.float64]
    confidence: NDArray[np.float64]


def risk_coverage(confidence: ArrayLike, right: ArrayLike) -> RiskCoverage:
    """The risk-coverage curve (El-Yaniv & Wiener 2010). Queries of equal confidence are answered together or not at all.

    Args:
        confidence: [N], any scale.
        right: bool [N], the answer to the query is right.
    """
    confidence, right = np.asarray(confidence, np.float64), np.asarray(right, bool)
    order = np.argsort(-confidence, kind="stable")
    wrong = np.cumsum(~right[order])
    last = np.flatnonzero(np.diff(confidence[order], append=-np.inf))  # of each run of equal confidences
    return RiskCoverage((last + 1) / max(1, len(order)), wrong[last] / (last + 1), confidence[order][last])


def coverage_at_error(confidence: ArrayLike, right: ArrayLike, error: float) -> float:
    """The largest share of queries that can be answered unattended, the surest first, with at most this share of wrong answers among them.

    It is read off the very queries that it is measured on, so it says what an ideal choice of the confidence would have given.

    Args:
        confidence, right: as for `risk_coverage`.
        error: 0..1.

    Returns:
        In [0, 1]; NaN of nothing.
    """
    curve = risk_coverage(confidence, right)
    if not len(curve.risk):
        return math.nan
    return float(curve.coverage[curve.risk <= error].max(initial=0.0))


@dataclass(frozen=True)
class Reliability:
    """Predicted against observed, for the bins that hold something.

    Attributes:
        predicted: float64 [M], mean probability.
        observed: float64 [M], share of positive outcomes.
        count: int64 [M].
        share: float64 [M], of the weight, sums to 1.
        effective: float64 [M], as how many outcomes of equal weight these count: (sum of weights)^2 / sum of squares.
    """

    predicted: NDArray[np.float64]
    observed: NDArray[np.float64]
    count: NDArray[np.int64]
    share: NDArray[np.float64]
    effective: NDArray[np.float64]


def reliability(probability: ArrayLike, outcome: ArrayLike, bins: int = 10, weight: ArrayLike | None = None) -> Reliability:
    """The reliability diagram (Guo et al. 2017, section 2): bins of equal width, each of which holds its upper edge.

    Args:
        probability: [N] in [0, 1].
        outcome: bool [N].
        bins: how many.
        weight: [N], 0 or more, how much each counts; all the same where None.
    """
    probability, outcome = np.asarray(probability, np.float64), np.asarray(outcome, np.float64)
    weight = np.ones(len(probability)) if weight is None else np.asarray(weight, np.float64)
    index = np.clip(np.ceil(probability * bins).astype(int) - 1, 0, bins - 1)
    parts = (None, weight, weight * probability, weight * outcome, weight**2)
    count, total, predicted, observed, squares = (np.bincount(index, part, bins) for part in parts)
    there = total > 0
    count, total, predicted, observed, squares = (part[there] for part in (count, total, predicted, observed, squares))
    return Reliability(predicted / total, observed / total, count, total / total.sum(), total**2 / squares)


def calibration_error(probability: ArrayLike, outcome: ArrayLike, bins: int = 10, weight: ArrayLike | None = None) -> float:
    """ECE: the gap between mean probability and share of positives per bin, averaged by bin size; arguments as for `reliability`."""
    curve = reliability(probability, outcome, bins, weight)
    return float((curve.share * np.abs(curve.predicted - curve.observed)).sum()) if len(curve.count) else math.nan


def brier(probability: ArrayLike, outcome: ArrayLike, weight: ArrayLike | None = None) -> float:
    """The mean squared difference between probability and outcome (0 or 1), weighted as in `reliability`; NaN of nothing."""
    squares = (np.asarray(probability, np.float64) - np.asarray(outcome, np.float64)) ** 2
    return (
        float(np.average(squares, weights=None if weight is None else np.asarray(weight, np.float64)))
        if len(squares)
        else math.nan
    )


def _share_right(truth: Sequence[str], answer: Sequence[str], known: Collection[str], of_known: bool) -> dict[str, float]:
    """Per known (or unknown) individual, the share of its queries that were answered rightly."""
    known = set(known)
    right: dict[str, list[bool]] = {}
    for true, answered in zip(truth, answer, strict=True):
        if (true in known) == of_known:
            right.setdefault(true, []).append(answered == (true if of_known else NEW))
    return {identity: sum(hits) / len(hits) for identity, hits in right.items()}


def _found(truth: Sequence[str], ranking: Sequence[Sequence[str]], k: int, known: Collection[str]) -> dict[str, list[float]]:
    """Per known individual, for each of its queries, 1 where it is among the first k identities."""
    known = set(known)
    found: dict[str, list[float]] = {}
    for true, ranked in zip(truth, ranking, strict=True):
        if true in known:
            found.setdefault(true, []).append(float(true in list(dict.fromkeys(ranked))[:k]))
    return found


def _resampled(by_individual: Mapping[str, Any], resamples: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """What is known of each individual, drawn with replacement: float64 [resamples, individuals, ...]; NaN of nobody."""
    values = np.array(list(by_individual.values()), np.float64)
    return values[rng.integers(len(values), size=(resamples, len(values)))] if len(values) else np.full((resamples, 1), np.nan)


def _interval(drawn: NDArray[np.float64], level: float) -> tuple[float, float]:
    """The middle `level` of the resamples."""
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return float(sum(listed) / len(listed)) if listed else math.nan
