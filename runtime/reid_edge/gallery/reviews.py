"""Reviews: what a person said of one animal in one photo. Each is one transaction, with the sighting that it enrols or removes.

Of an animal at most one review is final (confirmed, new, not an animal); a later final one replaces it, and takes the sighting along.
Rejections stay beside it: from then on the animal is not compared with the individuals that were rejected.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from reid_edge.gallery.catalogue import stored_facts
from reid_edge.gallery.features import StoredFeatures
from reid_edge.gallery.history import Recording, recording
from reid_edge.gallery.pair_answers import PairAnswers
from reid_edge.gallery.records import Box, checked
from reid_edge.gallery.review_records import FINAL, NewReview, Review, ReviewConflict, ReviewKind, SightingToEnrol, checked_review

_SAME_ANIMAL, _SAME_BOX = 0.5, 0.8  # overlap from which on two boxes are around one animal, and from which on a box was not moved


class Reviews(StoredFeatures, PairAnswers):
    """Stores and reads reviews."""

    def review(
        self,
        new: NewReview,
        expected: int | None = None,
        enrol: SightingToEnrol | None = None,
        batch: str | None = None,
    ) -> Review:
        """Store what a person says, with all that follows, in one transaction and one event that undo reverts.

        `confirmed` and `new` give the animal's sighting to the individual, and add one where the gallery has none and `enrol` is given.
        `rejected` removes the sighting where it is of the rejected individual, `not_an_animal` in any case.

        Args:
            new: what is said.
            expected: the sequence of the newest review of this animal that the person has seen, 0 for none; None does not check.
            enrol: see `SightingToEnrol`; None adds no sighting.
            batch: from `new_batch`, for several animals that one undo takes back together.

        Raises:
            ReviewConflict: another review was stored, or the expected one was undone.
            UsageError: a field has an invalid value.
            GalleryError: no such individual, or a new one whose name the gallery has.
            StorageError: the disk is full or read-only.
        """
        new, batch = checked_review(new), batch or self.new_batch()
        with self.database.transaction():
            index = new.animal_index if expected else self._index_of(new)
            live = self.reviews_of(new.photo_sha256, index)
            if expected is not None and expected != max((each.sequence for each in live), default=0):
                raise ReviewConflict(live[-1] if live else None)
            individual, name = self._named(new)
            payload = _payload(new, index, name)
            with recording(self.database, batch, new.kind, payload) as record:
                if new.kind == "new":
                    individual = record.insert("individual", name=name)
                for each in _replaced(new.kind, name, live):
                    record.set("review", each.sequence, "live", 0)
                sighting = self._update_sighting(record, new, index, individual, enrol)
                row = self._row(new, index, individual)
                sequence = record.insert("review", **row, sighting_id=sighting, batch=batch, decided_at=self.database.now())
            (stored,) = self._reviews("r.id = ?", sequence)
        return stored

    def enrol_review(self, sequence: int, enrol: SightingToEnrol) -> int | None:
        """Add the sighting that a `confirmed` or `new` review was stored without, in the review's batch, so that one undo reverts both.

        Returns:
            The id of the sighting; None where the review was undone, replaced or completed meanwhile.

        Raises:
            UsageError, GalleryError, StorageError: as `review`.
        """
        with self.database.transaction():
            found = self._reviews("r.live = 1 AND r.kind IN ('confirmed', 'new') AND r.id = ?", sequence)
            if not found or found[0].sighting is not None or found[0].identity is None:
                return None
            review, individual = found[0], self.individual_id(found[0].identity)
            payload = {key: getattr(review, key) for key in ("photo_name", "photo_sha256", "animal_index", "identity", "person")}
            with recording(self.database, review.batch, "add", payload) as record:
                sighting = self._update_sighting(record, review, review.animal_index, individual, enrol)
            self.database.execute("UPDATE review SET sighting_id = ? WHERE id = ?", (sighting, sequence))
        return sighting

    def carry_over(self, review: NewReview, decided_at: str, batch: str) -> bool:
        """Add a review that was made in another gallery, where nothing here contradicts it; returns whether it was added.

        It adds and changes no sighting. Errors as `review`.
        """
        new = checked_review(review)
        with self.database.transaction():
            individual, name = (None, None) if new.identity is None else self._individual_row(new.identity)
            present = self.has_photo(new.photo_sha256, new.animal_index)
            for each in self.reviews_of(new.photo_sha256, new.animal_index):
                if (each.is_final and new.kind != "skipped") or (each.kind, each.identity) == (new.kind, name):
                    return False
            if present and new.kind in FINAL and present.identity != name:
                return False
            if present and new.kind == "rejected" and present.identity == name:
                return False
            with recording(self.database, batch, new.kind, _payload(new, new.animal_index, name)) as record:
                row = self._row(new, new.animal_index, individual)
                record.insert("review", **row, sighting_id=present.id if present else None, batch=batch, decided_at=decided_at)
        return True

    def confirm(
        self, photo_sha256: str, identity: str, animal_index: int = 0, batch: str | None = None, person: str = ""
    ) -> Review:
        """A `confirmed` review without a new sighting, see `review`."""
        new = NewReview(photo_sha256=photo_sha256, kind="confirmed", person=person, identity=identity, animal_index=animal_index)
        return self.review(new, batch=batch)

    def reject(
        self, photo_sha256: str, identity: str, animal_index: int = 0, batch: str | None = None, person: str = ""
    ) -> Review:
        """A `rejected` review, see `review`."""
        new = NewReview(photo_sha256=photo_sha256, kind="rejected", person=person, identity=identity, animal_index=animal_index)
        return self.review(new, batch=batch)

    def reviews_of(self, photo_sha256: str, animal_index: int | None = None) -> list[Review]:
        """The reviews of a photo, or of one animal in it, oldest first; without those that were undone or replaced."""
        found = self._reviews("r.live = 1 AND r.photo_sha256 = ?", photo_sha256)
        return [each for each in found if animal_index is None or each.animal_index == animal_index]

    def reviews_of_animal(self, photo_sha256: str, animal_index: int, box: Box | None) -> list[Review]:
        """The reviews of the animal that an answer counts as this one, also where another program's answer counted otherwise."""
        index = self._known_index(photo_sha256, animal_index, box)
        return [] if index is None else self.reviews_of(photo_sha256, index)

    def reviews_of_photos(self, photos: Collection[str]) -> list[Review]:
        """The reviews of several photos, oldest first."""
        where = "r.live = 1 AND r.photo_sha256 IN (?)"
        return self._reviews(where, list(photos))

    def reviews(self, after: int = 0) -> list[Review]:
        """All reviews with a sequence above `after`, oldest first; without those that were undone or replaced."""
        return self._reviews("r.live = 1 AND r.id > ?", after)

    def has_reviews(self) -> bool:
        """Whether anybody said anything that was not undone."""
        return bool(self.database.rows("SELECT 1 FROM review WHERE live = 1 LIMIT 1"))

    def rejected_identities(self, photos: Collection[str]) -> dict[tuple[str, int], frozenset[str]]:
        """By photo hash and animal, the individuals that a person said it is not."""
        found: dict[tuple[str, int], set[str]] = {}
        where = "r.live = 1 AND r.kind = 'rejected' AND r.photo_sha256 IN (?)"
        for each in self._reviews(where, list(photos)):
            found.setdefault((each.photo_sha256, each.animal_index), set()).add(each.identity or "")
        return {animal: frozenset(names) for animal, names in found.items()}

    def free_animal_index(self, photo_sha256: str, least: int = 0) -> int:
        """For an animal that a person draws: an index, `least` or more, that nothing of this photo has."""
        taken = self._boxes(photo_sha256)
        return next(index for index in range(least, least + len(taken) + 1) if index not in taken)

    def _reviews(self, where: str, value: object) -> list[Review]:
        rows = self.database.rows(f"{_REVIEWS} WHERE {where} ORDER BY r.id", (value,))
        return [_review(row) for row in rows]

    def _row(self, new: NewReview, index: int, individual: int | None) -> dict[str, Any]:
        return {
            "photo_sha256": new.photo_sha256,
            "photo_name": new.photo_name,
            "animal_index": index,
            "box": None if new.box is None else json.dumps(new.box),
            "kind": new.kind,
            "individual_id": individual,
            "person": new.person,
            "answer": None if new.answer is None else json.dumps(dict(new.answer), ensure_ascii=False),
        }

    def _named(self, new: NewReview) -> tuple[int | None, str | None]:
        """Row and stored name of the individual that a review names; no row of one that is new."""
        if new.identity is None:
            return None, None
        if new.kind != "new":
            return self._individual_row(new.identity)
        self._check_free(new.identity, "Choose another name, or confirm that individual.")
        return None, new.identity

    def _index_of(self, new: NewReview) -> int:
        """The index under which the gallery has this animal: by its box where the answers of two programs count the animals differently."""
        index = self._known_index(new.photo_sha256, new.animal_index, new.box)
        return self.free_animal_index(new.photo_sha256, new.animal_index) if index is None else index

    def _known_index(self, photo_sha256: str, animal_index: int, box: Box | None) -> int | None:
        return matching_index(self._boxes(photo_sha256), animal_index, box)

    def _boxes(self, photo_sha256: str) -> dict[int, Box | None]:
        """The box of every animal of a photo that the gallery has or that somebody reviewed, by its index."""
        boxes: dict[int, Box | None] = {each.animal_index: each.box for each in self.photo_sightings(photo_sha256)}
        for each in self.reviews_of(photo_sha256):
            boxes[each.animal_index] = each.box or boxes.get(each.animal_index)
        return boxes

    def _update_sighting(
        self, record: Recording, new: NewReview, index: int, individual: int | None, enrol: SightingToEnrol | None
    ) -> int | None:
        """Make the animal's sighting what the review says; returns its id."""
        present = self.has_photo(new.photo_sha256, index)
        if new.kind == "skipped":
            return present.id if present else None
        if new.kind in ("rejected", "not_an_animal"):
            if present and (new.kind == "not_an_animal" or self.individual_id(present.identity) == individual):
                record.set("sighting", present.id, "live", 0)
            return None
        if present and enrol and not _same_box(present.box, new.box):
            record.set("sighting", present.id, "live", 0)
            present = None
        if present:
            record.set("sighting", present.id, "individual_id", individual)
            return present.id
        return None if enrol is None else self._enrol(record, new, index, individual, enrol)

    def _enrol(self, record: Recording, new: NewReview, index: int, individual: int | None, enrol: SightingToEnrol) -> int:
        facts = {**stored_facts(checked(enrol.sighting)), "photo_sha256": new.photo_sha256, "animal_index": index}
        sighting = record.insert(
            "sighting", individual_id=individual, added_at=self.database.now(), thumbnail=enrol.sighting.thumbnail, **facts
        )
        if enrol.features:
            self.write_features(sighting, enrol.feature_key, enrol.features)
        return sighting


def matching_index(boxes: Mapping[int, Box | None], animal_index: int, box: Box | None) -> int | None:
    """Which of the animals of a photo, given by index and box, is the one with this index and box; None where none is.

    It is the one with the same index, unless their boxes are apart; else the one whose box overlaps most.
    """
    stored = boxes.get(animal_index)
    if animal_index in boxes and (stored is None or box is None or _overlap(stored, box) >= _SAME_ANIMAL):
        return animal_index
    overlaps = {index: _overlap(each, box) for index, each in boxes.items() if each is not None and box is not None}
    nearest = max(overlaps, key=lambda index: overlaps[index], default=None)
    return nearest if nearest is not None and overlaps[nearest] >= _SAME_ANIMAL else None


_REVIEWS = (
    "SELECT r.id, r.batch, r.photo_sha256, r.photo_name, r.animal_index, r.box, r.kind, i.name, r.person, r.decided_at, r.answer, s.id "
    "FROM review r LEFT JOIN sighting s ON s.id = r.sighting_id AND s.live = 1 "
    "LEFT JOIN individual i ON i.id = coalesce(CASE WHEN r.kind IN ('confirmed', 'new') THEN s.individual_id END, r.individual_id)"
)
"""Where the sighting of a review went to another individual, by a split for instance, the review goes with it."""


def _review(row: tuple[Any, ...]) -> Review:
    sequence, batch, sha256, name, index, box, kind, identity, person, decided_at, answer, sighting = row
    return Review(
        sequence=sequence,
        batch=batch,
        photo_sha256=sha256,
        photo_name=name,
        animal_index=index,
        box=tuple(json.loads(box)) if box else None,
        kind=kind,
        identity=identity,
        person=person,
        decided_at=decided_at,
        answer=json.loads(answer) if answer else None,
        sighting=sighting,
    )


def _payload(new: NewReview, index: int, identity: str | None) -> dict[str, Any]:
    """What the event of a review says."""
    photo = {"photo_sha256": new.photo_sha256, "photo_name": new.photo_name, "animal_index": index}
    return {**photo, "kind": new.kind, "identity": identity, "person": new.person}


def _replaced(kind: ReviewKind, identity: str | None, live: Sequence[Review]) -> list[Review]:
    """The reviews of an animal that a new one takes the place of."""
    if kind == "skipped":
        return [each for each in live if each.kind == "skipped"]
    if kind == "rejected":
        return [each for each in live if each.kind == "skipped" or each.identity == identity]
    return [each for each in live if each.kind != "rejected" or each.identity == identity]


def _same_box(stored: Box | None, other: Box | None) -> bool:
    return stored is None or other is None or _overlap(stored, other) >= _SAME_BOX


def _overlap(one: Box, other: Box) -> float:
    """Intersection over union."""
    width, height = (min(one[side + 2], other[side + 2]) - max(one[side], other[side]) for side in (0, 1))
    if width <= 0 or height <= 0:
        return 0.0
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return width * height / (areas - width * height)
