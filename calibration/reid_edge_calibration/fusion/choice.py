"""Which fusion: the mean of the calibrated scores, unless another is better by more than chance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reid_edge.decide.calibration import Fusion, WeightedMean
from reid_edge_calibration.fusion.network import fit_network
from reid_edge_calibration.fusion.powell import WeightSearch, fit_weights
from reid_edge_calibration.fusion.stacking import fit_stacking
from reid_edge_calibration.judging import gain, geomean_of, held_out_answers
from reid_edge_calibration.trials import Pairs, TrialPlan, Trials

FitFusion = Callable[[Sequence[str], Pairs, TrialPlan, NDArray[np.float64], NDArray[np.bool_], int], Fusion]
TrialsOf = Callable[[NDArray[np.float64]], Trials]
FITS: dict[str, FitFusion] = {"weights": fit_weights, "stacking": fit_stacking, "network": fit_network}


@dataclass(frozen=True)
class ChosenFusion:
    """What was chosen, and what the others were worth.

    Attributes:
        kind: "mean" or a key of FITS.
        fusion: fitted on all pairs.
        fused: float64 [2, P], by fusions that saw no query of the pair's fold.
        tried: by kind, the GeoMean of held-out trials and the standard error of its difference from that of the mean.
        search: how a recipe's open weights were found; None where it has none.
    """

    kind: str
    fusion: Fusion
    fused: NDArray[np.float64]
    tried: dict[str, tuple[float, float]]
    search: WeightSearch | None = None


def choose_fusion(
    names: Sequence[str],
    pairs: Pairs,
    filled: NDArray[np.float64],
    fold: NDArray[np.int64],
    answer: TrialsOf,
    seed: int = 0,
    only_mean: bool = False,
) -> ChosenFusion:
    """Equal weights; or weights by Powell's method on GeoMean, logistic stacking or a small network, where one wins under nested
    cross-validation.

    In each fold, a fusion is fitted on the other individuals. What counts is what becomes of it: evidence and threshold, fitted on other
    folds as well. The best one is kept when its GeoMean over all folds beats that of the mean by more than two standard errors of the
    difference, taken from bootstrap resamples of individuals. (Judged by its own threshold alone, without the evidence that follows, a
    fusion won that only scaled species alike; species that no fit had seen then lost 0.01 to 0.04 of GeoMean, on the calibrate folds.)

    Args:
        names: S score names.
        pairs: the labelled pairs.
        filled: float64 [2, P, S] calibrated scores, fitted without the individual they are about; see Pairs.fuse.
        fold: int, the fold of each individual, by its number.
        answer: from fused scores to trials with cross-fitted evidence.
        seed: of the starts and the resamples.
        only_mean: try nothing else.
    """
    mean = WeightedMean(dict.fromkeys(names, 1 / len(names)))
    fused = pairs.fuse(filled, mean)
    trials = answer(fused)
    mean_right = held_out_answers(trials, fold[trials.individual])
    tried = {"mean": (geomean_of(trials, mean_right), 0.0)}
    chosen, most = ChosenFusion("mean", mean, fused, tried), 0.0
    if len(names) == 1 or only_mean:
        return chosen
    plan, everybody = TrialPlan(pairs), np.ones(len(fold), bool)
    for kind, fit in FITS.items():
        held_out = _held_out(fit, names, pairs, plan, filled, fold, seed)
        answered = answer(held_out)
        right = held_out_answers(answered, fold[answered.individual])
        difference = gain(trials, right, mean_right, seed)
        tried[kind] = (geomean_of(answered, right), difference.error)
        if difference.convinces and difference.value > most:
            chosen, most = ChosenFusion(kind, fit(names, pairs, plan, filled, everybody, seed), held_out, tried), difference.value
    return chosen


def _held_out(
    fit: FitFusion,
    names: Sequence[str],
    pairs: Pairs,
    plan: TrialPlan,
    filled: NDArray[np.float64],
    fold: NDArray[np.int64],
    seed: int,
) -> NDArray[np.float64]:
    """Fused scores [2, P] by fusions that saw no query of the pair's fold; where there is one fold only, by the one that saw it."""
    pair_fold, fused = fold[pairs.individual[pairs.query]], np.empty(filled.shape[:2])
    for held in np.unique(pair_fold):
        others = fold != held if (fold != held).any() else fold == held
        test = pair_fold == held
        fused[:, test] = pairs.fuse(filled, fit(names, pairs, plan, filled, others, seed))[:, test]
    return fused
