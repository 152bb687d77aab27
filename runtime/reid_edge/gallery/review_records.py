"""What a review is, as data: before it is stored, and as the gallery has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from numpy.typing import NDArray

from reid_edge.errors import GalleryError, UsageError
from reid_edge.gallery.history import REVIEW_KINDS, describe
from reid_edge.gallery.records import Box, Event, NewSighting, checked_box, checked_sha256, identity_name, person_name

ReviewKind = Literal["confirmed", "new", "rejected", "skipped", "not_an_animal"]
"""`confirmed`: an individual of the gallery. `new`: an individual that the gallery did not have. `rejected`: not this individual."""

FINAL: tuple[ReviewKind, ...] = ("confirmed", "new", "not_an_animal")
"""The kinds that decide what the animal is."""

_NAMING = ("confirmed", "new", "rejected")


@dataclass(frozen=True, kw_only=True)
class NewReview:
    """What a person says of an animal.

    Attributes:
        photo_sha256: of the photo's bytes, 64 hex digits.
        kind: what is said.
        person: who says it.
        identity: the individual that is confirmed, new or rejected; None for the other kinds.
        animal_index: which animal of the photo, from 0, as the answer counts them.
        box: x0, y0, x1, y1 of the animal in pixels of the upright photo, also where a person moved or drew it; None where not known.
        photo_name: file name, for people.
        answer: the answer that it is about, as plain data (`answer_facts`); None where there was none.
    """

    photo_sha256: str
    kind: ReviewKind
    person: str
    identity: str | None = None
    animal_index: int = 0
    box: Box | None = None
    photo_name: str = ""
    answer: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Review(NewReview):
    """What a person said, as the gallery has it.

    Attributes:
        sequence: grows with every review; never used again.
        batch: for `Gallery.undo_batch`.
        decided_at: ISO 8601 in UTC.
        identity: of the individual as it is called now; after a merge, the one it was merged into.
        sighting: the sighting that shows the animal, where the gallery has it; None otherwise.
    """

    sequence: int
    batch: str
    decided_at: str
    sighting: int | None

    @property
    def is_final(self) -> bool:
        """Whether it decides what the animal is."""
        return self.kind in FINAL


@dataclass(frozen=True)
class SightingToEnrol:
    """The sighting that a `confirmed` or `new` review adds to the gallery: its facts, its arrays, and the key of the pack that made them.
    Identity, photo and animal are those of the review."""

    sighting: NewSighting
    features: Mapping[str, NDArray[Any]]
    feature_key: str


class ReviewConflict(GalleryError):
    """What is said of the animal changed since the caller looked; nothing was stored.

    Attributes:
        review: the newest one now; None where it was undone.
    """

    def __init__(self, review: Review | None) -> None:
        if review is None:
            message = "Meanwhile what was said of this animal was undone."
        else:
            message = f"Meanwhile {describe_review(review)} ({review.decided_at})."
        super().__init__(message, "Look at it again, then decide.")
        self.review = review


def final_reviews(reviews: Sequence[Review]) -> dict[int, Review]:
    """The final review of each animal of a photo, by its index."""
    return {each.animal_index: each for each in reviews if each.is_final}


def answer_facts(decision: Mapping[str, Any]) -> dict[str, Any]:
    """What a review keeps of the answer that it is about, from a decision as plain data."""
    facts = {name: decision[name] for name in ("verdict", "identity", "probability", "unknown")}
    return {**facts, "pack": decision["pack"]}


def describe_review(review: Review) -> str:
    """A review in words: `Ana confirmed that animal 1 of IMG_7.jpg is Asha`."""
    return describe(Event(0, review.batch, review.decided_at, review.kind, asdict(review), undone=False))


def checked_review(new: NewReview) -> NewReview:
    """The review in its stored form; UsageError where a field has an invalid value."""
    if new.kind not in REVIEW_KINDS:
        raise UsageError(f"A review of the kind {new.kind!r} does not exist.", f"The kinds are {', '.join(REVIEW_KINDS)}.")
    if (new.identity is not None) != (new.kind in _NAMING):
        what = "needs the name of an individual" if new.identity is None else "names no individual"
        raise UsageError(f"A review of the kind {new.kind!r} {what}.", "Correct the identity.")
    if isinstance(new.animal_index, bool) or not isinstance(new.animal_index, int) or not 0 <= new.animal_index < 1000:
        raise UsageError(f"The animal_index of a review is {new.animal_index!r}.", "It must be a number from 0.")
    return NewReview(
        photo_sha256=checked_sha256(new.photo_sha256),
        kind=new.kind,
        person=person_name(new.person),
        identity=None if new.identity is None else identity_name(new.identity),
        animal_index=new.animal_index,
        box=checked_box(new.box),
        photo_name=new.photo_name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")[:1000],
        answer=new.answer,
    )
