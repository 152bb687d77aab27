"""What a synchronisation could not decide: a decision that contradicts an earlier one is a question, until a person closes it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reid_edge.errors import GalleryError
from reid_edge.gallery.decisions import Decisions
from reid_edge.gallery.history import recording
from reid_edge.gallery.records import Event
from reid_edge.gallery.sync.about import QuestionSubjects, subject
from reid_edge.gallery.sync.rows import Names

_LOOKED_AT = 5000  # events: what contradicts a decision is rarely older

REASONS = {
    "changed": "somebody else changed the same thing since",
    "gone": "what it is about was removed or merged since",
    "name": "another individual has that name",
    "photo": "the animal of that photo is there under another name",
    "review": "somebody else answered about the same animal",
    "kept": "the individual has photos or answers that the station did not know",
    "undo": "a later decision stands on it",
    "pair": "somebody else said or decided the opposite of the same two",
}
"""By code, why a decision was not carried out as it was; with `name`, a new individual was added under another name."""


@dataclass(frozen=True)
class Question:
    """A decision of a station that contradicts what the hub had.

    Attributes:
        number: names it, in this gallery.
        raised_at: when it was synchronised, ISO 8601 in UTC.
        reason: a code of `REASONS`.
        decision: what was decided, in a few words.
        station, sequence, batch: of the event.
        decided_at: when it was decided, by the clock of the station.
        added_as: the name of the individual that was added; '' where nothing was.
    """

    number: int
    raised_at: str
    reason: str
    decision: str
    station: str
    sequence: int
    batch: str
    decided_at: str
    added_as: str = ""

    @property
    def sentence(self) -> str:
        """The question in one sentence."""
        return f"A station decided: {self.decision}. {self.outcome}"

    @property
    def outcome(self) -> str:
        """What became of the decision, and why."""
        done = f"It was added as {self.added_as}" if self.added_as else "It was not carried out"
        return f"{done}: {REASONS[self.reason]}."


def open_questions(gallery: Decisions) -> list[Question]:
    """The questions that nobody closed, oldest first."""
    rows = gallery.database.rows("SELECT id, raised_at, reason, facts FROM conflict WHERE live = 1 ORDER BY id")
    return [Question(number, raised_at, reason, **json.loads(facts)) for number, raised_at, reason, facts in rows]


def question_subjects(gallery: Decisions, question: Question) -> QuestionSubjects:
    """What a question is about, as it is now; nothing of a question of an earlier version."""
    sql = "SELECT id, batch, at, kind, payload, undone FROM event WHERE station = ? AND sequence = ?"
    rows = gallery.database.rows(sql, (question.station, question.sequence))
    if not rows:
        return QuestionSubjects()
    number, batch, at, kind, text, undone = rows[0]
    payload, names = json.loads(text), Names(gallery.database)
    about = payload.get("about", {})
    individuals = (subject(names, uid) for uid in about.get("individual", ()))
    sightings = (names.row("sighting", uid) for uid in about.get("sighting", ()))
    return QuestionSubjects(
        Event(number, batch, at, kind, payload, bool(undone)),
        tuple(dict.fromkeys(each for each in individuals if each is not None)),
        subject(names, about.get("into")),
        tuple(dict.fromkeys(each for each in sightings if each is not None)),
        about.get("notes", {}),
    )


def decisions_about(gallery: Decisions, subjects: QuestionSubjects, limit: int = 5) -> list[Event]:
    """The newest decisions that changed what a question is about, other than the one that it asks about, newest first."""
    rows = {("individual", each.row) for each in subjects.individuals} | {("sighting", each) for each in subjects.sightings}
    found: list[Event] = []
    for number, batch, at, kind, payload, undone, changes in gallery.database.rows(
        "SELECT id, batch, at, kind, payload, undone, changes FROM event WHERE undone = 0 AND kind <> 'undo' ORDER BY id DESC LIMIT ?",
        (_LOOKED_AT,),
    ):
        is_about = any((table, row) in rows for table, row, *_ in json.loads(changes))
        if is_about and not (subjects.event and subjects.event.id == number):
            found.append(Event(number, batch, at, kind, json.loads(payload), bool(undone)))
        if len(found) == limit:
            break
    return found


def close_question(gallery: Decisions, number: int, batch: str | None = None) -> None:
    """Note that a question is answered: by the decisions that were made since, or because nothing has to be done.

    Raises:
        GalleryError: there is no such open question.
    """
    with gallery.database.transaction():
        question = next((each for each in open_questions(gallery) if each.number == number), None)
        if question is None:
            raise GalleryError(f"There is no open question {number}.", "See the numbers: reid-edge gallery questions.")
        payload: Mapping[str, Any] = {"question": number, "decision": question.decision}
        with recording(gallery.database, batch or gallery.new_batch(), "close", payload) as record:
            record.set("conflict", number, "live", 0)
