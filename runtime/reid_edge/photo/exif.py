"""EXIF: which way up the camera was held, when and where; a broken block is ignored with a warning, never an error.

Exif 2.32 (CIPA DC-008), sections 4.6.4 to 4.6.6.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from reid_edge.photo.tags import BrokenTagsError, TagBlock, TagDirectory

_ORIENTATION, _EXIF_DIRECTORY, _GPS_DIRECTORY = 0x0112, 0x8769, 0x8825
_DATE_TIME_ORIGINAL = 0x9003
_LATITUDE_REF, _LATITUDE, _LONGITUDE_REF, _LONGITUDE = 1, 2, 3, 4

T = TypeVar("T")


@dataclass(frozen=True)
class Exif:
    """What a camera noted beside the pixels.

    Attributes:
        orientation: 1 to 8, how the stored rows and columns lie in the scene (Exif 2.32, tag 274); 1 is upright.
        taken_at: DateTimeOriginal as `YYYY-MM-DDTHH:MM:SS`, by the camera's clock, which has no zone; None where not noted.
        latitude: degrees, north positive, -90 to 90; None unless both coordinates are known.
        longitude: degrees, east positive, -180 to 180; None unless both coordinates are known.
        warnings: what could not be used, one sentence each.
    """

    orientation: int = 1
    taken_at: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    warnings: tuple[str, ...] = ()


def read_exif(block: bytes) -> Exif:
    """Read an EXIF block: bytes that begin with a TIFF header; empty bytes mean that there is none. Never raises."""
    if not block:
        return Exif()
    warnings: list[str] = []

    def part(what: str, read: Callable[[], T], default: T) -> T:
        try:
            return read()
        except BrokenTagsError as broken:
            warnings.append(f"The EXIF {what} was ignored: {broken}.")
            return default

    def open_block() -> tuple[TagBlock, TagDirectory]:
        tags = TagBlock(block)
        return tags, tags.first_directory()

    opened = part("block", open_block, None)
    if opened is None:
        return Exif(warnings=tuple(warnings))
    tags, first = opened
    orientation = part("orientation", lambda: _orientation(first), 1)
    taken_at = part("time", lambda: _taken_at(tags, first), None)
    place = part("position", lambda: _place(tags, first), None)
    latitude, longitude = place or (None, None)
    return Exif(orientation, taken_at, latitude, longitude, tuple(warnings))


def _orientation(first: TagDirectory) -> int:
    value = first.integer(_ORIENTATION, default=1)
    if not 1 <= value <= 8:
        raise BrokenTagsError(f"{value} is not one of 1 to 8")
    return value


def _taken_at(tags: TagBlock, first: TagDirectory) -> str | None:
    if _EXIF_DIRECTORY not in first:
        return None
    directory = tags.directory(first.integer(_EXIF_DIRECTORY))
    text = directory.text(_DATE_TIME_ORIGINAL) if _DATE_TIME_ORIGINAL in directory else ""
    if not text.strip("0: "):  # blanks or zeros: a camera whose clock was never set
        return None
    try:
        return datetime.strptime(text, "%Y:%m:%d %H:%M:%S").isoformat()
    except ValueError:
        raise BrokenTagsError(f"{text!r} is not a date and time") from None


def _place(tags: TagBlock, first: TagDirectory) -> tuple[float, float] | None:
    if _GPS_DIRECTORY not in first:
        return None
    gps = tags.directory(first.integer(_GPS_DIRECTORY))
    if _LATITUDE not in gps or _LONGITUDE not in gps:
        return None
    return (
        _degrees(gps, _LATITUDE, _LATITUDE_REF, "NS", 90.0),
        _degrees(gps, _LONGITUDE, _LONGITUDE_REF, "EW", 180.0),
    )


def _degrees(gps: TagDirectory, tag: int, reference_tag: int, letters: str, most: float) -> float:
    """Degrees, minutes and seconds to signed degrees; the first of the two letters is the positive side."""
    parts = gps.fractions(tag)
    letter = gps.text(reference_tag).upper()
    if len(parts) != 3 or letter not in (letters[0], letters[1]):
        raise BrokenTagsError(f"tag {tag} is not degrees, minutes and seconds with a letter of {letters}")
    degrees = parts[0] + parts[1] / 60 + parts[2] / 3600
    if not 0 <= degrees <= most:
        raise BrokenTagsError(f"{degrees:.6g} degrees are out of range")
    return degrees if letter == letters[0] else -degrees
