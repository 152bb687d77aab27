"""Events: the photos of one burst, grouped by camera and the camera's clock, and their combined answer.

A photo belongs to the newest event of its camera that it is within the gap of, before or after, also where that event was closed: a
card may bring the rest of a burst later. Arrival proves nothing, a card or a stripped folder arrives all at once: a photo without a
camera clock is an event of its own. The frames of one video are one event. An event holds at most a hundred photos, so that a herd
that grazes before the camera all day does not become one event.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np

from reid_edge.watch.answer.combining import Sight, Similarity, combine, group_animals
from reid_edge.watch.ledger.ledger import Ledger

_MOST_PHOTOS = 100


def event_for(ledger: Ledger, camera: str, taken_at: str | None, seconds: float, video: int | None = None) -> int:
    """The event that a photo of this camera belongs to, made where there is none; within the transaction of the photo.

    Args:
        taken_at: by the camera's clock; None where it is not known.
        seconds: the gap within which photos are one event.
        video: the file that the photo is a frame of.
    """
    event = None
    if video is not None:
        event = ledger.event_of_video(video, _MOST_PHOTOS)
    elif taken_at is not None:
        event = ledger.event_between(camera, shifted(taken_at, -seconds), shifted(taken_at, seconds), _MOST_PHOTOS)
    if event is None:
        return ledger.add_event(camera, taken_at)
    if taken_at is not None:
        ledger.extend_event(event, taken_at)
    return event


def revise(ledger: Ledger, event: int, similarity: Similarity | None, closed: bool = False) -> None:
    """Combine an event's photos anew and post its next revision; within the transaction of what changed it.

    Args:
        closed: nothing more is expected: the vectors that were kept to combine photos are deleted.
    """
    groups = group_animals(_sights(ledger, event), similarity)
    ledger.revise_event(event, [combine(group) for group in groups], closed)
    ledger.post_event(event)


def close_event(ledger: Ledger, event: int, similarity: Similarity | None, enrol: bool) -> None:
    """Close an event and post its last revision; with `enrol`, its new animals are to be enrolled."""
    with ledger.transaction():
        revise(ledger, event, similarity, closed=True)
        if enrol:
            ledger.request_enrolments(event)


def shifted(text: str, seconds: float) -> str:
    """A camera's time so many seconds later; the same time where no calendar has that."""
    try:
        return (datetime.fromisoformat(text) + timedelta(seconds=seconds)).isoformat(timespec="seconds")
    except OverflowError:
        return text


def _sights(ledger: Ledger, event: int) -> list[Sight]:
    sights = []
    for animal in ledger.animals_of_event(event):
        probabilities = {each["identity"]: each["probability"] for each in animal.decision["ranking"]}
        vector = None if animal.vector is None else np.frombuffer(animal.vector, np.float32)
        unknown = animal.decision["unknown"]
        sights.append(Sight(animal.id, animal.photo_id, animal.verdict, animal.identity, probabilities, unknown, vector))
    return sights
