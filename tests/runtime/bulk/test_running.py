"""Every value gets its result exactly once, whatever the workers do."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reid_edge.bulk.running import MOST_LOST, Task, work_through
from reid_edge.bulk.worker import Failed, process_safely
from reid_edge.errors import EngineError, PhotoError


class Doubling:
    def process(self, values: Sequence[int]) -> list[int | Failed]:
        if 13 in values:
            raise ValueError("thirteen")
        if 7 in values and len(values) > 1:
            raise PhotoError("seven", "no hint")
        if 99 in values:
            raise EngineError("the network is gone")
        return [Failed("seven") if value == 7 else 2 * value for value in values]


class Dying:
    """A pool that loses some batches, gives others twice and all in another order; a value of `deadly` ends each worker."""

    def __init__(self, seed: int, deadly: frozenset[int] = frozenset()) -> None:
        self._random, self._deadly = random.Random(seed), deadly

    def results(self, recipe: object, tasks: Sequence[Task], batch: int) -> Iterator[list[Task]]:
        batches = [tasks[start : start + batch] for start in range(0, len(tasks), batch)]
        self._random.shuffle(batches)
        for part in batches:
            if not self._deadly.isdisjoint(value for _, value in part):
                continue
            fate = self._random.random()
            for _ in range(0 if fate < 0.3 and batch > 1 else 2 if fate > 0.8 else 1):
                yield [(number, 2 * value) for number, value in part]


@given(st.integers(0, 40), st.integers(1, 7), st.integers(0, 1000))
def test_each_value_has_its_result_once_where_batches_are_lost_doubled_and_out_of_order(count, batch, seed):
    results = [each for part in work_through(Dying(seed), None, list(range(count)), batch) for each in part]
    assert sorted(results) == [(number, 2 * number) for number in range(count)]


@given(st.sets(st.integers(0, 29), max_size=4), st.integers(1, 7), st.integers(0, 1000))
def test_a_value_that_ends_every_worker_takes_no_other_with_it(deadly, batch, seed):
    results = dict(each for part in work_through(Dying(seed, frozenset(deadly)), None, list(range(30)), batch) for each in part)
    assert {number for number, result in results.items() if isinstance(result, Failed)} == deadly
    assert len(results) == 30


def test_workers_that_always_die_end_the_run_with_a_reason():
    with pytest.raises(EngineError, match="end before they finish a single photo"):
        list(work_through(Dying(0, frozenset(range(100))), None, list(range(MOST_LOST + 1)), 4))


def test_an_error_that_nobody_foresaw_costs_one_photo_of_its_batch():
    results = process_safely(Doubling(), [1, 13, 7, 3])
    assert [results[0], results[2].message, results[3]] == [2, "seven", 6]
    assert results[1].message == "ValueError: thirteen"


def test_an_error_of_the_worker_ends_the_batch():
    with pytest.raises(EngineError):
        process_safely(Doubling(), [1, 99])
