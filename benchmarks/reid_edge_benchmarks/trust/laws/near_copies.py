"""More photos of one individual, near-copies of those that are there, make no stranger that individual."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from reid_edge.compare.comparison import Comparison
from reid_edge_benchmarks.trust.asking import AskedQuery
from reid_edge_benchmarks.trust.counting import Measure, Observation
from reid_edge_benchmarks.trust.laws.law import Law

_PHOTOS = 2
"""Of each individual in the gallery that the copies join."""


def _observe(asked: AskedQuery) -> Iterator[Observation]:
    catalogue, few = asked.catalogue, asked.catalogue.few_photos(_PHOTOS)
    if asked.truth == catalogue.copied:
        return
    without = {sighting: name for sighting, name in few.items() if name != asked.truth}
    before = asked.answer(catalogue.whole.showing(without))
    after = asked.answer(catalogue.with_copies.showing({**without, **catalogue.copies}))
    who = "left out" if asked.is_known else "strangers"
    yield Observation(f"{who} before", before.verdict == "known")
    yield Observation(f"{who} after", after.verdict == "known")
    yield Observation(f"{who} became known", after.verdict == "known" and before.verdict != "known")
    compared = asked.compare(catalogue.whole.showing(few))
    with_copies = asked.compare(catalogue.with_copies.showing({**few, **catalogue.copies}))
    yield Observation("pushed out", pushed_out(compared, with_copies, catalogue.copied))


def pushed_out(before: Comparison, after: Comparison, copied: str) -> bool:
    """Whether photos of one individual took the place of more than one other individual in a stage; its own place is one."""
    for earlier, later in zip(_looked_at(before), _looked_at(after), strict=True):
        own_place = copied in later and copied not in earlier
        if len(earlier - {copied}) - len(later - {copied}) > own_place:
            return True
    return False


def _looked_at(comparison: Comparison) -> list[set[str]]:
    """Per score, the individuals that have it."""
    computed = ~np.isnan(comparison.raw)
    return [{comparison.owners[row] for row in np.flatnonzero(column)} for column in computed.T]


LAW = Law(
    "near-copies",
    "More photos of an individual never make a stranger that individual.",
    f"The gallery holds {_PHOTOS} photos of each individual; near-copies of photos of the one with the most photos join them. Strangers "
    "are also made of known animals, whose own individual is left out.",
    (
        Measure("strangers before", "strangers answered known before the copies"),
        Measure("strangers after", "strangers answered known after the copies", beside="strangers before"),
        Measure("strangers became known", "strangers that became known by the copies"),
        Measure("left out before", "left-out animals answered known before the copies"),
        Measure("left out after", "left-out animals answered known after the copies", beside="left out before"),
        Measure("left out became known", "left-out animals that became known by the copies"),
        Measure("pushed out", "queries for which the copies pushed another individual out of a stage", allowed=0.0),
    ),
    _observe,
)
