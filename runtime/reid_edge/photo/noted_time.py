"""When a photo or video was taken, from the first bytes of its file, without decoding it."""

from __future__ import annotations

import os
from pathlib import Path

from reid_edge.errors import PhotoError
from reid_edge.name_time import NameTime
from reid_edge.photo.exif import read_exif
from reid_edge.photo.header import read_header
from reid_edge.photo.video import VIDEO_EXTENSIONS
from reid_edge.photo.video_time import video_taken_at

_HEAD_BYTES = 1 << 18


def read_head(path: Path) -> bytes:
    """The first bytes of a file; none where it cannot be read, which reading the whole of it reports."""
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            return file.read(_HEAD_BYTES)
    except OSError:
        return b""


def exif_of_head(head: bytes) -> bytes:
    """The EXIF block in the first bytes of a photo; empty where there is none."""
    try:
        return read_header(head, "photo").exif
    except PhotoError:
        return b""


def noted_time(path: Path, head: bytes | None = None, pattern: NameTime | None = None) -> str | None:
    """`YYYY-MM-DDTHH:MM:SS` by the camera's clock, from the file, else from its name; None where neither has a time.

    Args:
        path: of a photo or a video.
        head: the photo's first bytes, where they are read already.
        pattern: of the times in names.
    """
    if path.suffix.lower() in VIDEO_EXTENSIONS:
        noted = video_taken_at(path)
    else:
        noted = read_exif(exif_of_head(read_head(path) if head is None else head)).taken_at
    return noted or (pattern.of(path.name) if pattern else None)
