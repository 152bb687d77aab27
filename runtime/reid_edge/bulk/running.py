"""Every value gets its result exactly once, whatever becomes of the workers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from reid_edge.bulk.worker import Failed, WorkerRecipe
from reid_edge.errors import EngineError

Task = tuple[int, Any]
"""A number that no other task has, and the value to work on or its result."""

MOST_LOST = 32
"""A pool may give up a pass after so many lost batches. More photos than that, none of which gets a result alone, are no bad photos."""

_DONE = object()
_WORKERS_DIE = Failed(
    "The worker process ended while it worked on this photo, also when the photo was alone.",
    "Open the photo in another program and save it anew.",
)


class Pool(Protocol):
    """Workers somewhere."""

    def results(self, recipe: WorkerRecipe, tasks: Sequence[Task], batch: int) -> Iterator[list[Task]]:
        """Numbers with results, in any order. A task whose worker died may be missing, and one may come twice.

        Raises:
            ReidEdgeError: of a worker that cannot go on.
        """
        ...


def work_through(pool: Pool, recipe: WorkerRecipe, values: Sequence[Any], batch: int) -> Iterator[list[Task]]:
    """Results, in batches: for each value exactly once its number in `values` and its result.

    What is missing at the end is tried again, alone in the end: a photo that kills every worker takes no other with it, and is `Failed`.

    Args:
        pool: does the work.
        recipe: of its workers.
        values: to work on.
        batch: how many a worker is given at a time.

    Raises:
        ReidEdgeError: of a worker that cannot go on.
        EngineError: all workers die, whatever they work on.
    """
    waiting = dict(enumerate(values))
    while waiting:
        earlier = len(waiting)
        for results in pool.results(recipe, list(waiting.items()), batch):
            fresh = [(number, result) for number, result in results if waiting.pop(number, _DONE) is not _DONE]
            if fresh:
                yield fresh
        if len(waiting) < earlier:
            continue
        if batch > 1:
            batch = 1
        elif len(waiting) <= MOST_LOST:
            yield [(number, _WORKERS_DIE) for number in waiting]
            return
        else:
            raise EngineError(
                "The worker processes end before they finish a single photo.",
                "They may need more memory than there is: give fewer --workers. Ray's log of them is in /tmp/ray/session_latest/logs.",
            )
