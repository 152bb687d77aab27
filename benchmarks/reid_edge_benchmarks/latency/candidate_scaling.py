"""What a photo costs as its shortlist grows, and how many pairs a second LightGlue matches, beside PyTorch."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from reid_edge.compare.matching.pair_scores import match_pairs
from reid_edge.describe.query import Query
from reid_edge.gallery import Sighting
from reid_edge.gallery.enrolment_list import Enrolment
from reid_edge.identify.session import Session
from reid_edge.recipe import Recipe
from reid_edge_benchmarks.latency.statistics import LEAST_PAIRS, Spread, ratio_of_medians
from reid_edge_calibration.progress import Progress

if TYPE_CHECKING:
    from reid_edge_benchmarks.latency.torch_reference import TorchReference

_PAIRS = 8  # matched in one call


def measure_candidates(
    session: Session, queries: Sequence[Enrolment], shortlists: Sequence[int], rounds: int, progress: Progress
) -> list[dict[str, Any]]:
    """Answer the photos with shortlists of several lengths, in turns.

    Args:
        session: a gallery with at least as many photos, or individuals where the recipe counts these, as the longest shortlist.
        queries: photos to ask about.
        shortlists: lengths.
        rounds: how often each photo is answered with each.

    Returns:
        By length, first as the recipe prunes it and then with every matcher on all candidates (``all``): ``whole`` and ``stages``, each a
        `Spread` in milliseconds.
    """
    recipe = session.identifier.recipe
    variants = [(length, whole, _with_shortlist(recipe, length, whole)) for length in shortlists for whole in (False, True)]
    found: dict[tuple[int, bool], list[dict[str, float]]] = {(length, whole): [] for length, whole, _ in variants}
    try:
        for query in progress([queries[0], *queries] * rounds, "Shortlists"):
            for length, whole, variant in variants:
                session.identifier.recipe = variant
                start = time.perf_counter()
                decisions = session.identify(query.path, Query(query.species, query.viewpoint))
                milliseconds = (time.perf_counter() - start) * 1e3
                found[length, whole].append({**decisions[0].timings_ms, "whole": milliseconds})
    finally:
        session.identifier.recipe = recipe
    rows = []
    for (length, whole), photos in found.items():
        counted = photos[1:]  # the first photo of all is for warming up
        stages = list(dict.fromkeys(stage for photo in counted for stage in photo if stage != "whole"))
        rows.append(
            {
                "candidates": length,
                "all": whole,
                "whole": asdict(Spread.of([photo["whole"] for photo in counted])),
                "stages": {stage: asdict(Spread.of([photo.get(stage, 0.0) for photo in counted])) for stage in stages},
            }
        )
    return rows


def measure_pairs(session: Session, reference: TorchReference | None, rounds: int) -> dict[str, Any]:
    """Pairs a second of every LightGlue of the recipe, on enrolled photos of the gallery, and PyTorch's beside it in turns.

    Args:
        session: the gallery.
        reference: PyTorch; None to leave it out.
        rounds: how often the same pairs are matched, but as often at least as a ratio takes; who is first changes with every round.

    Returns:
        By matcher ``pairs_per_second``, and with a reference ``torch`` and the ``ratio`` of PyTorch's time to the runtime's.
    """
    identifier, candidates = session.identifier, session.candidates
    sightings: list[Sighting] = session.gallery.sightings()[: _PAIRS + 1]
    ids = np.array([sighting.id for sighting in sightings], np.int64)
    found: dict[str, Any] = {}
    for match in identifier.recipe.match:
        if match.matcher != "lightglue":
            continue
        query, *others = (each.first(match.points or len(each)) for each in candidates.keypoints(match.keypoints, ids))
        ours: list[float] = []
        theirs: list[float] = []
        sides: list[tuple[list[float], Callable[[], object]]] = [
            (ours, partial(match_pairs, match, query, others, identifier.recipe, identifier.networks))
        ]
        if reference:
            sides.append((theirs, partial(reference.match, match, query, others)))
        for turn in range(max(rounds, LEAST_PAIRS) + 1):
            for seconds, run in sides if turn % 2 else reversed(sides):
                start = time.perf_counter()
                run()
                if turn:  # the first is for warming up
                    seconds.append(time.perf_counter() - start)
        found[match.name] = {"pairs_per_second": len(others) / float(np.median(ours))}
        if reference:
            ratio = ratio_of_medians(theirs, ours).as_json()
            found[match.name] |= {"torch": len(others) / float(np.median(theirs)), "ratio": ratio}
    return found


def _with_shortlist(recipe: Recipe, length: int, whole: bool) -> Recipe:
    matches = tuple(replace(match, best=0, photos=0, order="", in_doubt=False) if whole else match for match in recipe.match)
    early_exit = None if whole else recipe.early_exit
    return replace(recipe, retrieve=replace(recipe.retrieve, candidates=length), match=matches, early_exit=early_exit)
