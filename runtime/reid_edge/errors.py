"""The one exception tree: what went wrong, what to do about it, and the exit code it means.

Lower-layer errors (OpenCV, ONNX Runtime, sqlite3, the operating system) are translated into these where the lower layer is
called, so that a user never sees a traceback for bad input, a missing file, a broken pack or a full disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable


class ReidEdgeError(Exception):
    """Base of every error reid-edge raises on purpose.

    Args:
        message: one clear sentence that names the thing that is wrong.
        hint: what to do about it, one sentence; empty where nothing can be advised.

    Attributes:
        further: what else is wrong with the same input; for who shows all of it at once.
    """

    exit_code = 1
    further: tuple[ReidEdgeError, ...] = ()

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(ReidEdgeError):
    """A command line, recipe or metadata file that asks for something impossible."""

    exit_code = 2


class PhotoError(ReidEdgeError):
    """A photo that cannot be read or decoded."""

    exit_code = 1


class PackError(ReidEdgeError):
    """A model pack that is broken, unsafe, or not what it says it is."""

    exit_code = 3


class EngineError(ReidEdgeError):
    """A network that cannot be loaded or run on the device that was asked for."""

    exit_code = 3


class GalleryError(ReidEdgeError):
    """A gallery that is missing, of another version, locked, or asked for something it does not hold."""

    exit_code = 4


class StorageError(ReidEdgeError):
    """A disk that is full, read-only or failing."""

    exit_code = 5


def raise_together(checks: Iterable[Callable[[], object]]) -> None:
    """Run all checks; where some raise, the first error is raised, and those of the others are its `further`."""
    found: list[ReidEdgeError] = []
    for check in checks:
        try:
            check()
        except ReidEdgeError as error:
            found += [error, *error.further]
    if found:
        found[0].further = tuple(found[1:])
        raise found[0]
