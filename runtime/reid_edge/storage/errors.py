"""The operating system's errors as StorageError, each with its reason and a hint."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from reid_edge.errors import StorageError

_FREE_SPACE = "Free some space and run the command again."
_PERMISSIONS = "Correct the permissions, or choose another place."
_REASONS = {
    errno.ENOSPC: ("the disk is full", _FREE_SPACE),
    errno.EDQUOT: ("the disk quota is used up", _FREE_SPACE),
    errno.EROFS: ("the disk is read-only", "Make it writable, or choose another place."),
    errno.EACCES: ("access is not permitted", _PERMISSIONS),
    errno.EPERM: ("access is not permitted", _PERMISSIONS),
}


@contextmanager
def storage_errors(action: str, elsewhere: str = "") -> Iterator[None]:
    """Turn any OSError inside into a StorageError.

    Args:
        action: what is done inside, as in `import the pack into /store`: the message is "Could not ACTION: REASON."
        elsewhere: how to choose another place; follows the hint.
    """
    try:
        yield
    except OSError as error:
        reason, hint = _REASONS.get(error.errno or 0, (error.strerror or str(error), "Check the disk and the path."))
        raise StorageError(f"Could not {action}: {reason}.", f"{hint} {elsewhere}".strip()) from error


def file_errors(path: Path) -> AbstractContextManager[None]:
    """As `storage_errors`, where one file or folder is read or written."""
    return storage_errors(f"read or write {path}")
