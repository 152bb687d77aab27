"""The header of a photo file, read before anything is decoded: format, size, EXIF block, and whether the file is complete.

The walk over a file's own structure costs next to nothing, and finds a photo that would not fit into memory, or whose copy from
the card was cut off, before a decoder is asked (OpenCV before 5 fills the missing part of a JPEG with grey and says nothing).
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

from reid_edge.errors import PhotoError
from reid_edge.photo.formats import COPY_AGAIN, recognise_format
from reid_edge.photo.optional import RAW, read_optional_header
from reid_edge.photo.tags import BrokenTagsError, TagBlock, TagDirectory

_EXIF_PREFIX = b"Exif\0\0"


@dataclass(frozen=True)
class PhotoHeader:
    """What a file states without being decoded.

    Attributes:
        format: "JPEG", "PNG", "TIFF", "BMP", "WebP", or "HEIC" or "raw", which take an optional package.
        width: pixels, as stored, before any EXIF orientation.
        height: pixels, as stored, before any EXIF orientation.
        exif: the EXIF block, beginning with its TIFF header (for a TIFF the whole file); empty where there is none.
        complete: False where the file stops before its own end, as far as its structure tells.
        taken_at: as `reid_edge.photo.exif.Exif.taken_at`, where the format says it outside of the EXIF block; else None.
    """

    format: str
    width: int
    height: int
    exif: bytes = b""
    complete: bool = True
    taken_at: str | None = None


def read_header(data: bytes, name: str) -> PhotoHeader:
    """Read the header of a photo; `data` is the whole file, `name` is what error messages call it.

    Raises:
        PhotoError: not a photo, a format that is not read, or a file that ends before its size.
    """
    found = recognise_format(data, name)
    kind = found.kind
    try:
        header = _READERS[kind](data) if kind in _READERS else _read_optional(kind, data, name, found.called)
    except _RawInTiffError:
        header = _read_optional(RAW, data, name, "a camera raw file")
    except (struct.error, IndexError):
        raise cut_off(name, kind) from None
    except BrokenTagsError as broken:
        raise PhotoError(f"{name} is broken: its {kind} header cannot be read, {broken}.", COPY_AGAIN) from None
    except _UnreadableKindError as unreadable:
        raise PhotoError(f"{name} is {unreadable.kind}, which cannot be read.", unreadable.hint) from None
    if header.width <= 0 or header.height <= 0:
        if not header.complete:
            raise cut_off(name, kind)
        raise PhotoError(f"{name} is broken: its {kind} header gives no picture size.", COPY_AGAIN)
    return header


def cut_off(name: str, kind: str) -> PhotoError:
    """The error for a file that stops before its own end."""
    end = "its end marker" if kind in ("JPEG", "PNG") else "the picture is complete"
    return PhotoError(f"{name} is cut off: the {kind} ends before {end}.", COPY_AGAIN)


def _read_optional(kind: str, data: bytes, name: str, called: str) -> PhotoHeader:
    found = read_optional_header(kind, data, name, called)
    return PhotoHeader(kind, found.width, found.height, found.exif, taken_at=found.taken_at)


class _RawInTiffError(Exception):
    """A TIFF whose first picture is only the thumbnail of a raw one."""


class _UnreadableKindError(Exception):
    def __init__(self, kind: str, hint: str) -> None:
        super().__init__(kind)
        self.kind = kind
        self.hint = hint


# In coded JPEG data 0xFF is followed by 0 (stuffing), D0 to D7 (restart) or FF (fill); anything else begins a segment
# (ITU-T T.81, B.1.1). Searching for that skips a scan of any length at the speed of a byte search.
_JPEG_SEGMENT = re.compile(rb"\xff[^\x00\x01\xd0-\xd8\xff]")
_JPEG_END, _JPEG_EXIF = 0xD9, 0xE1
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def _read_jpeg(data: bytes) -> PhotoHeader:
    width = height = 0
    exif = b""
    at = 2
    while found := _JPEG_SEGMENT.search(data, at):
        marker, at = data[found.end() - 1], found.end()
        if marker == _JPEG_END:
            return PhotoHeader("JPEG", width, height, exif)
        if at + 2 > len(data):
            break
        length = int.from_bytes(data[at : at + 2], "big")
        if marker in _JPEG_FRAMES and not width:
            height, width = struct.unpack_from(">HH", data, at + 3)
        elif marker == _JPEG_EXIF and not exif and data.startswith(_EXIF_PREFIX, at + 2):
            exif = data[at + 2 + len(_EXIF_PREFIX) : at + length]
        at += length
    return PhotoHeader("JPEG", width, height, exif, complete=False)


def _read_png(data: bytes) -> PhotoHeader:
    width = height = 0
    if data[12:16] == b"IHDR":  # the specification lets nothing else stand first
        width, height = struct.unpack_from(">II", data, 16)
    exif = b""
    at = 8
    while at + 12 <= len(data):
        length, chunk = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length  # length and name before, checksum after
        if end > len(data):
            break
        if chunk == b"IEND":
            return PhotoHeader("PNG", width, height, exif)
        if chunk == b"eXIf":
            exif = data[at + 8 : at + 8 + length]
        at = end
    return PhotoHeader("PNG", width, height, exif, complete=False)


def _read_webp(data: bytes) -> PhotoHeader:
    width = height = 0
    exif = b""
    riff_end = 8 + int(struct.unpack_from("<I", data, 4)[0])
    at = 12
    while at + 8 <= min(len(data), riff_end):
        chunk, length = struct.unpack_from("<4sI", data, at)
        at += 8
        if chunk == b"VP8X":
            width = 1 + int.from_bytes(data[at + 4 : at + 7], "little")
            height = 1 + int.from_bytes(data[at + 7 : at + 10], "little")
        elif chunk == b"VP8 " and not width:
            width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", data, at + 6))
        elif chunk == b"VP8L" and not width:
            (sides,) = struct.unpack_from("<I", data, at + 1)
            width, height = 1 + (sides & 0x3FFF), 1 + (sides >> 14 & 0x3FFF)
        elif chunk == b"EXIF":
            exif = data[at : at + length].removeprefix(_EXIF_PREFIX)  # the prefix does not belong there, but some write it
        at += length + length % 2
    return PhotoHeader("WebP", width, height, exif, complete=riff_end <= len(data))


def _read_bmp(data: bytes) -> PhotoHeader:
    (header_size,) = struct.unpack_from("<I", data, 14)
    width, height = struct.unpack_from("<HH" if header_size == 12 else "<ii", data, 18)
    return PhotoHeader("BMP", width, abs(height))  # a negative height means that the rows run from the top


_NEW_SUBFILE_TYPE, _WIDTH, _HEIGHT, _BITS, _PHOTOMETRIC, _PLANAR, _DNG_VERSION = 254, 256, 257, 258, 262, 284, 50706
_GREY, _RGB = 1, 2


def _read_tiff(data: bytes) -> PhotoHeader:
    (first,) = struct.unpack_from("<I" if data[:1] == b"I" else ">I", data, 4)
    if first + 2 > len(data):
        return PhotoHeader("TIFF", 0, 0, complete=False)
    tags = TagBlock(data).first_directory()
    # NEF, ARW, PEF and DNG are TIFF files whose first picture is only a thumbnail.
    if _DNG_VERSION in tags or tags.integer(_NEW_SUBFILE_TYPE, default=0) & 1:
        raise _RawInTiffError
    if _is_misread_by_opencv(tags):
        raise _UnreadableKindError("a 16-bit TIFF of an unusual layout", "Save it as JPEG or as an 8-bit RGB TIFF first.")
    return PhotoHeader("TIFF", tags.integer(_WIDTH), tags.integer(_HEIGHT), exif=data)


def _is_misread_by_opencv(tags: TagDirectory) -> bool:
    """OpenCV reads more than 8 bits as grey or RGB side by side, whatever the file says: other layouts come out wrong."""
    if tags.integer(_BITS, default=1) <= 8:
        return False
    photometric = tags.integer(_PHOTOMETRIC, default=_RGB)
    return photometric not in (_GREY, _RGB) or (photometric == _RGB and tags.integer(_PLANAR, default=1) != 1)


_READERS = {"JPEG": _read_jpeg, "PNG": _read_png, "TIFF": _read_tiff, "BMP": _read_bmp, "WebP": _read_webp}
