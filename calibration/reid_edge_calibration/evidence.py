"""How clearly the best identity stands out: which of its fused score and its leads tell right from wrong, and by how much."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from reid_edge.calibration.evidence import Evidence, log_odds

PRIOR = 3.0
"""Standard deviation of a weight about 0, for a feature of standard deviation 1."""
# What the function may look at: the fused score, the leads.
_USES = {"the fused score and its leads": (True, True), "its leads": (False, True), "the fused score": (True, False)}


@dataclass(frozen=True)
class FittedEvidence:
    """The function, and what it is worth.

    Attributes:
        evidence: fitted on all trials.
        score: float64 [T], of each trial, by a function that saw no trial of its fold.
        uses: in words, what the function looks at.
    """

    evidence: Evidence
    score: NDArray[np.float64]
    uses: str


def fit_evidence(
    names: tuple[str, ...],
    fused: NDArray[np.float64],
    leads: NDArray[np.float64],
    right: NDArray[np.bool_],
    weight: NDArray[np.float64],
    fold: NDArray[np.int64],
) -> FittedEvidence:
    """Choose what to look at by cross-validated log-loss, then fit it on all trials.

    Penalised logistic regression with weights of 0 or more. In a species that the calibration has seen, the fused score says most. Its
    scale is that species' own, though: where the folds are species, the leads alone often do better.

    Args:
        names: S score names.
        fused: float64 [T], fused score of the best identity, calibrated without the fold of its trial.
        leads: float64 [T, S], see `reid_edge.calibration.evidence.leads`.
        right: bool [T], the best identity is right.
        weight: float64 [T], of each trial.
        fold: int [T].
    """
    features = np.column_stack((log_odds(fused), leads))
    tried = []
    for uses, (with_fused, with_leads) in _USES.items():
        columns = np.array([with_fused, *[with_leads] * len(names)])
        score = np.empty(len(right))
        for held in np.unique(fold):
            train = fold != held if (fold != held).any() else fold == held
            score[fold == held] = expit(
                _logit(features[fold == held], _fit(features[train], right[train], weight[train], columns))
            )
        loss = -(weight * np.log(np.clip(np.where(right, score, 1 - score), 1e-6, None))).sum()
        tried.append((loss, uses, columns, score))
    _, uses, columns, score = min(tried, key=lambda each: each[0])
    bias, with_fused, *with_leads = _fit(features, right, weight, columns)
    evidence = Evidence(float(bias), float(with_fused), dict(zip(names, map(float, with_leads), strict=True)))
    return FittedEvidence(evidence, score, uses)


def _logit(features: NDArray[np.float64], parameters: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(parameters[0] + features @ parameters[1:])


def _fit(
    features: NDArray[np.float64], right: NDArray[np.bool_], weight: NDArray[np.float64], columns: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Bias and weights, float64 [1 + F]; 0 for features that are not among `columns`, bool [F]."""
    spread = features.std(axis=0)
    used = columns & (spread > 0)
    scaled = np.column_stack((np.ones(len(features)), features[:, used] / spread[used]))
    share = weight / weight.sum() * len(weight)

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        logit, pull = scaled @ parameters, np.concatenate(([0.0], parameters[1:])) / PRIOR
        value = (share * (np.logaddexp(0, logit) - right * logit)).sum() + pull @ pull / 2
        return float(value), scaled.T @ (share * (expit(logit) - right)) + pull / PRIOR

    bounds = [(None, None), *[(0, None)] * int(used.sum())]
    found = minimize(loss, np.zeros(scaled.shape[1]), jac=True, method="L-BFGS-B", bounds=bounds).x
    parameters = np.zeros(1 + features.shape[1])
    parameters[0], parameters[1:][used] = found[0], found[1:] / spread[used]
    return parameters
