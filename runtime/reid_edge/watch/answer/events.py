"""Events: the photos of one burst, grouped by camera and the camera's clock, and what they say together.

A photo belongs to the newest event of its camera that it is within the gap of, before or after, also where that event was closed: a
card may bring the rest of a burst later. Arrival proves nothing, a card or a stripped folder arrives all at once: a photo without a
camera clock is an event of its own. The frames of one video are one event. An event holds at most a hundred photos, so that a herd
that grazes before the camera all day does not become one event.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from reid_edge.storage.clock import now
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
    database = ledger.database
    rows = []
    if video is not None:
        rows = database.rows(
            "SELECT event_id FROM photo WHERE frame_of = ? AND event_id = (SELECT max(event_id) FROM photo WHERE frame_of = ?) "
            "GROUP BY event_id HAVING count(*) < ?",
            (video, video, _MOST_PHOTOS),
        )
    elif taken_at is not None:
        rows = database.rows(
            "SELECT id FROM event WHERE camera = ? AND first_taken_at <= ? AND last_taken_at >= ? "
            "AND (SELECT count(*) FROM photo WHERE event_id = event.id) < ? ORDER BY id DESC LIMIT 1",
            (camera, moved(taken_at, seconds), moved(taken_at, -seconds), _MOST_PHOTOS),
        )
    if not rows:
        return database.insert("event", camera=camera, first_taken_at=taken_at, last_taken_at=taken_at)
    event = int(rows[0][0])
    if taken_at is not None:
        database.execute(
            "UPDATE event SET first_taken_at = min(first_taken_at, ?), last_taken_at = max(last_taken_at, ?), closed = 0 WHERE id = ?",
            (taken_at, taken_at, event),
        )
    return event


def revise(ledger: Ledger, event: int, similarity: Similarity | None, closed: bool = False) -> None:
    """Combine an event's photos anew and post its next revision; within the transaction of what changed it.

    Args:
        closed: nothing more is expected: what was kept to combine photos is given up.
    """
    database = ledger.database
    groups = [combine(group) for group in group_animals(_sights(ledger, event), similarity)]
    database.execute("DELETE FROM event_animal WHERE event_id = ?", (event,))
    for index, animal in enumerate(groups):
        ranking = [{"identity": name, "probability": round(value, 6)} for name, value in animal.ranking]
        database.insert(
            "event_animal",
            event_id=event,
            animal_index=index,
            verdict=animal.verdict,
            identity=animal.identity,
            probability=round(animal.probability, 6),
            unknown=round(animal.unknown, 6),
            photos=json.dumps(animal.animals),
            ranking=json.dumps(ranking, ensure_ascii=False),
        )
    database.execute("UPDATE event SET revision = revision + 1, closed = ? WHERE id = ?", (int(closed), event))
    if closed:
        database.execute("UPDATE animal SET vector = NULL WHERE photo_id IN (SELECT id FROM photo WHERE event_id = ?)", (event,))
    told = ledger.event(event)
    ledger.post("event", f"event:{event}:{told.revision}", told.camera, told.body)


def close_event(ledger: Ledger, event: int, similarity: Similarity | None, enrol: bool) -> None:
    """Close an event and post its last revision; with `enrol`, its new animals are to be enrolled."""
    with ledger.transaction():
        revise(ledger, event, similarity, closed=True)
        if enrol:
            ledger.database.execute(
                "INSERT OR IGNORE INTO enrolment SELECT event_id, animal_index, '', '', ? FROM event_animal "
                "WHERE event_id = ? AND verdict = 'new'",
                (now(), event),
            )


@dataclass(frozen=True)
class OpenEvent:
    """An event that further photos may join."""

    id: int
    camera: str
    last_taken_at: str | None


def open_events(ledger: Ledger) -> list[OpenEvent]:
    """All of them, in their order."""
    return [
        OpenEvent(*row)
        for row in ledger.database.rows("SELECT id, camera, last_taken_at FROM event WHERE closed = 0 ORDER BY id")
    ]


def _sights(ledger: Ledger, event: int) -> list[Sight]:
    rows = ledger.database.rows(
        "SELECT animal.id, photo_id, animal.verdict, animal.identity, decision, vector FROM animal "
        "JOIN photo ON photo.id = animal.photo_id WHERE event_id = ? ORDER BY photo.taken_at, photo.id, animal_index",
        (event,),
    )
    sights = []
    for animal, photo, verdict, identity, text, vector in rows:
        decision = json.loads(text)
        probabilities = {each["identity"]: each["probability"] for each in decision["ranking"]}
        kept = None if vector is None else np.frombuffer(vector, np.float32)
        sights.append(Sight(animal, photo, verdict, identity, probabilities, decision["unknown"], kept))
    return sights


def moved(text: str, seconds: float) -> str:
    """A camera's time so many seconds later; the same time where no calendar has that."""
    try:
        return (datetime.fromisoformat(text) + timedelta(seconds=seconds)).isoformat(timespec="seconds")
    except OverflowError:
        return text
