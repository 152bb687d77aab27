"""Events: the photos of one burst, grouped by camera and the camera's clock, and their combined answer.

A photo belongs to the newest event of its camera that it is within the gap of, before or after, also where that event was closed: a
card may bring the rest of a burst later. Arrival proves nothing, a card or a stripped folder arrives all at once: a photo without a
camera clock is an event of its own. The frames of one video are one event. An event holds at most a hundred photos, so that a herd
that grazes before the camera all day does not become one event.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid_edge.decide.combining import Sight, Similarity, as_reviewed, combine, group_animals
from reid_edge.decide.facts import ReviewFacts
from reid_edge.watch.ledger.ledger import Ledger
from reid_edge.watch.ledger.records import PhotoAnimal

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


def regroup(ledger: Ledger, event: int, similarity: Similarity | None) -> None:
    """Decide anew which animals of an event's photos are one animal; within the transaction of what changed it."""
    sights = [_computed(animal) for animal in ledger.animals_of_event(event) if not animal.drawn]
    ledger.set_groups([[sight.animal for sight in group] for group in group_animals(sights, similarity)])


def revise(ledger: Ledger, event: int, closed: bool = False, reviewed: bool = False) -> bool:
    """Combine an event's photos anew and post its next revision; within the transaction of what changed it.

    Args:
        closed: nothing more is expected: the vectors that were kept to combine photos are deleted.
        reviewed: what changed is what people said: where the event stays the same, nothing is posted.

    Returns:
        Whether a revision was posted.
    """
    groups: dict[tuple[bool, int], list[Sight]] = {}
    for animal in ledger.animals_of_event(event):
        key = (animal.drawn, animal.id if animal.group is None else animal.group)
        groups.setdefault(key, []).append(_current(animal))
    animals = [combine(group) for group in as_reviewed([groups[key] for key in sorted(groups)])]
    if reviewed and [each.rounded() for each in animals] == [each for _, _, each in ledger.event_animals(event, event)]:
        return False
    ledger.revise_event(event, animals, closed)
    ledger.post_event(event, reviewed)
    return True


def close_event(ledger: Ledger, event: int, similarity: Similarity | None, enrol: bool) -> None:
    """Close an event and post its last revision; with `enrol`, its new animals are to be enrolled."""
    with ledger.transaction():
        regroup(ledger, event, similarity)
        revise(ledger, event, closed=True)
        if enrol:
            ledger.request_enrolments(event)


def shifted(text: str, seconds: float) -> str:
    """A camera's time so many seconds later; the same time where no calendar has that."""
    try:
        return (datetime.fromisoformat(text) + timedelta(seconds=seconds)).isoformat(timespec="seconds")
    except OverflowError:
        return text


def _computed(animal: PhotoAnimal) -> Sight:
    """An animal as it was answered, without what people said."""
    vector = None if animal.vector is None else np.frombuffer(animal.vector, np.float32)
    return _sight(animal, animal.decision, vector)


def _current(animal: PhotoAnimal) -> Sight:
    """An animal with what people said."""
    decision = animal.current or animal.decision
    sight = _sight(animal, decision, None)
    facts = ReviewFacts(**decision["review"]) if decision.get("review") else None
    return replace(sight, review=facts) if facts is not None and facts.is_final else sight


def _sight(animal: PhotoAnimal, decision: Mapping[str, Any], vector: NDArray[np.float32] | None) -> Sight:
    probabilities = {each["identity"]: each["probability"] for each in decision["ranking"]}
    verdict, identity, unknown = decision["verdict"], decision["identity"], decision["unknown"]
    return Sight(animal.id, animal.photo_id, verdict, identity, probabilities, unknown, vector)
