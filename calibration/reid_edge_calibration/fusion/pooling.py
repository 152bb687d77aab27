"""How the photos of one individual count together: the best one alone, unless a soft count of all is better by more than chance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reid_edge.decide.calibration import Pooling
from reid_edge_calibration.judging import gain, geomean_of, held_out_answers
from reid_edge_calibration.trials import BEST_PHOTO, Trials

SHARPNESS = (4.0, 2.0, 1.0)


@dataclass(frozen=True)
class ChosenPooling:
    """What was chosen, and by name, GeoMean of held-out trials and the standard error of its difference from that of the best photo."""

    name: str
    pooling: Pooling
    tried: dict[str, tuple[float, float]]


def choose_pooling(
    fold: NDArray[np.int64], answer: Callable[[Pooling], Trials], seed: int = 0, only_best: bool = False
) -> ChosenPooling:
    """Judge soft counts of some sharpness against the best photo alone.

    Args:
        fold: int, the fold of each individual, by its number.
        answer: from pooling to trials with cross-fitted evidence.
        seed: of the resamples.
        only_best: try nothing else.
    """
    trials = answer(BEST_PHOTO)
    right = held_out_answers(trials, fold[trials.individual])
    tried = {"best photo": (geomean_of(trials, right), 0.0)}
    chosen, most = ChosenPooling("best photo", BEST_PHOTO, tried), 0.0
    for sharpness in () if only_best else SHARPNESS:
        pooled = answer(Pooling(sharpness))
        answers = held_out_answers(pooled, fold[pooled.individual])
        difference = gain(trials, answers, right, seed)
        name = f"soft count, sharpness {sharpness:g}"
        tried[name] = (geomean_of(pooled, answers), difference.error)
        if difference.convinces and difference.value > most:
            chosen, most = ChosenPooling(name, Pooling(sharpness), tried), difference.value
    return chosen
