"""All sides answer the same photos in turns, over galleries of several sizes; what that took, as figures."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from reid_edge.gallery.enrolment_list import Enrolment
from reid_edge_benchmarks.energy import EnergyMeter
from reid_edge_benchmarks.latency.agreement import compare_answers
from reid_edge_benchmarks.latency.contestant import Ask, Contestant, Reply, cold_seconds
from reid_edge_benchmarks.latency.galleries import MeasuredGallery
from reid_edge_benchmarks.latency.statistics import Spread, ratio_of_medians
from reid_edge_calibration.progress import Progress

Figures = dict[str, Any]

RUNTIME, TORCH, WILDFUSION = "runtime", "torch", "wildfusion"
WHOLE = "whole"
DATABASE_FEATURES = "features of the database"  # the stage of the common pipeline that its caller could keep
# Photos that all answer first, uncounted: networks load, memory is taken, caches fill.
_WARM_UP = 2


@dataclass(frozen=True)
class Plan:
    """What is measured.

    Attributes:
        pack, device, threads: as on the command line.
        queries: photos to ask about; each is asked for in each round, and the first are asked for together in batches.
        rounds: how often each photo is answered.
        against: torch, wildfusion or both.
        against_up_to: the largest gallery that these are measured on; the common pipeline reads all its photos for every call.
        wildfusion_calls: how many photos it answers, each in a call of its own; the other sides answer them too.
        batches: how many photos are asked for in one call.
        batch_gallery: over the gallery of this size.
        cold: starts of each side per gallery, counted after one that is not, so that files are in the system's cache for all.
    """

    pack: str
    device: str
    threads: int | None
    queries: tuple[Enrolment, ...]
    rounds: int = 2
    against: tuple[str, ...] = ()
    against_up_to: int = 1000
    wildfusion_calls: int = 5
    batches: tuple[int, ...] = (1, 8, 32)
    batch_gallery: int = 1000
    cold: int = 3


def measure_gallery(
    plan: Plan, gallery: MeasuredGallery, counting: Sequence[str], meter: EnergyMeter | None, progress: Progress
) -> Figures:
    """Measure all sides over one gallery.

    Args:
        plan: what is measured.
        gallery: described by the plan's pack.
        counting: names of the scores that count matches.
        meter: of energy.

    Returns:
        ``size`` and ``made_of`` of the gallery; by side under ``sides`` the `Spread` of ``whole`` and of every stage (milliseconds),
        every call behind them, ``cold_seconds``, ``peak_bytes`` (with ``memory`` by kind, at the end), ``cpu_share`` (of the machine's
        cores, 0..1), ``joules_per_photo`` (None without a meter), ``photos_per_second`` and ``batches``; by other side under ``ratios``
        that of the medians, under ``agreement`` what answers have in common.

    Raises:
        UsageError, EngineError: see `Contestant`.
    """
    others = [side for side in plan.against if gallery.size <= plan.against_up_to]
    asks = {
        side: Ask(side, gallery.path, plan.pack, plan.device if side == RUNTIME else "cpu", plan.threads)
        for side in (RUNTIME, *others)
    }
    # Beside PyTorch on the processor the runtime is measured on the processor too: that is what `auto` means for all.
    few = plan.queries[: plan.wildfusion_calls]
    figures: Figures = {"size": gallery.size, "made_of": gallery.made_of, "sides": {}, "ratios": {}, "agreement": {}}
    for side, ask in asks.items():
        starts = 0 if side == WILDFUSION else plan.cold
        seconds = [cold_seconds(ask, plan.queries[0]) for _ in range(starts + 1 if starts else 0)][1:]
        figures["sides"][side] = {"cold_seconds": seconds}
    with ExitStack() as stack:
        sides = {side: stack.enter_context(Contestant(ask)) for side, ask in asks.items()}
        meters = _Metered(meter)
        in_turns = [side for side in sides if side != WILDFUSION]
        replies = _in_turns(meters, {side: sides[side] for side in in_turns}, plan.queries, plan.rounds, gallery.size, progress)
        if WILDFUSION in sides:
            # Its calls take so long that the other sides answer the same few photos once more beside them.
            beside = {side: sides[side] for side in (RUNTIME, WILDFUSION)}
            slow = _in_turns(meters, beside, few, 1, gallery.size, progress, warm_up=0)
            replies[WILDFUSION] = slow[WILDFUSION]
            # Who uses that pipeline keeps the features of the database, so this is what counts.
            kept = [_without(reply, DATABASE_FEATURES) for reply in slow[WILDFUSION]]
            figures["ratios"][WILDFUSION] = {
                **_ratio(kept, slow[RUNTIME], len(few)),
                "as_published": _ratio(slow[WILDFUSION], slow[RUNTIME], len(few)),
            }
            figures["agreement"][WILDFUSION] = _agreement(slow[RUNTIME], slow[WILDFUSION], len(few), counting)
        for side, contestant in sides.items():
            figures["sides"][side] |= _side_figures(replies[side], contestant)
            if gallery.size == plan.batch_gallery:
                batches = plan.batches if side != WILDFUSION else [each for each in plan.batches if 1 < each <= 8]
                figures["sides"][side]["batches"] = [_batch(meters, contestant, plan.queries, count) for count in batches]
            last = meters.ask(contestant, plan.queries[:1]) if side != WILDFUSION else replies[side][-1]
            figures["sides"][side] |= {"peak_bytes": last.peak_bytes, "memory": last.memory}
    if TORCH in asks:
        figures["ratios"][TORCH] = _ratios(replies[TORCH], replies[RUNTIME], len(plan.queries))
        figures["agreement"][TORCH] = _agreement(replies[RUNTIME], replies[TORCH], len(plan.queries), counting)
    return figures


class _Metered:
    """Asks, and reads the meter before and after."""

    def __init__(self, meter: EnergyMeter | None) -> None:
        self._meter = meter

    def ask(self, contestant: Contestant, photos: Sequence[Enrolment]) -> Reply:
        if not self._meter:
            return contestant.ask(photos)
        before = self._meter.joules()
        reply = contestant.ask(photos)
        return replace(reply, joules=self._meter.joules() - before)


def _in_turns(
    meters: _Metered,
    sides: Mapping[str, Contestant],
    photos: Sequence[Enrolment],
    rounds: int,
    size: int,
    progress: Progress,
    warm_up: int = _WARM_UP,
) -> dict[str, list[Reply]]:
    """By side its replies, photo by photo and round by round; who is first changes with every photo, so that whatever else the machine
    does falls on all.
    """
    for photo in photos[:warm_up]:
        for contestant in sides.values():
            contestant.ask([photo])
    replies: dict[str, list[Reply]] = {side: [] for side in sides}
    names = list(sides)
    for turn, photo in enumerate(progress([*photos] * rounds, f"Gallery of {size}, {' and '.join(names)}")):
        first = turn % len(names)
        for side in (*names[first:], *names[:first]):
            replies[side].append(meters.ask(sides[side], [photo]))
    return replies


def _side_figures(replies: Sequence[Reply], contestant: Contestant) -> Figures:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    stages = list(dict.fromkeys(stage for reply in replies for stage in reply.stages))
    whole = [reply.seconds * 1e3 for reply in replies]
    joules = [reply.joules for reply in replies if reply.joules is not None]
    return {
        **contestant.facts,
        "stages": {stage: asdict(Spread.of([reply.stages.get(stage, 0.0) for reply in replies])) for stage in stages},
        WHOLE: asdict(Spread.of(whole)),
        "photos_per_second": 1e3 / float(np.median(whole)),
        "cpu_share": sum(reply.cpu_seconds for reply in replies) / sum(reply.seconds for reply in replies) / cores,
        "joules_per_photo": float(np.median(joules)) if joules else None,
        "each": [
            {WHOLE: round(ms, 3), **{k: round(v, 3) for k, v in r.stages.items()}} for ms, r in zip(whole, replies, strict=True)
        ],
    }


def _batch(meters: _Metered, contestant: Contestant, photos: Sequence[Enrolment], count: int) -> Figures:
    chosen = [photos[place % len(photos)] for place in range(count)]
    reply = meters.ask(contestant, chosen)
    return {"photos": count, "seconds": reply.seconds, "photos_per_second": count / reply.seconds, "joules": reply.joules}


def _ratios(theirs: Sequence[Reply], ours: Sequence[Reply], photos: int) -> Figures:
    """Of the whole, and of every stage that both always have."""
    stages = [stage for stage in ours[0].stages if all(reply.stages.get(stage, 0.0) > 0 for reply in (*ours, *theirs))]
    return {**_ratio(theirs, ours, photos), "stages": {stage: _ratio(theirs, ours, photos, stage) for stage in stages}}


def _ratio(theirs: Sequence[Reply], ours: Sequence[Reply], photos: int, stage: str | None = None) -> Figures:
    """Of the photos' medians over the rounds: rounds of one photo are not two photos."""

    def by_photo(replies: Sequence[Reply]) -> list[float]:
        seconds = [reply.stages[stage] if stage else reply.seconds for reply in replies]
        return [float(np.median(seconds[photo::photos])) for photo in range(photos)]

    return ratio_of_medians(by_photo(theirs), by_photo(ours)).as_json()


def _without(reply: Reply, stage: str) -> Reply:
    """The reply, had this stage taken no time."""
    return replace(reply, seconds=reply.seconds - reply.stages.get(stage, 0.0) / 1e3)


def _agreement(ours: Sequence[Reply], theirs: Sequence[Reply], photos: int, counting: Sequence[str]) -> Figures:
    """Of the first round: later ones give the same answers."""
    mine, its = ([reply.answers for reply in side[:photos]] for side in (ours, theirs))
    return asdict(compare_answers(mine, its, counting))


def evenly(rows: Sequence[Enrolment], count: int) -> tuple[Enrolment, ...]:
    """So many of them, taken evenly; all where there are fewer."""
    return tuple(rows[int(place)] for place in np.linspace(0, len(rows) - 1, min(count, len(rows))).round())
