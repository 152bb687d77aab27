"""Two names, one animal: an individual that is split in two is one of the two, or a question."""

from __future__ import annotations

from collections.abc import Iterator

from reid_edge.compare.selection import agrees
from reid_edge_benchmarks.trust.asking import AskedQuery
from reid_edge_benchmarks.trust.counting import Measure, Observation
from reid_edge_benchmarks.trust.laws.law import Law

_NUMBER = 3
_SECOND_NAME = "{} (second name)"


def _observe(asked: AskedQuery) -> Iterator[Observation]:
    view, viewpoint = asked.catalogue.whole, asked.query.viewpoint
    own = [
        sighting
        for sighting, name in sorted(view.owners.items())
        if name == asked.truth and agrees(view.sighting(sighting).viewpoint, viewpoint)
    ]
    if len(own) < 2:
        return
    second = _SECOND_NAME.format(asked.truth)
    moved = asked.random(_NUMBER).choice(own, len(own) // 2, replace=False)
    split = asked.answer(view.showing({**view.owners, **{int(sighting): second for sighting in moved}}))
    names = {asked.truth, second}
    yield Observation("new before", asked.whole.verdict == "new")
    yield Observation("new", split.verdict == "new")
    yield Observation("another", split.verdict == "known" and split.identity not in names)
    if asked.whole.verdict == "known" and asked.whole.identity == asked.truth:
        yield Observation("known became new", split.verdict == "new")
        yield Observation("still known", split.verdict == "known" and split.identity in names)
        yield Observation("says so", names <= set(getattr(split, "same_as", ())))


LAW = Law(
    "two-names",
    "Two names, one animal: an individual that is split in two never becomes new; the answer is one of the two, or ask, and says that the "
    "catalogue may hold this animal twice.",
    "For each query of a known individual, a random half of its photos of the query's side goes to a second name.",
    (
        Measure("new before", "known animals answered new under one name"),
        Measure("new", "known animals answered new under two names"),
        Measure("known became new", "answered known under one name, new under two", allowed=0.0),
        Measure("another", "known animals answered known as a third individual"),
        Measure("still known", "answered known under one name, and one of the two under two"),
        Measure("says so", "answered known under one name, and told that the catalogue may hold it twice"),
    ),
    _observe,
)
