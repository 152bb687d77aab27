"""Strangers to the query do not matter: an individual that is not among the first ten may go without a change."""

from __future__ import annotations

from collections.abc import Iterator

from reid_edge_benchmarks.trust.asking import AskedQuery
from reid_edge_benchmarks.trust.counting import Measure, Observation
from reid_edge_benchmarks.trust.laws.law import Law, same_answer

_NUMBER = 4
_FIRST = 10
_DRAWS = 3
_MOVED = 0.05


def _observe(asked: AskedQuery) -> Iterator[Observation]:
    view, whole = asked.catalogue.whole, asked.whole
    far = [each.identity for each in whole.ranking[_FIRST:]]
    for gone in asked.random(_NUMBER).choice(far, min(_DRAWS, len(far)), replace=False) if far else ():
        without = asked.answer(view.showing({sighting: name for sighting, name in view.owners.items() if name != gone}))
        yield Observation("changed", not same_answer(whole, without))
        yield Observation("moved", abs(whole.probability - without.probability) > _MOVED)


LAW = Law(
    "far-individuals",
    f"Strangers to the query do not matter: removing an individual that is not among the first {_FIRST} leaves the verdict.",
    f"{_DRAWS} times a query, one random individual beyond the first {_FIRST} of its ranking is removed.",
    (
        Measure("changed", "another verdict or individual", allowed=0.0),
        Measure("moved", f"a probability that moves by more than {_MOVED}"),
    ),
    _observe,
)
