"""EXIF: which way up the camera was held, when and where; a broken block is ignored with a warning, never an error.

Exif 2.32 (CIPA DC-008), sections 4.6.4 to 4.6.6.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from reid_edge.photo.tags import BrokenTagsError, TagBlock, TagDirectory

_ORIENTATION, _EXIF_DIRECTORY, _GPS_DIRECTORY = 0x0112, 0x8769, 0x8825
_DATE_TIME, _DATE_TIME_ORIGINAL, _DATE_TIME_DIGITIZED = 0x0132, 0x9003, 0x9004
_LATITUDE_REF, _LATITUDE, _LONGITUDE_REF, _LONGITUDE, _GPS_STATUS = 1, 2, 3, 4, 9

T = TypeVar("T")


@dataclass(frozen=True)
class Exif:
    """What a camera noted beside the pixels.

    Attributes:
        orientation: 1 to 8, how the stored rows and columns lie in the scene (Exif 2.32, tag 274); 1 is upright.
        taken_at: `YYYY-MM-DDTHH:MM:SS` by the camera's clock, which has no zone: DateTimeOriginal, else DateTimeDigitized, else DateTime;
            None where none of them is a time.
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
    """The first tag that holds a time. Raises BrokenTagsError where none does, and one of them cannot be read."""
    broken: BrokenTagsError | None = None

    def directory() -> TagDirectory:
        return tags.directory(first.integer(_EXIF_DIRECTORY)) if _EXIF_DIRECTORY in first else first

    for where, tag in ((directory, _DATE_TIME_ORIGINAL), (directory, _DATE_TIME_DIGITIZED), (lambda: first, _DATE_TIME)):
        try:
            found = where()
            taken_at = read_time(found.text(tag)) if tag in found else None
        except BrokenTagsError as error:
            broken = broken or error
        else:
            if taken_at is not None:
                return taken_at
    if broken is not None:
        raise broken
    return None


# Exif writes 2024:05:01 10:00:00. Cameras and programs also write other separators, a T, parts of a second, a zone, AM and PM.
_TIME = re.compile(
    r"(\d{4})([:/.\- ]?)(\d{1,2})\2(\d{1,2})[T ,]*(\d{1,2})([:.\-]?)(\d{2})(?:\6(\d{2}))?(?:[.,:]\d+)?"
    r"\s*([ap]m)?\s*(?:z|utc|[+-]\d\d:?\d\d)?",
    re.IGNORECASE,
)


def read_time(text: str) -> str | None:
    """A date and time in any common spelling, year first, as `YYYY-MM-DDTHH:MM:SS`; a zone is dropped: the time is the camera's own.

    None for what a camera without a clock writes: blanks, zeros, or the beginning of 1970.

    Raises:
        BrokenTagsError: it is none.
    """
    text = text.strip(" \0")
    if not text.strip("0:/.- T"):
        return None
    found = _TIME.fullmatch(text)
    try:
        if found is None:
            raise ValueError
        year, _, month, day, hour, _, minute, second, half = found.groups()
        hours = int(hour) % 12 + (12 if half.lower() == "pm" else 0) if half else int(hour)
        seconds = 59 if second == "60" else int(second or 0)  # a leap second
        when = datetime(int(year), int(month), int(day), 0 if hours == 24 else hours, int(minute), seconds)
    except ValueError:
        raise BrokenTagsError(f"{text!r} is not a date and time") from None
    when += timedelta(days=hours == 24)  # midnight, as some cameras count
    return None if when == datetime(1970, 1, 1) else when.isoformat()


def _place(tags: TagBlock, first: TagDirectory) -> tuple[float, float] | None:
    if _GPS_DIRECTORY not in first:
        return None
    gps = tags.directory(first.integer(_GPS_DIRECTORY))
    if _LATITUDE not in gps or _LONGITUDE not in gps or (_GPS_STATUS in gps and gps.text(_GPS_STATUS).upper() == "V"):
        return None
    if not any(gps.numerators(_LATITUDE) + gps.numerators(_LONGITUDE)):
        return None  # zeros, also 0/0: a receiver without a fix; no camera trap stands in the Gulf of Guinea
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
    if not all(0 <= part <= 60 for part in parts[1:]):
        raise BrokenTagsError(f"{parts[1]:.6g} minutes and {parts[2]:.6g} seconds are out of range")
    degrees = parts[0] + parts[1] / 60 + parts[2] / 3600
    if not 0 <= degrees <= most:
        raise BrokenTagsError(f"{degrees:.6g} degrees are out of range")
    return degrees if letter == letters[0] else -degrees
