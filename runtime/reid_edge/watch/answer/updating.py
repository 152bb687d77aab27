"""What the answers of one event have to be now: as they were computed, with what people said and the names of now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from reid_edge.decide.decision import Decision
from reid_edge.decide.facts import AnimalFacts, ReviewFacts
from reid_edge.decide.reviewed import CERTAIN, decided, reviewed, with_names
from reid_edge.errors import UsageError
from reid_edge.gallery import Gallery, Review, Sighting
from reid_edge.gallery.records import Box
from reid_edge.gallery.reviews import matching_index
from reid_edge.watch.ledger.ledger import Ledger
from reid_edge.watch.ledger.records import EventPhoto, PhotoAnimal

Animal = tuple[str, int]
"""Hash of the photo, and index of the animal in its answer."""


@dataclass
class _Said:
    """What the gallery has of one animal: its reviews, oldest first, and its sighting."""

    reviews: list[Review] = field(default_factory=list)
    sighting: Sighting | None = None

    @property
    def final(self) -> Review | None:
        return next((each for each in reversed(self.reviews) if each.is_final), None)

    @property
    def rejected(self) -> set[str]:
        return {each.identity for each in self.reviews if each.kind == "rejected" and each.identity is not None}


class EventUpdate:
    """One event, to be brought up to date with the gallery."""

    def __init__(self, ledger: Ledger, gallery: Gallery, names: Mapping[int, tuple[str, str]], event: int) -> None:
        """Read both.

        Args:
            names: of `Gallery.current_names`.
            event: id of the event.
        """
        self._ledger = ledger
        self._names = names
        self._photos = {photo.sha256: photo for photo in ledger.photos_of_event(event)}
        animals = ledger.animals_of_event(event)
        self._computed = [animal for animal in animals if not animal.drawn]
        self._drawn = {(animal.sha256, animal.index): animal for animal in animals if animal.drawn}
        self._given_names = ledger.enrolled_identities()
        self._said = self._read(gallery)

    def apply(self) -> set[int]:
        """Store what differs, in the caller's transaction; returns the ids of the photos whose answers changed."""
        changed: set[int] = set()
        for animal in self._computed:
            current = self._current(animal)
            if current != animal.current:
                self._ledger.set_current(animal.id, current)
                changed.add(animal.photo_id)
        computed = {(animal.sha256, animal.index) for animal in self._computed}
        wanted = {
            key: answer
            for key, said in self._said.items()
            if key not in computed and (answer := self._drawn_answer(key, said)) is not None
        }
        for key, answer in wanted.items():
            if key not in self._drawn or self._drawn[key].decision != answer:
                self._ledger.draw_animal(self._photos[key[0]].id, answer)
                changed.add(self._photos[key[0]].id)
        for key, animal in self._drawn.items():
            if key not in wanted:
                self._ledger.erase_drawn(animal.id)
                changed.add(animal.photo_id)
        return changed

    def _read(self, gallery: Gallery) -> dict[Animal, _Said]:
        """What the gallery says, by the animals of the answers; an animal that no answer has gets an index behind theirs."""
        boxes: dict[str, dict[int, Box | None]] = {sha256: {} for sha256 in self._photos}
        for animal in self._computed:
            x0, y0, x1, y1 = animal.decision["animal"]["box"]
            boxes[animal.sha256][animal.index] = (x0, y0, x1, y1)
        stored: dict[Animal, _Said] = {}
        for review in gallery.reviews_of_photos(self._photos):
            stored.setdefault((review.photo_sha256, review.animal_index), _Said()).reviews.append(review)
        for sighting in gallery.sightings_of_photos(self._photos):
            stored.setdefault((sighting.photo_sha256, sighting.animal_index), _Said()).sighting = sighting
        found: dict[Animal, _Said] = {}
        for (sha256, number), said in sorted(stored.items(), key=lambda item: item[0]):
            box = next((each.box for each in reversed(said.reviews) if each.box), said.sighting.box if said.sighting else None)
            index = matching_index(boxes[sha256], number, box)
            if index is None:
                index = max([number, *(each + 1 for each in boxes[sha256])])
                while (sha256, index) in found:
                    index += 1
            found.setdefault((sha256, index), said)
        return found

    def _current(self, animal: PhotoAnimal) -> dict[str, Any] | None:
        """The answer for an animal as it is now; None where it is what was computed."""
        said = self._said.get((animal.sha256, animal.index), _Said())
        try:
            computed = Decision.from_json(animal.decision)
        except UsageError:  # an answer of an earlier version
            return _decided_plain(animal.decision, said.final) if said.final else None
        answer = with_names(computed, self._names)
        if said.final is None and (enrolled := self._enrolled(said, self._photos[animal.sha256])):
            answer = decided(answer, _facts("enrolled", enrolled.identity, "", enrolled.added_at, answer))
        else:
            answer = reviewed(answer, said.reviews, self._rejected_in_group(animal))
        if said.final is not None and said.final.box is not None:
            answer = replace(answer, animal=replace(answer.animal, box=_whole(said.final.box)))
        return None if answer == computed else answer.as_json()

    def _enrolled(self, said: _Said, photo: EventPhoto) -> Sighting | None:
        """The sighting that somebody added after the answer, under another name than this program gives by itself."""
        sighting = said.sighting
        if sighting is None or sighting.identity in self._given_names or sighting.added_at < photo.answered_at:
            return None
        return sighting

    def _rejected_in_group(self, animal: PhotoAnimal) -> set[str]:
        """The individuals that a person rejected for the same animal in any photo of the event."""
        same = [each for each in self._computed if each.group is not None and each.group == animal.group]
        said = [self._said[key] for each in same if (key := (each.sha256, each.index)) in self._said]
        confirmed = {each.final.identity for each in said if each.final is not None}
        return {name for each in said for name in each.rejected} - {name for name in confirmed if name is not None}

    def _drawn_answer(self, animal: Animal, said: _Said) -> dict[str, Any] | None:
        """The answer for an animal that a person drew; None where no individual or no box was given."""
        final, photo = said.final, self._photos[animal[0]]
        if final is None or final.identity is None or final.box is None:
            return None
        x0, y0, x1, y1 = final.box
        area = (x1 - x0) * (y1 - y0) / (photo.width * photo.height)
        facts = AnimalFacts(animal[1], _whole(final.box), round(min(1.0, area), 4), found=True)
        review = ReviewFacts(final.kind, final.identity, final.person, final.decided_at, "ask", None, 0.0)
        return {
            "headline": review.headline(),
            "verdict": "known",
            "identity": final.identity,
            "probability": CERTAIN,
            "unknown": 0.0,
            "reason": "A person drew this animal.",
            "ranking": [],
            "animal": facts.as_json(),
            "warnings": [],
            "review": review.as_json(),
        }


def _facts(kind: str, identity: str | None, person: str, at: str, answer: Decision) -> ReviewFacts:
    return ReviewFacts(kind, identity, person, at, answer.verdict, answer.identity, answer.probability)


def _decided_plain(plain: Mapping[str, Any], final: Review) -> dict[str, Any]:
    """A final review over an answer that this version cannot read."""
    answered = (plain["verdict"], plain["identity"], plain["probability"])
    facts = ReviewFacts(final.kind, final.identity, final.person, final.decided_at, *answered)
    word: tuple[str, float, float] = ("known", CERTAIN, 0.0) if final.identity is not None else ("ask", 0.0, CERTAIN)
    values = dict(zip(("verdict", "probability", "unknown"), word, strict=True))
    return {**plain, **values, "identity": final.identity, "headline": facts.headline(), "review": facts.as_json()}


def _whole(box: Sequence[float]) -> tuple[int, int, int, int]:
    x0, y0, x1, y1 = (round(side) for side in box)
    return x0, y0, x1, y1
