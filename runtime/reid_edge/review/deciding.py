"""From a key press to the gallery: what a person says of a group of animals is one transaction that one undo takes back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast, get_args

from reid_edge.errors import GalleryError, UsageError
from reid_edge.gallery import Gallery, NewReview, Review
from reid_edge.gallery.changes import Position
from reid_edge.gallery.review_records import ReviewKind, answer_facts
from reid_edge.gallery.unchanged import About
from reid_edge.review.answers.stored import AnswerSource
from reid_edge.review.queue import Item


@dataclass(frozen=True)
class Choice:
    """What a person chose.

    Attributes:
        kind: see `reid_edge.gallery.reviews`.
        person: who says it.
        identity: of the individual, '' where the kind names none.
        expected: the newest review that the person has seen of each animal, by the answer's id; see `Gallery.review`.
        seen: how far the gallery was then: nobody may have renamed the individual, or moved the photo, since. None does not check.
    """

    kind: ReviewKind
    person: str
    identity: str
    expected: dict[str, int]
    seen: Position | None = None


def review_kind(text: str) -> ReviewKind:
    """The kind of this name; UsageError where there is none."""
    for kind in get_args(ReviewKind):
        if kind == text:
            return cast("ReviewKind", kind)
    raise UsageError(f"There is no decision {text[:40]!r}.", f"There are: {', '.join(get_args(ReviewKind))}.")


def decide(gallery: Gallery, source: AnswerSource, items: Sequence[Item], choice: Choice) -> list[Review]:
    """Store the same word about each animal; the first of a new individual names it, the others are confirmed as it.

    Raises:
        ReviewConflict, StateConflict: somebody else decided about one of them, or about the individual, meanwhile; nothing is stored.
        UsageError, GalleryError, StorageError: as `Gallery.review`; nothing is stored.
    """
    if not items:
        raise UsageError("No animal was chosen.", "Tick one.")
    batch = gallery.new_batch()
    stored: list[Review] = []
    with gallery.transaction():
        if choice.seen is not None:
            gallery.check_unchanged(choice.seen, _about(gallery, items, choice))
        for item in items:
            answer = item.answer
            decision = source.decision(answer)
            kind: ReviewKind = "confirmed" if choice.kind == "new" and stored else choice.kind
            review = NewReview(
                photo_sha256=answer.sha256,
                kind=kind,
                person=choice.person,
                identity=choice.identity or None,
                animal_index=answer.index,
                box=_edges(decision.animal.box),
                photo_name=answer.photo,
                answer=answer_facts(decision.as_json()),
            )
            stored.append(gallery.review(review, choice.expected.get(answer.id, item.sequence), None, batch))
    return stored


def last_batch(gallery: Gallery, person: str) -> str:
    """The newest batch of a person that is not undone.

    Raises:
        GalleryError: there is none.
    """
    for event in gallery.history(limit=500):
        if event.kind != "undo" and not event.undone and event.payload.get("person") == person:
            return event.batch
    raise GalleryError("There is nothing of yours to undo.", "The page History undoes what others decided.")


def _about(gallery: Gallery, items: Sequence[Item], choice: Choice) -> About:
    """The individual that is named, and the photos as the gallery holds them; the background enrols photos under reviews of before."""
    present = [gallery.has_photo(item.answer.sha256, item.answer.index) for item in items]
    return About(
        (choice.identity,) if choice.identity else (),
        tuple(sighting.id for sighting in present if sighting is not None),
        ignored=frozenset(review.batch for item in items for review in item.reviews),
    )


def _edges(box: Sequence[float]) -> tuple[float, float, float, float]:
    x0, y0, x1, y1 = (float(edge) for edge in box)
    return x0, y0, x1, y1
