"""Small galleries: with one, two or three individuals the error rate stays below the promised one."""

from __future__ import annotations

from collections.abc import Iterator

from reid_edge_benchmarks.trust.asking import AskedQuery
from reid_edge_benchmarks.trust.counting import Measure, Observation
from reid_edge_benchmarks.trust.laws.law import Law, is_wrong

_NUMBER = 6
_SIZES = (1, 2, 3)


def _observe(asked: AskedQuery) -> Iterator[Observation]:
    random = asked.random(_NUMBER)
    others = sorted(set(asked.catalogue.whole.individuals) - {asked.truth})
    for size in _SIZES:
        if len(others) < size:
            return
        drawn = [str(name) for name in random.choice(others, size, replace=False)]
        stranger = asked.answer(asked.catalogue.of_individuals(drawn))
        yield Observation(f"wrong {size}", is_wrong(stranger, asked.truth, in_gallery=False))
        yield Observation("stranger known", stranger.verdict == "known")
        yield Observation("asked", stranger.verdict == "ask")
        if asked.is_known:
            known = asked.answer(asked.catalogue.of_individuals([asked.truth, *drawn[1:]]))
            yield Observation(f"wrong {size}", is_wrong(known, asked.truth, in_gallery=True))
            yield Observation("known new", known.verdict == "new")
            yield Observation("asked", known.verdict == "ask")


def _individuals(size: int) -> str:
    return f"{size} individual{'s' if size > 1 else ''}"


LAW = Law(
    "small-galleries",
    "Small galleries: with one, two or three individuals no more is wrong without a person than was promised.",
    "Each query is compared with random individuals, which makes a stranger of it; if it is known, also with its own among them.",
    (
        *(Measure(f"wrong {size}", f"wrong without a person, {_individuals(size)}", promised=True) for size in _SIZES),
        Measure("stranger known", "strangers answered known, all three sizes"),
        Measure("known new", "known animals answered new, all three sizes"),
        Measure("asked", "asked, all three sizes"),
    ),
    _observe,
)
