"""Several photos in turn: while one is compared or stored, the next ones are read and described in other threads.

On a processor each of these runs its networks in one thread, a photo per core: a network in several threads leaves them idle at times.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from typing import TypeVar

from reid_edge.identify.identifier import Identifier

Item = TypeVar("Item")
Described = TypeVar("Described")


def described_in_turn(
    identifier: Identifier, items: Iterable[Item], describe: Callable[[Identifier, Item], Described]
) -> Generator[tuple[Item, Callable[[], Described], Identifier], None, None]:
    """Describe one item after another, ahead of the caller by as many as the processor runs at a time.

    Close the generator where it is left early: it waits for what is being described, and begins nothing more.

    Args:
        identifier: with all threads for one network; a single item is described with it, when its turn comes.
        items: taken one by one, in the thread of the caller.
        describe: describes an item with the identifier that it is given, in another thread; what it raises is raised when its result is
            asked for.

    Yields:
        The item; a callable that waits for its description; and the identifier to go on with.
    """
    remaining = iter(items)
    first = list(islice(remaining, 2))
    if len(first) < 2:
        for item in first:
            yield item, partial(describe, identifier, item), identifier
        return
    shared = identifier.for_many_photos()
    with ThreadPoolExecutor(shared.networks.device.runs, "describe") as pool:
        waiting = deque((item, pool.submit(describe, shared, item)) for item in first)
        try:
            while waiting:
                for item in islice(remaining, max(0, shared.networks.device.runs + 1 - len(waiting))):
                    waiting.append((item, pool.submit(describe, shared, item)))
                item, described = waiting.popleft()
                yield item, described.result, shared
        finally:
            pool.shutdown(cancel_futures=True)
