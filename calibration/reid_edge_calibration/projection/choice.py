"""Whether a projection helps animals that it was not fitted on: nested cross-validation over individuals.

Outside, individuals are held out whole, a third at a time and three times over; all photos of the others are fitted on; and the held-out
individuals are told apart among themselves, with the projection and without. (Against the fitted individuals it would be too easy: a fit
moves those away from everybody else.) Inside, on the individuals that are fitted on, the same thing chooses the decay and the number of
iterations, no change being one of the choices; so the figures hold for the whole procedure and not for its luckiest setting.

It is kept where the gain of the mean average precision is more than one standard error, bootstrapped over individuals, and where neither a
labelled set on its own nor the nearest photo is worse by more than two: these are several figures, of which one is low by chance.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from reid_edge_calibration.progress import Progress
from reid_edge_calibration.projection.fit import Projection, fit_projection
from reid_edge_calibration.projection.retrieval import RetrievalScores, find_again
from reid_edge_calibration.projection.vectors import LabelledVectors

DECAYS = (1.0, 0.1, 0.01)
STEPS = (5, 15, 40)
FEWEST_INDIVIDUALS = 6
"""Two for each third that is held out, because one alone has no other individual to be confused with."""
_PARTS = 3
_TIMES_OVER = 3
_MANY_INDIVIDUALS = 100  # from here on once over is as steady as three times
_BOOTSTRAPS = 2000

Setting = tuple[float, int]
"""Decay and number of iterations."""


@dataclass(frozen=True)
class ProjectionGain:
    """Of held-out individuals: means over individuals without and with the projection, 0..1, and the paired difference.

    Attributes:
        individuals: how many were asked for.
        map_before, map_after: mean average precision.
        map_gain, map_error: the mean difference, and its standard error.
        first_before, first_after, first_gain, first_error: the same of how often the nearest photo is the individual's (R-1).
    """

    individuals: int
    map_before: float
    map_after: float
    map_gain: float
    map_error: float
    first_before: float
    first_after: float
    first_gain: float
    first_error: float

    @property
    def harms(self) -> bool:
        """Whether it makes either worse by more than twice the error."""
        return self.map_gain < -2 * self.map_error or self.first_gain < -2 * self.first_error


@dataclass(frozen=True)
class ProjectionChoice:
    """What cross-validation says.

    Attributes:
        projection: fitted on all photos with the chosen setting; None where it is not kept.
        setting: decay and number of iterations that all photos choose; None for no change.
        gain: over all groups, None where it could not be measured.
        by_group: the same for each group that could be measured.
        reason: one sentence.
    """

    projection: Projection | None
    setting: Setting | None
    gain: ProjectionGain | None
    by_group: dict[int, ProjectionGain]
    reason: str

    def figures(self) -> dict[str, Any]:
        """Plain data, without the groups."""
        decay, iterations = self.setting or (None, 0)
        return {
            "kept": self.projection is not None,
            "reason": self.reason,
            "decay": decay,
            "iterations": iterations,
            **({} if self.gain is None else asdict(self.gain)),
        }


def choose_projection(photos: LabelledVectors, progress: Progress, seed: int = 0) -> ProjectionChoice:
    """Fit, cross-validate and decide.

    Args:
        photos: of one embedding. Groups with fewer than `FEWEST_INDIVIDUALS` telling individuals take no part.
        progress: wraps a list and a word for it; asked for the next item every few seconds at most.
        seed: of the parts and the bootstrap; the order of the photos has no effect.
    """
    with threadpool_limits(1, "blas"):  # products of such small matrices only wait for one another on several threads
        return _choose(photos, progress, seed)


def _choose(photos: LabelledVectors, progress: Progress, seed: int) -> ProjectionChoice:
    groups = [group for group in np.unique(photos.group) if len(_telling_of(photos, group)) >= FEWEST_INDIVIDUALS]
    taking_part = photos.part(np.isin(photos.group, groups))
    if not groups:
        most = max((len(_telling_of(photos, group)) for group in np.unique(photos.group)), default=0)
        return ProjectionChoice(None, None, None, {}, _too_few(most))
    times = _TIMES_OVER if len(taking_part.telling) < _MANY_INDIVIDUALS else 1
    splits = list(_splits(taking_part, _PARTS, times, seed))
    without: list[dict[int, RetrievalScores]] = []
    with_it: list[dict[int, RetrievalScores]] = []
    for number, held_out in enumerate(progress(splits, "Cross-validating a projection")):
        rest, asked = taking_part.part(~held_out), taking_part.part(held_out)
        setting = _choose_setting(rest, seed + 1 + number)
        without.append(dict(find_again(asked)))
        with_it.append(dict(find_again(_with_setting(rest, asked, setting))) if setting else without[-1])
    if not any(without):
        return ProjectionChoice(None, None, None, {}, "No individual has a photo that could be taken for another individual's.")
    gain, by_group = _gains(taking_part, without, with_it, seed)
    setting = _choose_setting(taking_part, seed)
    reason = _reason_against(gain, by_group, setting)
    if reason or setting is None:
        return ProjectionChoice(None, setting, gain, by_group, reason)
    projection = fit_projection(taking_part, setting[0], [setting[1]])[setting[1]]
    return ProjectionChoice(
        projection,
        setting,
        gain,
        by_group,
        f"Held-out individuals are found again with a mean average precision of {gain.map_after:.3f} instead of "
        f"{gain.map_before:.3f}, a gain of {gain.map_gain:.3f} ± {gain.map_error:.3f}.",
    )


def _choose_setting(photos: LabelledVectors, seed: int) -> Setting | None:
    """The setting with the best mean average precision of held-out individuals, None where no change is as good."""
    parts = max(2, min(_PARTS, min(len(_telling_of(photos, group)) for group in np.unique(photos.group)) // 2))
    scores: dict[Setting | None, list[float]] = {}
    for held_out in _splits(photos, parts, 1, seed):
        rest, asked = photos.part(~held_out), photos.part(held_out)
        scores.setdefault(None, []).extend(found.average_precision for found in _in_order(asked))
        for decay in DECAYS:
            for step, projection in fit_projection(rest, decay, STEPS).items():
                projected = asked.projected(projection.apply(asked.vectors))
                scores.setdefault((decay, step), []).extend(found.average_precision for found in _in_order(projected))
    return max(scores, key=lambda setting: float(np.mean(scores[setting])) if scores[setting] else 0.0)


def _in_order(photos: LabelledVectors) -> list[RetrievalScores]:
    found = find_again(photos)
    return [found[individual] for individual in sorted(found)]


def _with_setting(rest: LabelledVectors, asked: LabelledVectors, setting: Setting) -> LabelledVectors:
    decay, step = setting
    return asked.projected(fit_projection(rest, decay, [step])[step].apply(asked.vectors))


def _splits(photos: LabelledVectors, parts: int, times: int, seed: int) -> Iterator[NDArray[np.bool_]]:
    """bool [N], the photos that are held out; every group's telling individuals are spread over the parts, then the others."""
    telling = photos.telling
    random = np.random.default_rng(seed)
    for _ in range(times):
        part_of: dict[int, int] = {}
        for group in np.unique(photos.group):
            there = np.unique(photos.individual[photos.group == group])
            order = random.permutation(there)
            for number, individual in enumerate(sorted(order, key=lambda one: one not in telling)):  # stable: both stay shuffled
                part_of[int(individual)] = number % parts
        for part in range(parts):
            yield np.array([part_of[int(individual)] == part for individual in photos.individual], bool)


def _gains(
    photos: LabelledVectors, without: list[dict[int, RetrievalScores]], with_it: list[dict[int, RetrievalScores]], seed: int
) -> tuple[ProjectionGain, dict[int, ProjectionGain]]:
    """Over all individuals that were asked for, each with its mean over the times that it was held out, and by group."""
    pairs: dict[int, list[tuple[float, ...]]] = {}
    for before, after in zip(without, with_it, strict=True):
        for individual, found in before.items():
            row = (found.average_precision, after[individual].average_precision, found.first, after[individual].first)
            pairs.setdefault(individual, []).append(row)
    individuals = sorted(pairs)
    figures = np.array([np.mean(pairs[individual], axis=0) for individual in individuals])
    group_of = dict(zip(map(int, photos.individual), map(int, photos.group), strict=True))
    groups = np.array([group_of[individual] for individual in individuals])
    return _gain(figures, seed), {int(group): _gain(figures[groups == group], seed) for group in np.unique(groups)}


def _gain(figures: NDArray[np.float64], seed: int) -> ProjectionGain:
    differences = figures[:, [1, 3]] - figures[:, [0, 2]]
    drawn = np.random.default_rng(seed).integers(0, len(figures), (_BOOTSTRAPS, len(figures)))
    errors = differences[drawn].mean(axis=1).std(axis=0)
    before_map, after_map, before_first, after_first = figures.mean(axis=0)
    gains = differences.mean(axis=0)
    values = (before_map, after_map, gains[0], errors[0], before_first, after_first, gains[1], errors[1])
    return ProjectionGain(len(figures), *map(float, values))


def _reason_against(gain: ProjectionGain, by_group: dict[int, ProjectionGain], setting: Setting | None) -> str:
    measured = f"the gain is {gain.map_gain:+.3f} ± {gain.map_error:.3f} in mean average precision"
    if gain.map_gain <= gain.map_error:
        return f"It does not help held-out individuals by more than the error: {measured}."
    if setting is None:
        return f"With all photos together no change is as good as any, though {measured} where individuals are held out."
    if gain.harms:
        return f"It makes the nearest photo worse: {gain.first_gain:+.3f} ± {gain.first_error:.3f} in R-1, while {measured}."
    if any(one.harms for one in by_group.values()):
        return f"It makes one of the labelled sets worse by more than twice the error, while over all {measured}."
    return ""


def _telling_of(photos: LabelledVectors, group: int) -> NDArray[np.int64]:
    return photos.part(photos.group == group).telling


def _too_few(there: int) -> str:
    return (
        f"Too few individuals to measure whether a projection helps: {FEWEST_INDIVIDUALS} of a labelled set must have photos of one side "
        f"from two encounters, and {there} have."
    )
