"""Small versions of what `reid-edge bench reliability --full` does: real daemons, each fault made for real."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

if sys.platform != "linux":
    pytest.skip("the faults can be made on Linux only", allow_module_level=True)

from reid_edge_benchmarks.reliability.outcome import Outcome, Place, Skipped
from reid_edge_benchmarks.reliability.registry import FAULTS


@pytest.fixture(scope="session")
def place(made_once: Callable[..., Path]) -> Iterator[Place]:
    def make(folder: Path) -> None:
        Place(folder).set_up()

    made = made_once("place-of-faults", make)
    with tempfile.TemporaryDirectory(prefix="reid-edge-reliability-", ignore_cleanup_errors=True) as folder:
        yield Place(Path(shutil.copytree(made, folder, dirs_exist_ok=True)))


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
