"""Zip files from elsewhere, read without trust.

Nothing is unpacked to the disk. The table of contents is checked before anything is read: its size, the number of entries, their names,
kinds, sizes and ratios. An entry is then read no further than its listed size, and its checksum is compared.
"""

from __future__ import annotations

import io
import os
import re
import stat
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from reid_edge.errors import ReidEdgeError

_CHUNK = 1 << 20
_FREE_OF_RATIO = 1 << 20
_LOCAL_HEADER = b"PK\x03\x04"
_ENCRYPTED = 0x2041  # bits of the general-purpose flag: encrypted, strongly encrypted, central directory encrypted
_BROKEN = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError, ValueError)

HARMFUL = "Do not use this file; it may have been made to do harm."


class ArchiveError(ReidEdgeError):
    """A zip that is damaged or unsafe. The message is the reason alone, for the reader of packs or galleries to complete."""


@dataclass(frozen=True)
class ZipLimits:
    """What a zip may hold.

    Attributes:
        table_bytes: of its table of contents, which is read at once.
        entries: files and folders.
        ratio: unpacked bytes for each packed byte, of the whole archive, beyond the first MiB. Weights give at most 2, JSON about 10;
            deflate's limit, which bombs use, is 1032.
        entry_ratio: likewise of each entry; None where only the whole archive counts.
    """

    table_bytes: int
    entries: int
    ratio: int = 100
    entry_ratio: int | None = None


class BoundedZip:
    """An open zip whose table of contents keeps to the limits; a context manager.

    Attributes:
        sizes: bytes by name of every file in it; folders are left out.
    """

    def __init__(self, path: Path, limits: ZipLimits) -> None:
        """Read and check the table of contents.

        Raises:
            ArchiveError: no zip, damaged, or beyond a limit; or an entry that is unsafe.
            OSError: the file cannot be read.
        """
        self.sizes: dict[str, int] = {}
        self._limits = limits
        self._file = _BoundedFile(path, limits.table_bytes)
        try:
            if self._file.read(len(_LOCAL_HEADER)) != _LOCAL_HEADER:
                raise ArchiveError("it is not a zip.")
            self._zip = zipfile.ZipFile(self._file)
            self._check(self._zip.infolist())
        except _BROKEN as error:
            self.close()
            raise ArchiveError(f"its zip is damaged or cut off: {error}.") from None
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> BoundedZip:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def read(self, name: str) -> bytes:
        """The whole of one file of `sizes`, its checksum compared; never more than its listed size is unpacked.

        Raises:
            ArchiveError: it is damaged, or not as long as listed.
            OSError: the file cannot be read.
        """
        content = io.BytesIO()
        try:
            with self._zip.open(name) as entry:
                while content.tell() <= self.sizes[name] and (chunk := entry.read(_CHUNK)):
                    content.write(chunk)
        except _BROKEN as error:
            raise ArchiveError(f"its zip is damaged at {name!r}: {error}.") from None
        if content.tell() != self.sizes[name]:
            raise ArchiveError(f"{name!r} is not {self.sizes[name]} bytes long, as it was listed.")
        return content.getvalue()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _check(self, entries: list[zipfile.ZipInfo]) -> None:
        if len(entries) > self._limits.entries:
            raise ArchiveError(f"it holds more than {self._limits.entries} files.", HARMFUL)
        for entry in entries:
            name = entry.orig_filename
            check_safe_path(name)
            if name.endswith("/"):
                continue
            self._check_entry(entry, name)
            self.sizes[name] = entry.file_size
        total, packed = sum(self.sizes.values()), os.fstat(self._file.fileno()).st_size
        if total > _FREE_OF_RATIO + self._limits.ratio * packed:
            raise ArchiveError(f"it unpacks to {total} bytes from {packed}.", HARMFUL)

    def _check_entry(self, entry: zipfile.ZipInfo, name: str) -> None:
        ratio = self._limits.entry_ratio
        if name != entry.filename:
            raise ArchiveError(f"the entry {name!r} has a second name {entry.filename!r}.", HARMFUL)
        if stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG):
            raise ArchiveError(f"{name!r} is a link or a special file; only plain files are allowed.", HARMFUL)
        if entry.flag_bits & _ENCRYPTED:
            raise ArchiveError(f"the entry {name!r} is encrypted.", "Unpack it with its password first.")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ArchiveError(f"the entry {name!r} is neither stored nor deflated.", "Zip it again, stored or deflated.")
        if ratio is not None and entry.file_size > _FREE_OF_RATIO + ratio * entry.compress_size:
            raise ArchiveError(f"the entry {name!r} unpacks to {entry.file_size} bytes from {entry.compress_size}.", HARMFUL)
        if name in self.sizes:
            raise ArchiveError(f"the entry {name!r} is there twice.", HARMFUL)


def check_safe_path(path: str) -> None:
    """Refuse a path in an archive that could leave the folder it is unpacked to.

    Raises:
        ArchiveError: an absolute path, `..`, a backslash or a drive letter.
    """
    if path.startswith("/") or "\\" in path or ".." in path.split("/") or re.match(r"[A-Za-z]:", path):
        raise ArchiveError(f"the path {path!r} leads out of the archive.", HARMFUL)


class _BoundedFile(io.FileIO):
    """A file that is never read in large pieces, so that a zip cannot claim a table of contents as large as the memory."""

    def __init__(self, path: Path, most: int) -> None:
        super().__init__(path)
        self._most = most

    def read(self, size: int | None = -1) -> bytes:
        if size is None or size < 0:
            size = max(0, os.fstat(self.fileno()).st_size - self.tell())
        if size > max(_CHUNK, self._most):
            raise ArchiveError(f"its zip has a table of contents of more than {self._most >> 20} MiB.", HARMFUL)
        return super().read(size) or b""
