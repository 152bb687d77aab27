"""On which day a photo was taken: from its label, or from what the camera noted."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from reid_edge.errors import PhotoError
from reid_edge.photo import read_header
from reid_edge.photo.exif import read_exif
from reid_edge_calibration.labels.labelled_photo import LabelledPhoto
from reid_edge_calibration.progress import Progress

# ISO 8601 and the form of EXIF, 2020:01:31 14:05:00. What begins with the day or the month is not guessed at.
_DATE = re.compile(
    r"(\d{4})(?:([-:/.])(\d{1,2})(?:\2(\d{1,2}))?|(\d{2})(\d{2}))?(?:[T ]\s*[\d:.,]+\s*(?:Z|UTC|[+-]\d{2}:?\d{2})?)?", re.I
)


def day_of(text: str) -> str | None:
    """The day as ``2020-01-31``, the month or year where no more is written, '' for an empty date; None where it is no date.

    The day is the written one, whatever the time zone.
    """
    if not text.strip("0:-/ T.Z"):  # a camera whose clock was never set writes zeros
        return ""
    match = _DATE.fullmatch(text.strip())
    if not match:
        return None
    year, _, month, day, plain_month, plain_day = match.groups()
    month, day = month or plain_month, day or plain_day
    try:
        date(int(year), int(month or 1), int(day or 1))
    except ValueError:
        return None
    return "-".join([year, *(f"{int(part):02d}" for part in (month, day) if part)])


def noted_dates(photos: Sequence[LabelledPhoto], progress: Progress) -> dict[Path, str]:
    """What is noted of when each photo was taken, '' where nothing is: the label's date, or else that of the photo's EXIF block."""
    noted = {photo.enrolment.path: photo.enrolment.taken_at for photo in photos}
    undated = [path for path, text in noted.items() if not text]
    for path in progress(undated, "Reading dates") if undated else ():
        noted[path] = _exif_date(path)
    return noted


def _exif_date(path: Path) -> str:
    """'' of what cannot be read, too: describing the photo will say why."""
    try:
        return read_exif(read_header(path.read_bytes(), path.name).exif).taken_at or ""
    except (OSError, PhotoError):
        return ""
