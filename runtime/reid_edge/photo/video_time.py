"""When a video was begun, from its container: MP4 and QuickTime (ISO/IEC 14496-12; QuickTime File Format), and AVI (its chunk IDIT)."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from reid_edge.photo.exif import read_time
from reid_edge.photo.tags import BrokenTagsError

_EPOCH = datetime(1904, 1, 1)
_MOST_BOXES = 1000
_MOST_BYTES = 1 << 24  # of the box moov
_HEAD_BYTES = 1 << 16
_APPLE_DATE = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:Z|[+-]\d\d:?\d\d)")
_AVI_DATE = re.compile(rb"[A-Za-z]{3} ([A-Za-z]{3}) +(\d{1,2}) (\d\d:\d\d:\d\d) (\d{4})")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def video_taken_at(path: Path) -> str | None:
    """`YYYY-MM-DDTHH:MM:SS` as the container has it; None where it has none, or it cannot be read.

    QuickTime's `com.apple.quicktime.creationdate` is local time. That of the box mvhd should be UTC, but camera traps, which know no zone,
    write the time of their clock; it is taken as that.
    """
    try:
        with path.open("rb") as file:
            head = file.read(12)
            if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
                return _of_avi(file.read(_HEAD_BYTES))
            return next((_of_movie(content) for content in _boxes(file, b"moov")), None)
    except (OSError, struct.error, BrokenTagsError, OverflowError, ValueError):
        return None


def _boxes(file: BinaryIO, wanted: bytes) -> Iterator[bytes]:
    """The contents of the boxes of a kind at the top of an MP4 file."""
    at = 0
    for _ in range(_MOST_BOXES):
        file.seek(at)
        head = file.read(16)
        if len(head) < 8:
            return
        size, kind = struct.unpack_from(">I4s", head)
        header = 8
        if size == 1 and len(head) == 16:
            (size,), header = struct.unpack_from(">Q", head, 8), 16
        if kind == wanted:
            file.seek(at + header)
            yield file.read(min(max(size - header, 0), _MOST_BYTES) if size else _MOST_BYTES)
        if size < header:
            return
        at += size


def _of_movie(moov: bytes) -> str | None:
    local = _APPLE_DATE.search(moov) if b"com.apple.quicktime.creationdate" in moov else None
    if local:
        return read_time(local[0].decode("ascii"))
    at = moov.find(b"mvhd") + 4
    if at < 4:
        return None
    (seconds,) = struct.unpack_from(">Q" if moov[at] == 1 else ">I", moov, at + 4)
    when = _EPOCH + timedelta(seconds=seconds)
    return when.isoformat() if seconds and when != datetime(1970, 1, 1) else None


def _of_avi(head: bytes) -> str | None:
    at = head.find(b"IDIT")
    if at < 0:
        return None
    (size,) = struct.unpack_from("<I", head, at + 4)
    text = head[at + 8 : at + 8 + min(size, 64)].split(b"\0")[0].strip()
    found = _AVI_DATE.match(text)
    if found is None:
        return read_time(text.decode("latin-1"))
    month = _MONTHS.index(found[1].decode().lower()) + 1
    return read_time(f"{found[4].decode()}:{month}:{found[2].decode()} {found[3].decode()}")
