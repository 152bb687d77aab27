"""Growth: ten times as many individuals raise the share of wrong `known` by no more than the answers' own probabilities say."""

from __future__ import annotations

from collections.abc import Iterator

from reid_edge.decide.decision import Decision
from reid_edge_benchmarks.trust.asking import AskedQuery
from reid_edge_benchmarks.trust.counting import Measure, Observation
from reid_edge_benchmarks.trust.laws.law import Law

_NUMBER = 7
_TIMES = 10
_FEWEST = 3


def _observe(asked: AskedQuery) -> Iterator[Observation]:
    catalogue = asked.catalogue
    individuals = catalogue.whole.individuals
    few = (len(individuals) - 1) // _TIMES  # one may be left out, to make a stranger
    if few < _FEWEST:
        return
    drawn = asked.random(_NUMBER).permutation(sorted(set(individuals) - {asked.truth}))
    others = [str(name) for name in drawn]
    for own in ([], [asked.truth]) if asked.is_known else ([],):
        for name, size in (("few", few), ("many", few * _TIMES)):
            answer = asked.answer(catalogue.of_individuals([*own, *others[: size - len(own)]]))
            wrong = answer.verdict == "known" and answer.identity != asked.truth
            yield Observation(f"wrongly known, {name}", wrong, _expected(answer))
            yield Observation(f"asked, {name}", answer.verdict == "ask")


def _expected(answer: Decision) -> float:
    """How likely the answer itself holds it that it is a wrong `known`."""
    return 1 - answer.probability if answer.verdict == "known" else 0.0


LAW = Law(
    "growth",
    f"Growth: {_TIMES} times as many individuals raise the share of wrong known by no more than the calibration says.",
    "Each query is compared with random individuals, a tenth of those that the set has, and with ten times as many; if it is known, "
    "also with its own among them. Allowed is the share in the small gallery, and the rise that the probabilities of the answers expect.",
    (
        Measure("wrongly known, few", "wrongly known, small gallery"),
        Measure("wrongly known, many", f"wrongly known, {_TIMES} times as many individuals", beside="wrongly known, few"),
        Measure("asked, few", "asked, small gallery"),
        Measure("asked, many", f"asked, {_TIMES} times as many individuals"),
    ),
    _observe,
)
