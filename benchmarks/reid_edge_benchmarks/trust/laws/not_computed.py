"""A score that was not computed is unknown: nobody leads by not having been looked at."""

from __future__ import annotations

from collections.abc import Iterator

from reid_edge_benchmarks.trust.asking import AskedQuery
from reid_edge_benchmarks.trust.counting import Measure, Observation
from reid_edge_benchmarks.trust.laws.law import Law

_NUMBER = 2


def _observe(asked: AskedQuery) -> Iterator[Observation]:
    whole, catalogue = asked.whole, asked.catalogue
    if len(whole.ranking) < 2:
        return
    ranked = [each.identity for each in whole.ranking]
    half = asked.random(_NUMBER).choice(ranked, len(ranked) // 2, replace=False)
    for stage in asked.expensive_stages:
        for what, hidden in (("half", {*map(str, half)}), ("first", {ranked[0]})):
            answer = asked.answer(catalogue.whole, {stage: hidden})
            known = answer.verdict == "known"
            yield Observation(f"{what} known for another", known and answer.identity != ranked[0])
            wrong = known and answer.identity != asked.truth
            had_it = whole.verdict == "known" and whole.identity == answer.identity
            yield Observation(f"{what} wrongly known", wrong and not had_it)


LAW = Law(
    "not-computed",
    "A score that was not computed is unknown, not zero: nobody leads by not having been looked at.",
    "Each stage that looks at the best individuals only is asked again without some of them: a random half, or the one that the whole "
    "comparison ranks first.",
    (
        Measure(
            "half known for another",
            "a half not looked at: known for another than the first of the whole comparison",
            allowed=0.0,
        ),
        Measure("half wrongly known", "a half not looked at: wrongly known, which the whole comparison was not", allowed=0.0),
        Measure("first known for another", "the first not looked at: known for another", allowed=0.0),
        Measure("first wrongly known", "the first not looked at: wrongly known, which the whole comparison was not", allowed=0.0),
    ),
    _observe,
)
