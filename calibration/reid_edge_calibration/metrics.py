"""How good are the answers: BAKS, BAUS, GeoMean, R-k, AUROC, calibration error and Brier score.

Answers are identities as strings, or `new_individual` for an animal held to be unknown. BAKS, BAUS and GeoMean are those of
AnimalCLEF 2025 as the winner of that year states them (section 3.1 of that account) and as wildlife-datasets computes them.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike

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


def geomean_interval(
    truth: Sequence[str], answer: Sequence[str], known: Collection[str], level: float = 0.95, resamples: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """A percentile bootstrap interval of GeoMean over individuals, because photos of one individual are not independent.

    Known and unknown individuals are drawn separately, so every resample has both.

    Returns:
        low, high; NaN where GeoMean is.
    """
    rng = np.random.default_rng(seed)
    means = []
    for of_known in (True, False):
        share = np.array(list(_share_right(truth, answer, known, of_known).values()))
        if not len(share):
            return math.nan, math.nan
        means.append(share[rng.integers(len(share), size=(resamples, len(share)))].mean(axis=1))
    low, high = np.quantile(np.sqrt(means[0] * means[1]), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def rank_k(truth: Sequence[str], ranking: Sequence[Sequence[str]], k: int, known: Collection[str]) -> float:
    """R-k: the share of queries of known individuals whose identity is among the first k different identities ranked.

    Args:
        truth: N identities of the queries.
        ranking: per query the identities of its candidates, best first; repetitions count once.
        k: 1 or more.
        known: the identities in the gallery.
    """
    return _mean(
        float(true in list(dict.fromkeys(ranked))[:k]) for true, ranked in zip(truth, ranking, strict=True) if true in known
    )


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


def calibration_error(probability: ArrayLike, outcome: ArrayLike, bins: int = 10) -> float:
    """ECE: the gap between mean probability and share of positive outcomes per bin of equal width, averaged by bin size.

    Args:
        probability: [N] in [0, 1].
        outcome: bool [N].
        bins: how many; each holds its upper edge (Guo et al. 2017, section 2).
    """
    probability, outcome = np.asarray(probability, np.float64), np.asarray(outcome, np.float64)
    index = np.clip(np.ceil(probability * bins).astype(int) - 1, 0, bins - 1)
    gap = np.bincount(index, probability - outcome, bins)
    return float(np.abs(gap).sum() / len(probability)) if len(probability) else math.nan


def brier(probability: ArrayLike, outcome: ArrayLike) -> float:
    """The mean squared difference between probability and outcome (0 or 1); NaN of nothing."""
    return _mean((np.asarray(probability, np.float64) - np.asarray(outcome, np.float64)) ** 2)


def _share_right(truth: Sequence[str], answer: Sequence[str], known: Collection[str], of_known: bool) -> dict[str, float]:
    """Per known (or unknown) individual, the share of its queries that were answered rightly."""
    known = set(known)
    right: dict[str, list[bool]] = {}
    for true, answered in zip(truth, answer, strict=True):
        if (true in known) == of_known:
            right.setdefault(true, []).append(answered == (true if of_known else NEW))
    return {identity: sum(hits) / len(hits) for identity, hits in right.items()}


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return float(sum(listed) / len(listed)) if listed else math.nan
