"""Which photos of an individual were taken together, where the labels do not say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from reid_edge_calibration.labels.labelled_photo import LabelledPhoto
from reid_edge_calibration.labels.photo_print import MOST_BITS, photo_print
from reid_edge_calibration.progress import Progress

ENCOUNTER = timedelta(minutes=30)
"""Photos of one individual that are no further apart are of one encounter."""


def infer_encounters(
    photos: Sequence[LabelledPhoto], noted: Mapping[Path, str], name: str, progress: Progress
) -> dict[Path, str]:
    """An encounter for each photo: photos of one individual are together that were taken within `ENCOUNTER`, or are near-duplicates.

    Args:
        photos: one label a photo.
        noted: what is noted of when each was taken, see `dates.noted_dates`.
        name: of the photos, for messages.
        progress: wraps a list and a word for it; every photo is read once.
    """
    prints = {
        each.enrolment.path: photo_print(each.enrolment.path).bits for each in progress(photos, f"Looking for bursts in {name}")
    }
    encounter: dict[Path, str] = {}
    own: dict[str, list[Path]] = {}
    for each in photos:
        own.setdefault(each.enrolment.identity, []).append(each.enrolment.path)
    for identity, paths in own.items():
        group = list(range(len(paths)))
        for place, path in enumerate(paths):
            for earlier in range(place):
                if group[earlier] != group[place] and _together(path, paths[earlier], noted, prints):
                    joined = group[place]
                    group = [group[earlier] if each == joined else each for each in group]
        encounter |= {path: f"{identity} {number}" for path, number in zip(paths, group, strict=True)}
    return encounter


def labels_tell_encounters(photos: Sequence[LabelledPhoto]) -> bool:
    """Whether the labels say which photos were taken together: half of the photos have a date, or an encounter that another photo has
    too. A column that gives each photo an encounter of its own says nothing.
    """
    size = Counter((each.enrolment.identity, each.enrolment.encounter) for each in photos if each.enrolment.encounter)
    told = [bool(each.enrolment.taken_at) or size[each.enrolment.identity, each.enrolment.encounter] > 1 for each in photos]
    return 2 * sum(told) >= len(told)


def _together(one: Path, other: Path, noted: Mapping[Path, str], prints: Mapping[Path, np.ndarray | None]) -> bool:
    first, second = time_of(noted.get(one, "")), time_of(noted.get(other, ""))
    if first and second:
        return abs(first - second) <= ENCOUNTER
    bits, others = prints[one], prints[other]
    return bits is not None and others is not None and int((bits != others).sum()) <= MOST_BITS


def time_of(text: str) -> datetime | None:
    """When a photo was taken, as the camera's clock wrote it; None where a day or less is written."""
    for form in ("%Y:%m:%d %H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M"):
        try:
            return datetime.strptime(text.strip()[:19], form)
        except ValueError:
            continue
    return None
