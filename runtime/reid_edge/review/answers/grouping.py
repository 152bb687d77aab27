"""Answers that no daemon has put into events: photos of one camera within a minute are one event, and its unknown animals one group."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from reid_edge.review.answers.stored import StoredAnswer

EVENT_SECONDS = 60.0
"""The longest pause between two photos of one event, as `reid-edge watch` has it unless it is told another."""


def in_events(answers: Iterable[StoredAnswer]) -> list[StoredAnswer]:
    """The answers in their order, each with its event and its group. A photo without a time is an event of its own."""
    answers = list(answers)
    event_of: dict[str, str] = {}
    last: dict[str, tuple[datetime, str]] = {}
    for answer in sorted(answers, key=lambda each: (each.camera, each.taken_at or "", each.photo)):
        if answer.sha256 in event_of:
            continue
        taken_at = _parsed(answer.taken_at)
        event = answer.sha256
        if taken_at is not None:
            earlier = last.get(answer.camera)
            if earlier and (taken_at - earlier[0]).total_seconds() <= EVENT_SECONDS:
                event = earlier[1]
            last[answer.camera] = taken_at, event
        event_of[answer.sha256] = event
    return [replace(each, event=event_of[each.sha256], group=_group(event_of[each.sha256], each)) for each in answers]


def _group(event: str, answer: StoredAnswer) -> str:
    """Animals with the same likeliest individual belong together, and the first, second, ... unknown animal of each photo."""
    if answer.candidate is not None and answer.verdict != "new" and answer.probability >= answer.unknown:
        return f"{event}/individual/{answer.candidate}"
    return f"{event}/unknown/{answer.index}"


def _parsed(taken_at: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(taken_at) if taken_at else None
    except ValueError:
        return None
