"""What a law is: a sentence, what is counted for it, and how one query is asked about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from reid_edge.decide.decision import Decision
from reid_edge_benchmarks.trust.asking import AskedQuery
from reid_edge_benchmarks.trust.counting import Measure, Observation


@dataclass(frozen=True)
class Law:
    """One law that every answer keeps.

    Attributes:
        name: in the results.
        sentence: the law.
        how: how it is measured, a sentence or two.
        measures: what is counted.
        observe: asks one query about it; yields nothing where the set or the query cannot tell.
    """

    name: str
    sentence: str
    how: str
    measures: tuple[Measure, ...]
    observe: Callable[[AskedQuery], Iterator[Observation]]


def same_answer(one: Decision, other: Decision) -> bool:
    """Whether two answers have the same verdict and, unless it is `new`, the same individual."""
    return (one.verdict, one.identity) == (other.verdict, other.identity)


def is_wrong(decision: Decision, truth: str, in_gallery: bool) -> bool:
    """Whether an answer was given without a person, and wrongly."""
    if decision.verdict == "known":
        return decision.identity != truth
    return decision.verdict == "new" and in_gallery
