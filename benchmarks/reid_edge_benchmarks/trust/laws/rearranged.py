"""Order, names and copies of a photo do not matter."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from reid_edge_benchmarks.trust.asking import AskedQuery
from reid_edge_benchmarks.trust.counting import Measure, Observation
from reid_edge_benchmarks.trust.laws.law import Law, same_answer

_ROUNDING = 1e-6
_MOVED = 0.01


def _observe(asked: AskedQuery) -> Iterator[Observation]:
    whole, catalogue = asked.whole, asked.catalogue
    renamed = asked.answer(catalogue.rearranged)
    renamed = replace(renamed, identity=catalogue.names.get(renamed.identity or ""))
    off = abs(whole.probability - renamed.probability)
    yield Observation("rearranged", not same_answer(whole, renamed) or off > _ROUNDING)
    twice = asked.answer(catalogue.twice)
    yield Observation("twice", not same_answer(whole, twice))
    yield Observation("twice moved", abs(whole.probability - twice.probability) > _MOVED)


LAW = Law(
    "rearranged",
    "Order, names and copies do not matter.",
    "The gallery is enrolled again in a random order, under names whose order is reversed; and again with one photo of each individual "
    "twice.",
    (
        Measure("rearranged", "another order and other names: another answer or probability", allowed=0.0),
        Measure("twice", "a photo of each individual twice: another verdict or individual", allowed=0.0),
        Measure("twice moved", f"a photo of each individual twice: a probability that moves by more than {_MOVED}"),
    ),
    _observe,
)
