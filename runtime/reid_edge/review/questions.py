"""The questions of a synchronisation as the page shows them: both sides, and the answers, each of which is a usual decision.

An answer and the closing of its question are one transaction, which one undo takes back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from reid_edge.errors import GalleryError, UsageError
from reid_edge.gallery import Event, Gallery, NewPairAnswer, NewReview, Sighting
from reid_edge.gallery.changes import Position
from reid_edge.gallery.history import REVIEW_KINDS, acting_as
from reid_edge.gallery.pair_answers import pair_of
from reid_edge.gallery.sync import Question, close_question, open_questions
from reid_edge.gallery.sync.about import QuestionSubjects, Subject
from reid_edge.gallery.sync.questions import decisions_about, question_subjects
from reid_edge.gallery.unchanged import About, StateConflict
from reid_edge.review.deciding import review_kind

_PICTURES = 4  # of each individual

Decide = Callable[[str, str], object]
"""Makes a decision, in the batch and as the person that it is given."""


@dataclass(frozen=True)
class QuestionAnswer:
    """One way to answer: `code` names it in addresses, `label` says what it does."""

    code: str
    label: str
    decide: Decide


@dataclass(frozen=True)
class Side:
    """An individual that a question is about, with its photos."""

    subject: Subject
    sightings: Sequence[Sighting]
    photos: int


@dataclass(frozen=True)
class QuestionCard:
    """One question.

    Attributes:
        question: see there.
        sides: the individuals, as the gallery has them.
        photos: ids of the sightings that the decision is about, also of hidden ones: their thumbnails are shown.
        decisions: what others decided about the same, newest first.
        answers: the last one leaves the catalogue as it is.
    """

    question: Question
    sides: Sequence[Side]
    photos: Sequence[int]
    decisions: Sequence[Event]
    answers: Sequence[QuestionAnswer]


class QuestionConflict(GalleryError):
    """Somebody else has answered the question since the caller looked; nothing was stored."""

    def __init__(self) -> None:
        super().__init__("Meanwhile somebody answered this question.", "Look at the next one.")


def question_card(gallery: Gallery, question: Question) -> QuestionCard:
    """What the page shows of a question."""
    subjects, sides = question_subjects(gallery, question), []
    alike = [] if not question.added_as else [name for name in _of_one_name(question) if name in gallery.names()]
    named = [Subject(gallery.individual_id(name), name, name) for name in alike]
    for each in dict.fromkeys((*subjects.individuals, *named)):
        sightings = gallery.sightings(individual=each.now) if each.now else []
        sides.append(Side(each, sightings[:_PICTURES], len(sightings)))
    return QuestionCard(
        question, sides, subjects.sightings[:_PICTURES], decisions_about(gallery, subjects), _answers(gallery, question, subjects)
    )


def answer_question(gallery: Gallery, number: int, code: str, person: str, seen: Position) -> str:
    """Make the decision of an answer and close the question, as one batch; returns what was done, in a few words.

    Args:
        gallery: writable.
        number: of the question.
        code: of the answer.
        person: who answers.
        seen: how far the gallery was when the question was shown.

    Raises:
        QuestionConflict: somebody else answered it meanwhile.
        StateConflict: somebody changed what it is about.
        UsageError: it has no such answer.
        GalleryError, StorageError: the decision cannot be made; the question stays open.
    """
    with gallery.transaction(), acting_as(person):
        question = next((each for each in open_questions(gallery) if each.number == number), None)
        if question is None:
            raise QuestionConflict
        subjects = question_subjects(gallery, question)
        individuals = [("individual", each.row) for each in subjects.individuals]
        rows = (*individuals, *(("sighting", each) for each in subjects.sightings), *_answered_rows(gallery, subjects, seen))
        names = (*(each.now for each in subjects.individuals if each.now), *_of_one_name(question))
        gallery.check_unchanged(seen, About(names, rows=rows))
        answer = next((each for each in _answers(gallery, question, subjects) if each.code == code), None)
        if answer is None:
            raise UsageError(f"The question has no answer {code[:40]!r}.", "Open Questions again.")
        batch = gallery.new_batch()
        answer.decide(batch, person)
        close_question(gallery, number, batch)
        return answer.label


def _answered_rows(gallery: Gallery, subjects: QuestionSubjects, seen: Position) -> Iterator[tuple[str, int]]:
    """The reviews of the animal that the question is about; raises where somebody answered about its pair since."""
    payload = subjects.event.payload if subjects.event else {}
    if "photo_sha256" in payload:
        yield from (
            ("review", each.sequence) for each in gallery.reviews_of(payload["photo_sha256"], payload.get("animal_index"))
        )
    if subjects.event and subjects.event.kind == "pair":
        later = [each for each in gallery.history() if each.id > seen.event and each.kind == "pair" and not each.undone]
        same = [each for each in later if pair_of(each.payload) == pair_of(payload)]
        if same:
            raise StateConflict(same)


def _answers(gallery: Gallery, question: Question, subjects: QuestionSubjects) -> list[QuestionAnswer]:
    carried_out = _merge_of_one_name(question, gallery) if question.added_as else _carry_out(gallery, subjects)
    keep = "They are two: keep both names" if question.added_as else "Keep the catalogue as it is"
    return [*carried_out, QuestionAnswer("keep", keep, lambda batch, person: None)]


def _of_one_name(question: Question) -> tuple[str, ...]:
    """The name under which a new individual was added, and the one that was taken; nothing of other questions."""
    return (question.added_as, question.added_as.rpartition(" (")[0]) if question.added_as else ()


def _merge_of_one_name(question: Question, gallery: Gallery) -> list[QuestionAnswer]:
    """Two stations named new animals alike."""
    added, name = _of_one_name(question)
    if not {added, name} <= set(gallery.names()):
        return []
    label = f"They are one: merge {added} into {name}"
    return [QuestionAnswer("carry-out", label, lambda batch, _: gallery.merge([added], name, batch))]


def _carry_out(gallery: Gallery, subjects: QuestionSubjects) -> list[QuestionAnswer]:
    """The station's decision, made now, where all that it needs is there."""
    event = subjects.event
    if event is None:
        return []
    kind, payload = event.kind, event.payload
    live = list(gallery.present_sightings(subjects.sightings))
    first = next((each.now for each in subjects.individuals if each.now), "")
    into = subjects.into.now if subjects.into else ""
    label, decide = "", cast("Decide", _nothing)
    if kind == "rename" and first and payload["new"] not in gallery.names():
        label, decide = f"Rename {first} to {payload['new']}", lambda batch, _: gallery.rename(first, payload["new"], batch)
    elif kind == "annotate" and first:
        label, decide = (
            f"Note of {first}: {payload['what']}",
            lambda batch, _: gallery.annotate(first, **subjects.notes, batch=batch),
        )
    elif kind == "merge":
        sources = sorted({each.now for each in subjects.individuals if each.now and each.now != into})
        if sources and into:
            label, decide = f"Merge {', '.join(sources)} into {into}", lambda batch, _: gallery.merge(sources, into, batch)
    elif kind == "remove":
        label, decide = _removal(gallery, payload["identity"], live, first)
    elif kind in ("split", "reassign", "add"):
        photos = live or _of_photo(gallery, payload)
        name = into or str(payload.get("new") or payload["identity"])
        label, decide = _move(gallery, photos, name)
    elif kind == "viewpoint" and live:
        viewpoint = str(payload["viewpoint"])
        label, decide = f"The photos show the side: {viewpoint}", lambda batch, _: gallery.set_viewpoint(live, viewpoint, batch)
    elif kind == "pair":
        label, decide = _pair(gallery, payload)
    elif kind in REVIEW_KINDS:
        label, decide = _review(gallery, event, into)
    return [QuestionAnswer("carry-out", label, decide)] if label else []


def _nothing(batch: str, person: str) -> None:
    """Decides nothing."""


def _removal(gallery: Gallery, identity: str, live: list[int], first: str) -> tuple[str, Decide]:
    if first and first == identity:
        return f"Remove {first} with all its photos", lambda batch, _: gallery.remove_individual(first, batch)
    return (f"Remove {len(live)} photos", lambda batch, _: gallery.remove_sightings(live, batch)) if live else ("", _nothing)


def _of_photo(gallery: Gallery, payload: Mapping[str, Any]) -> list[int]:
    """The sighting that the gallery has of the photo that a station enrolled under another name."""
    present = gallery.has_photo(payload["photo_sha256"], payload["animal_index"]) if "photo_sha256" in payload else None
    return [present.id] if present is not None else []


def _move(gallery: Gallery, sightings: list[int], name: str) -> tuple[str, Decide]:
    """Give photos to an individual, or make them a new one."""
    if not sightings:
        return "", _nothing
    what = "the photo" if len(sightings) == 1 else f"{len(sightings)} photos"
    stored = gallery.stored_name(name)
    if stored is not None:
        return f"Move {what} to {stored}", lambda batch, _: gallery.reassign(sightings, stored, batch)
    owner, *more = {each.identity for each in gallery.sightings_of(sightings)}
    if more:
        return "", _nothing
    if len(gallery.sightings(individual=owner)) == len(sightings):
        return f"Rename {owner} to {name}", lambda batch, _: gallery.rename(owner, name, batch)
    return f"Split {what} off as {name}", lambda batch, _: gallery.split(owner, sightings, name, batch)


def _pair(gallery: Gallery, payload: Mapping[str, Any]) -> tuple[str, Decide]:
    sides = {name: tuple(payload[name]) for name in ("first", "second", "shown")}
    if payload["of"] == "individuals" and not {*sides["first"], *sides["second"]} <= set(gallery.names()):
        return "", _nothing
    new = NewPairAnswer(of=payload["of"], answer=payload["answer"], person="", **sides)
    words = {"same": "They are one animal", "different": "They are two animals", "unsure": "It cannot be told"}
    return words[new.answer], lambda batch, person: gallery.answer_pair(replace(new, person=person), batch=batch)


def _review(gallery: Gallery, event: Event, into: str) -> tuple[str, Decide]:
    facts, kind = event.payload, review_kind(event.kind)
    named = kind in ("confirmed", "new", "rejected")
    name = gallery.stored_name(into or facts["identity"]) if named else None
    if kind == "confirmed" and name is None:
        return "", _nothing
    new = NewReview(
        photo_sha256=facts["photo_sha256"],
        kind="confirmed" if kind == "new" and name else kind,
        person="",
        identity=(name or facts["identity"]) if named else None,
        animal_index=facts["animal_index"],
        photo_name=facts["photo_name"],
    )
    words = {"rejected": f"It is not {new.identity}", "not_an_animal": "It is not an animal", "skipped": "Put it off"}
    return words.get(new.kind, f"It is {new.identity}"), lambda batch, person: gallery.review(
        replace(new, person=person), batch=batch
    )
