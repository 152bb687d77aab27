"""Where a pack's bytes come from, a folder or a zip: listed safely, and read no further than was listed.

Neither is trusted: a listing with an unsafe path, a link, an encrypted or doubled entry or too many bytes is refused, and a
file that turns out longer or shorter than its listed size is refused too.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from reid_edge.errors import PackError
from reid_edge.pack.members import EXPORT_AGAIN, MANIFEST, MOST_FILES, check_collisions, check_parts, check_path, check_sizes
from reid_edge.storage.zip_archive import HARMFUL, ArchiveError, BoundedZip, ZipLimits

# 1000 entries with the longest path need a quarter of this table. A folder may have an entry of its own.
_LIMITS = ZipLimits(table_bytes=1 << 20, entries=2 * MOST_FILES, entry_ratio=100)


class Container(Protocol):
    """The files of a pack that has been listed but not verified."""

    @property
    def sizes(self) -> dict[str, int]:
        """Bytes by path of every file, pack.toml included."""

    def read(self, path: str) -> bytes:
        """The whole of one listed file; PackError where it is not as long as listed."""


@contextmanager
def open_container(path: Path) -> Iterator[Container]:
    """List a folder or a zip.

    Raises:
        PackError: nothing at that path, neither of the two, without pack.toml at its root, or an unsafe listing; likewise, inside, what
            the container raises.
    """
    try:
        if path.is_dir():
            yield FolderContainer(path)
        elif not path.exists():
            raise PackError("nothing is there.", "Check the path; `reid-edge pack list` shows the packs of this device.")
        else:
            with BoundedZip(path, _LIMITS) as archive:
                _check_zip_listing(archive)
                yield archive
    except ArchiveError as error:
        raise PackError(error.message, error.hint or EXPORT_AGAIN) from None
    except OSError as error:
        raise PackError(f"it cannot be read: {error.strerror or error}.", "Check the file and its permissions.") from None


class FolderContainer:
    """A pack that lies in a folder."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.sizes: dict[str, int] = {}
        if not (root / MANIFEST).is_file():
            _refuse_without_manifest([f"{folder.name}/{MANIFEST}" for folder in root.iterdir() if (folder / MANIFEST).exists()])
        self._list(root, "")
        _check_listing(self.sizes)

    def read(self, path: str) -> bytes:
        """The whole of one listed file."""
        # A link put in place of the file after it was listed is not followed, and a pipe put there does not block.
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        try:
            with os.fdopen(os.open(self._root / path, flags), "rb") as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    _refuse_special(path)
                content = file.read(self.sizes[path] + 1)
        except OSError as error:
            raise PackError(
                f"{path!r} cannot be read: {error.strerror or error}.", "Check the file and its permissions."
            ) from None
        if len(content) != self.sizes[path]:
            raise PackError(f"{path!r} is not {self.sizes[path]} bytes long, as it was listed.", EXPORT_AGAIN)
        return content

    def _list(self, folder: Path, prefix: str) -> None:
        with os.scandir(folder) as entries:
            for entry in entries:
                path = prefix + entry.name
                check_parts(path)
                if entry.is_dir(follow_symlinks=False):
                    self._list(folder / entry.name, path + "/")
                elif entry.is_file(follow_symlinks=False):
                    self.sizes[check_path(path)] = entry.stat(follow_symlinks=False).st_size
                else:
                    _refuse_special(path)
                if len(self.sizes) > MOST_FILES:
                    check_sizes(self.sizes)


def _check_zip_listing(archive: BoundedZip) -> None:
    for path in archive.sizes:
        check_path(path)
    if MANIFEST not in archive.sizes:
        _refuse_without_manifest([path for path in archive.sizes if path.endswith(f"/{MANIFEST}")])
    _check_listing(archive.sizes)


def _check_listing(sizes: dict[str, int]) -> None:
    check_sizes(sizes)
    check_collisions(sizes)


def _refuse_without_manifest(elsewhere: list[str]) -> None:
    if elsewhere:
        folder = elsewhere[0].rpartition("/")[0]
        raise PackError(f"{MANIFEST} must be at its root, but lies in {folder!r}.", f"Use what is inside {folder!r}.")
    raise PackError(f"it has no {MANIFEST}.", "Check that this is a pack.")


def _refuse_special(path: str) -> None:
    raise PackError(f"{path!r} is a link or a special file; only plain files are allowed.", HARMFUL)
