"""What a worker is: made once in a process of its own, it answers batches; nothing that can happen to a photo ends it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from reid_edge.errors import PhotoError, ReidEdgeError


@dataclass(frozen=True)
class Failed:
    """A photo without a result, and why.

    Attributes:
        message, hint: as of a `ReidEdgeError`.
    """

    message: str
    hint: str = ""

    @classmethod
    def of(cls, error: ReidEdgeError) -> Failed:
        """Of an error about the photo; bytes of its name that are no UTF-8 become question marks."""
        return cls(*(text.encode("utf-8", "replace").decode() for text in (error.message, error.hint)))


class Worker(Protocol):
    """Works on batches, one at a time."""

    def process(self, values: Sequence[Any]) -> list[Any]:
        """A result or `Failed` for each value, in their order.

        Raises:
            ReidEdgeError: no further value can be worked on.
        """
        ...


class WorkerRecipe(Protocol):
    """What a worker is made from, in whichever process it runs; can be pickled."""

    def open(self) -> Worker:
        """Load the pack and whatever else it takes.

        Raises:
            ReidEdgeError: it cannot work there.
        """
        ...


def process_safely(worker: Worker, values: Sequence[Any]) -> list[Any]:
    """The results of a batch. Where the batch fails for a reason that nobody foresaw, its values are tried one by one, and those that
    fail again are `Failed`.

    Raises:
        ReidEdgeError: no further value can be worked on.
    """
    try:
        return worker.process(values)
    except PhotoError as error:
        unforeseen = Failed.of(error)
    except ReidEdgeError:
        raise
    except Exception as error:  # no photo ends the work of hours
        unforeseen = Failed(f"{type(error).__name__}: {error}", "This is an error of reid-edge: report it, with the photo.")
    if len(values) == 1:
        return [unforeseen]
    return [result for value in values for result in process_safely(worker, [value])]
