"""Formats that an optional package reads: HEIC by pillow-heif, camera raw files by rawpy. Both come with the extra `formats`.

What the two packages do not define is defined here:

- HEIC: libheif applies the file's own turning and mirroring, so the EXIF orientation beside them is not applied again
  (ISO/IEC 23008-12, 6.5.10 and A.2.1); more than 8 bits are scaled to 8; colour profiles are not applied.
- Raw: the sensor's pixels are developed at full resolution as the camera would, with its white balance, to 8-bit sRGB, upright. The
  preview inside the file is not used, because many cameras make it small.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid_edge.errors import PhotoError
from reid_edge.installation import install_command

HEIC, RAW = "HEIC", "raw"
EXTENSIONS = {
    HEIC: frozenset({".heic", ".heif"}),
    RAW: frozenset({".cr2", ".cr3", ".nef", ".nrw", ".arw", ".dng", ".raf", ".orf", ".rw2", ".pef", ".srw"}),
}
_PACKAGES = {HEIC: "pillow_heif", RAW: "rawpy"}
_WAY_OUT = "Copy the file again from the card, or use the JPEG that the camera saved beside it."


class MissingReaderError(PhotoError):
    """The package that reads a format is not installed, or cannot be loaded: it says nothing about the photo."""


@dataclass(frozen=True)
class OptionalHeader:
    """What a HEIC or raw file states without being decoded.

    Attributes:
        width, height: pixels; of a raw file before it is turned.
        exif: the EXIF block, beginning with its TIFF header; empty where there is none.
        taken_at: `YYYY-MM-DDTHH:MM:SS` by the camera's clock, which has no zone, where the reader itself knows it, for raw files whose
            EXIF is not in one block; else None.
    """

    width: int
    height: int
    exif: bytes = b""
    taken_at: str | None = None


def is_installed(kind: str) -> bool:
    """Whether the reader of HEIC or RAW is installed; it is imported only when it is used."""
    return find_spec(_PACKAGES[kind]) is not None


def read_optional_header(kind: str, data: bytes, name: str, called: str) -> OptionalHeader:
    """The header of a HEIC or raw file; `called` is its kind in words.

    Raises:
        MissingReaderError: its reader is not installed.
        PhotoError: its reader cannot read it.
    """
    if kind == HEIC:
        heif = _package(HEIC, name, called)
        with _reader_errors(heif, name, called):
            picture = heif.open_heif(data, bgr_mode=True)
            width, height = picture.size
            return OptionalHeader(width, height, (picture.info.get("exif") or b"").removeprefix(b"Exif\0\0"))
    rawpy = _package(RAW, name, called)
    with _reader_errors(rawpy, name, called), rawpy.imread(io.BytesIO(data)) as raw:
        timestamp = raw.other.timestamp
        # The beginning of 1970 stands for a camera without a clock, or one whose clock was never set.
        taken_at = timestamp.isoformat(timespec="seconds") if timestamp and timestamp.year > 1970 else None
        return OptionalHeader(raw.sizes.width, raw.sizes.height, _tags_of_raw(data), taken_at)


def decode_optional(kind: str, data: bytes, name: str) -> NDArray[Any]:
    """The pixels of a HEIC or raw file, upright: uint8 [H, W], or [H, W, 3 or 4] in the order BGR(A).

    Raises:
        MissingReaderError: its reader is not installed.
        PhotoError: its reader cannot decode it.
        MemoryError: the picture does not fit into memory.
    """
    if kind == HEIC:
        heif = _package(HEIC, name, "a HEIC photo")
        with _reader_errors(heif, name, "a HEIC photo"):
            return np.asarray(heif.open_heif(data, bgr_mode=True))
    rawpy = _package(RAW, name, "a camera raw file")
    with _reader_errors(rawpy, name, "a camera raw file"), rawpy.imread(io.BytesIO(data)) as raw:
        rgb: NDArray[np.uint8] = raw.postprocess(use_camera_wb=True, output_bps=8)
        return np.ascontiguousarray(rgb[..., ::-1])


def _tags_of_raw(data: bytes) -> bytes:
    """The file itself where it is a TIFF, by its own first bytes or by a maker's; empty for the others (Fujifilm RAF, Canon CR3)."""
    if data[:4] in (b"II*\0", b"MM\0*"):
        return data
    if data[:4] in (b"IIRO", b"IIRS", b"IIU\0"):
        return b"II*\0" + data[4:]
    return b""


def _package(kind: str, name: str, called: str) -> ModuleType:
    try:
        return import_module(_PACKAGES[kind])
    except ImportError as error:
        missing = "is not installed" if isinstance(error, ModuleNotFoundError) else f"cannot be loaded: {error}"
        raise MissingReaderError(
            f"{name} is {called}, which cannot be read: the package {_PACKAGES[kind].replace('_', '-')} {missing}.",
            f"Run: {install_command('formats')}; or save it as JPEG first.",
        ) from None


@contextmanager
def _reader_errors(package: ModuleType, name: str, called: str) -> Iterator[None]:
    """Turn what a reader raises into PhotoError; MemoryError passes."""
    no_memory: type[Exception] = getattr(package, "LibRawUnsufficientMemoryError", MemoryError)
    try:
        yield
    except (MemoryError, no_memory):
        raise MemoryError from None
    except Exception as error:  # libheif and LibRaw raise errors of many kinds, and their texts are for programmers
        raise PhotoError(
            f"{name} is {called} that cannot be read: it is broken, or of a kind that its reader does not know.", _WAY_OUT
        ) from error
