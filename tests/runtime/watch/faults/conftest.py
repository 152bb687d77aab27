"""Small versions of what `reid-edge bench reliability --full` does: real daemons, each fault made for real."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

import pytest

if sys.platform != "linux":
    pytest.skip("the faults can be made on Linux only", allow_module_level=True)

from reid_edge_benchmarks.reliability.outcome import Outcome, Place, Skipped, temporary_place
from reid_edge_benchmarks.reliability.registry import FAULTS


@pytest.fixture(scope="session")
def place() -> Iterator[Place]:
    with temporary_place() as made:
        yield made


@pytest.fixture
def meets(place: Place, program: Callable[[str], str]) -> Callable[[str], Outcome]:
    """meets(fault): the outcome of the small version, in which nothing may be wrong."""

    def run(name: str) -> Outcome:
        try:
            outcome = FAULTS[name].run(place, False)
        except Skipped as reason:
            program("cc")
            pytest.skip(str(reason))
        assert outcome.faults == (), "\n".join(outcome.faults)
        # What is common to all: conservation.
        assert outcome.figures["photos"] == sum(outcome.figures[each] for each in ("decided", "waiting", "quarantined"))
        return outcome

    return run
