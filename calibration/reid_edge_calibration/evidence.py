"""The evidence for the best identity: which of its features separate right answers from wrong ones, and with which weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from reid_edge.decide.calibration import Evidence, QualityTerm
from reid_edge.decide.calibration.evidence import Standing
from reid_edge.decide.calibration.fusion import log_odds
from reid_edge.describe.quality import QUALITY

PRIOR = 3.0
"""Standard deviation of a weight about 0, for a feature of standard deviation 1."""
# What the function may look at; of equally good ones the first is chosen.
_SCORES = {
    "the fused score and its leads": ("fused", "leads"),
    "its leads": ("leads",),
    "its leads and levels": ("leads", "levels"),
    "the fused score": ("fused",),
}
LEAST_SPREAD = 0.5
"""Standard deviation that logarithms of numbers have at least: labels whose galleries are all alike say nothing about others."""
_ALWAYS = ("photos", "others")  # what an uneven or small gallery does to the rest is no matter of choice
_FURTHER = {"the photo's quality": "quality"}


@dataclass(frozen=True)
class FittedEvidence:
    """The function, and what it is worth.

    Attributes:
        evidence: fitted on all trials.
        score: float64 [T], of each trial, by a function that saw no trial of its fold.
        uses: in words, what the function looks at.
        tried: by what was looked at, the mean log-loss of held-out trials and the standard error of its difference from the best of
            those without photos and quality, over individuals.
    """

    evidence: Evidence
    score: NDArray[np.float64]
    uses: str
    tried: dict[str, tuple[float, float]]


@dataclass(frozen=True)
class Seen:
    """What can be seen of the best identity of each trial.

    Attributes:
        standing: of T identities; fused scores calibrated and fused without the fold of their trial.
        quality: float64 [T, K], of the query photo.
        rivals: float64 [S], see `reid_edge.decide.calibration.Evidence`.
        absolute: bool [S], the score's level may be evidence. That of a cosine never is: on the calibrate folds its weight grew to 30 and
            misled on every species that it was not fitted on.
    """

    standing: Standing
    quality: NDArray[np.float64]
    rivals: NDArray[np.float64]
    absolute: NDArray[np.bool_]

    def features(self) -> tuple[NDArray[np.float64], NDArray[np.str_], NDArray[np.int64]]:
        """Columns, the kind of each, and the sign that its weight must have: 1 where never negative, -1 where never positive, else 0."""
        standing, scores = self.standing, self.standing.leads.shape[1]
        quality = np.clip(self.quality, *_quality_range(self.quality))
        columns = (
            log_odds(standing.fused),
            standing.leads,
            standing.levels * self.absolute,
            standing.log_photos,
            standing.log_others,
            quality,
        )
        kinds = ["fused", *["leads"] * scores, *["levels"] * scores, "photos", "others", *["quality"] * quality.shape[1]]
        sign = {"fused": 1, "leads": 1, "levels": 1, "photos": -1, "others": 0, "quality": 0}
        return np.column_stack(columns), np.array(kinds), np.array([sign[kind] for kind in kinds])


def fit_evidence(
    names: Sequence[str],
    seen: Seen,
    right: NDArray[np.bool_],
    weight: NDArray[np.float64],
    fold: NDArray[np.int64],
    individual: NDArray[np.int64],
) -> FittedEvidence:
    """Choose what to look at by cross-validated log-loss, then fit it on all trials.

    Penalised logistic regression. In a species that the calibration has seen, the fused score says most. Its scale is that species' own,
    though: where the folds are species, leads and levels alone often do better. The quality of the query is looked at only where that
    lowers the log-loss by more than the standard error of the difference.

    Args:
        names: S score names.
        seen: what can be seen.
        right: bool [T], the best identity is right.
        weight: float64 [T], of each trial.
        fold: int [T].
        individual: int [T], of each query; the error is over individuals.
    """
    features, kind, sign = seen.features()
    least = np.where(np.isin(kind, _ALWAYS), LEAST_SPREAD, 0.0)

    def held_out(kinds: tuple[str, ...]) -> NDArray[np.float64]:
        score = np.empty(len(right))
        for held in np.unique(fold):
            train = fold != held if (fold != held).any() else fold == held
            fitted = _fit(features[train], right[train], weight[train], np.isin(kind, (*kinds, *_ALWAYS)), sign, least)
            score[fold == held] = expit(fitted[0] + features[fold == held] @ fitted[1:])
        return score

    share = weight / weight.sum()

    def losses(score: NDArray[np.float64]) -> NDArray[np.float64]:
        return -share * np.log(np.clip(np.where(right, score, 1 - score), 1e-6, None))

    scores = {uses: held_out(kinds) for uses, kinds in _SCORES.items()}
    uses = min(scores, key=lambda each: losses(scores[each]).sum())
    kinds, first = _SCORES[uses], losses(scores[uses])
    tried = {each: (float(losses(score).sum()), _error(individual, losses(score) - first)) for each, score in scores.items()}
    score = scores[uses]
    for words, further in _FURTHER.items():
        if not (np.ptp(features[:, kind == further], axis=0) > 0).any():
            continue
        wider = held_out((*kinds, further))
        difference = losses(wider) - losses(score)
        tried[f"{uses}, {words}"] = (float(losses(wider).sum()), _error(individual, losses(wider) - first))
        if difference.sum() < -_error(individual, difference):
            kinds, uses, score = (*kinds, further), f"{uses}, {words}", wider
    parameters = _fit(features, right, weight, np.isin(kind, (*kinds, *_ALWAYS)), sign, least)
    return FittedEvidence(_evidence(names, parameters, kind, seen), score, uses, tried)


def fused_alone(names: Sequence[str]) -> Evidence:
    """The fused score taken at its word."""
    quality = dict.fromkeys(QUALITY, QualityTerm(0.0, 0.0, 0.0, 0.0))
    return Evidence(0.0, 1.0, dict.fromkeys(names, 0.0), 0.0, quality, dict.fromkeys(names, 0.0))


def _error(individual: NDArray[np.int64], difference: NDArray[np.float64]) -> float:
    """The standard error of a sum of differences, float64 [T], over individuals."""
    return float(np.sqrt((np.bincount(individual, difference) ** 2).sum()))


def _quality_range(quality: NDArray[np.float64]) -> NDArray[np.float64]:
    """Float64 [2, K]: nine tenths of the photos lie within."""
    return np.quantile(quality, [0.05, 0.95], axis=0)


def _evidence(names: Sequence[str], parameters: NDArray[np.float64], kind: NDArray[np.str_], seen: Seen) -> Evidence:
    bias, weights = parameters[0], {each: parameters[1:][kind == each] for each in dict.fromkeys(kind)}
    low, high = _quality_range(seen.quality)
    typical = np.clip(np.median(seen.quality, axis=0), low, high)
    terms = [QualityTerm(*map(float, each)) for each in zip(weights["quality"], typical, low, high, strict=True)]
    return Evidence(
        bias=float(bias + typical @ weights["quality"]),
        fused=float(weights["fused"][0]),
        leads=dict(zip(names, map(float, weights["leads"]), strict=True)),
        photos=float(weights["photos"][0]),
        quality=dict(zip(QUALITY, terms, strict=True)),
        rivals=dict(zip(names, map(float, seen.rivals), strict=True)),
        levels=dict(zip(names, map(float, weights["levels"]), strict=True)),
        others=float(weights["others"][0]),
    )


def _fit(
    features: NDArray[np.float64],
    right: NDArray[np.bool_],
    weight: NDArray[np.float64],
    columns: NDArray[np.bool_],
    sign: NDArray[np.int64],
    least: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Bias and weights, float64 [1 + F]; 0 for features that are not among `columns`, bool [F], of the signs in `Seen.features`; `least`
    float64 [F] is the smallest standard deviation that a feature is taken to have."""
    spread, middle = features.std(axis=0), features.mean(axis=0)
    used = columns & (spread > 1e-9)
    spread = np.maximum(spread, least)
    scaled = np.column_stack((np.ones(len(features)), (features[:, used] - middle[used]) / spread[used]))
    share = weight / weight.sum() * len(weight)

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        logit, pull = scaled @ parameters, np.concatenate(([0.0], parameters[1:])) / PRIOR
        value = (share * (np.logaddexp(0, logit) - right * logit)).sum() + pull @ pull / 2
        return float(value), scaled.T @ (share * (expit(logit) - right)) + pull / PRIOR

    bounds = [(None, None), *((0 if each > 0 else None, 0 if each < 0 else None) for each in sign[used])]
    found = minimize(loss, np.zeros(scaled.shape[1]), jac=True, method="L-BFGS-B", bounds=bounds).x
    parameters = np.zeros(1 + features.shape[1])
    parameters[1:][used] = found[1:] / spread[used]
    parameters[0] = found[0] - parameters[1:] @ middle
    return parameters
