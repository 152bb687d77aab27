"""Where a pack's bytes come from, a directory or a zip: listed safely, and read no further than was listed.

Neither is trusted: a listing with an unsafe path, a link, an encrypted or doubled entry or too many bytes is refused, and a
file that turns out longer or shorter than its listed size is refused too.
"""

from __future__ import annotations

import io
import os
import stat
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Protocol

from reid_edge.errors import PackError
from reid_edge.pack.members import EXPORT_AGAIN, MANIFEST, MOST_FILES, check_collisions, check_parts, check_path, check_sizes

_CHUNK = 1 << 20
_HIGHEST_RATIO = 100
"""Bytes out per byte in. Weights give at most 2 and calibration JSON about 10; deflate's limit, which bombs use, is 1032."""
_FREE_OF_RATIO = 1 << 20
_LARGEST_DIRECTORY = 1 << 20
"""Bytes of a zip's table of contents, which zipfile reads at once: 1000 entries with the longest path need a quarter of it."""
_CHECK_ACCESS = "Check the file and its permissions."
_HARMFUL = "Do not use this pack; it may have been made to do harm."
_BROKEN_ZIP = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
)


class Source(Protocol):
    """The files of a pack that has been listed but not verified."""

    @property
    def sizes(self) -> dict[str, int]:
        """Bytes by path of every file, pack.toml included."""

    def read(self, path: str) -> bytes:
        """The whole of one listed file; PackError where it is not as long as listed."""

    def close(self) -> None:
        """Let go of the files."""


def open_source(path: Path) -> Source:
    """List a directory or a zip.

    Raises:
        PackError: nothing there, neither of the two, without pack.toml at its root, or an unsafe listing.
    """
    try:
        if path.is_dir():
            return DirectorySource(path)
        if not path.exists():
            raise PackError("nothing is there.", "Check the path; `reid-edge pack list` shows the packs of this device.")
        return ZipSource(path)
    except OSError as error:
        raise PackError(f"it cannot be read: {error.strerror or error}.", _CHECK_ACCESS) from None


class DirectorySource:
    """A pack that lies in a directory."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.sizes: dict[str, int] = {}
        if not (root / MANIFEST).is_file():
            _refuse_without_manifest([f"{folder.name}/{MANIFEST}" for folder in root.iterdir() if (folder / MANIFEST).exists()])
        self._list(root, "")
        _check_listing(self.sizes)

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

    def read(self, path: str) -> bytes:
        """The whole of one listed file."""
        # A link put in place of the file after it was listed is not followed, and a pipe put there does not block.
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        try:
            with os.fdopen(os.open(self._root / path, flags), "rb") as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    _refuse_special(path)
                return _exactly(file.read(self.sizes[path] + 1), path, self.sizes[path])
        except OSError as error:
            raise PackError(f"{path!r} cannot be read: {error.strerror or error}.", _CHECK_ACCESS) from None

    def close(self) -> None:
        """Nothing is held open."""


class ZipSource:
    """A pack that is one zip."""

    def __init__(self, path: Path) -> None:
        self.sizes: dict[str, int] = {}
        self._file = _BoundedFile(path)
        try:
            if self._file.read(4) != b"PK\x03\x04":
                raise PackError("it is neither a directory nor a zip.", EXPORT_AGAIN)
            self._zip = zipfile.ZipFile(self._file)
            for info in self._zip.infolist():
                self._add(info)
            if MANIFEST not in self.sizes:
                _refuse_without_manifest([name for name in self.sizes if name.endswith(f"/{MANIFEST}")])
            _check_listing(self.sizes)
        except _BROKEN_ZIP as error:
            self.close()
            raise PackError(f"its zip is damaged or cut off: {error}.", EXPORT_AGAIN) from None
        except BaseException:
            self.close()
            raise

    def _add(self, info: zipfile.ZipInfo) -> None:
        name = info.orig_filename
        if name.endswith("/"):
            check_parts(name[:-1])
            return
        check_path(name)
        if name != info.filename:
            raise PackError(f"the entry {name!r} has a second name {info.filename!r}.", _HARMFUL)
        if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
            _refuse_special(name)
        if info.flag_bits & 0x2041:
            raise PackError(f"the entry {name!r} is encrypted.", "Unpack it with its password, and use the directory.")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise PackError(f"the entry {name!r} is compressed in a way packs do not use.", "Zip it again, stored or deflated.")
        if info.file_size > _FREE_OF_RATIO + _HIGHEST_RATIO * info.compress_size:
            raise PackError(f"the entry {name!r} unpacks to {info.file_size} bytes from {info.compress_size}.", _HARMFUL)
        if name in self.sizes:
            raise PackError(f"the entry {name!r} is there twice.", _HARMFUL)
        self.sizes[name] = info.file_size

    def read(self, path: str) -> bytes:
        """The whole of one listed file, its CRC checked; never more than its listed size is unpacked."""
        content = io.BytesIO()
        try:
            with self._zip.open(path) as entry:
                while content.tell() <= self.sizes[path] and (chunk := entry.read(_CHUNK)):
                    content.write(chunk)
        except _BROKEN_ZIP as error:
            raise PackError(f"its zip is damaged at {path!r}: {error}.", EXPORT_AGAIN) from None
        except OSError as error:
            raise PackError(f"{path!r} cannot be read: {error.strerror or error}.", _CHECK_ACCESS) from None
        return _exactly(content.getvalue(), path, self.sizes[path])

    def close(self) -> None:
        """Close the zip's file."""
        self._file.close()


class _BoundedFile(io.FileIO):
    """A file that is never read in large pieces, so that a zip cannot claim a table of contents as large as the memory."""

    def read(self, size: int | None = -1) -> bytes:
        if size is None or size < 0:
            size = max(0, os.fstat(self.fileno()).st_size - self.tell())
        if size > max(_CHUNK, _LARGEST_DIRECTORY):
            raise PackError("its zip has a table of contents of more than 1 MiB.", _HARMFUL)
        return super().read(size) or b""


def _check_listing(sizes: dict[str, int]) -> None:
    check_sizes(sizes)
    check_collisions(sizes)


def _exactly(content: bytes, path: str, size: int) -> bytes:
    if len(content) != size:
        raise PackError(f"{path!r} is not {size} bytes long, as it was listed.", EXPORT_AGAIN)
    return content


def _refuse_without_manifest(elsewhere: list[str]) -> None:
    if elsewhere:
        folder = elsewhere[0].rpartition("/")[0]
        raise PackError(f"{MANIFEST} must be at its root, but lies in {folder!r}.", f"Use what is inside {folder!r}.")
    raise PackError(f"it has no {MANIFEST}.", "Check that this is a pack.")


def _refuse_special(path: str) -> None:
    raise PackError(f"{path!r} is a link or a special file; a pack holds plain files only.", _HARMFUL)
