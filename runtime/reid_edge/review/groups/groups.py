"""A discovery that people work on: every answer is on the disk before the animals are grouped anew by it.

Answers about pairs are kept in the working file, which the next `reid-edge discover` reads; names, rejections and what is no animal in
the catalogue. Each is one decision that one undo takes back.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path

from reid_edge.describe.keypoints import Keypoints
from reid_edge.discover.constraints import Seen, stored_answers
from reid_edge.discover.known import seen_now
from reid_edge.discover.run_record import RunRecord
from reid_edge.errors import GalleryError, UsageError
from reid_edge.gallery import Gallery, NewPairAnswer, NewReview, NewSighting, PairAnswer, SightingToEnrol
from reid_edge.gallery.changes import Position
from reid_edge.gallery.history import UndoneBatch
from reid_edge.gallery.pair_answers import PairAnswerKind
from reid_edge.gallery.records import Observation
from reid_edge.gallery.review_records import ReviewKind
from reid_edge.identify.identifier import Identifier
from reid_edge.pack import find_pack, open_pack
from reid_edge.review.groups.cards import Card, GroupsState, state_of
from reid_edge.review.identification import PackChoice
from reid_edge.storage.address import resolved_place


class GroupsChanged(GalleryError):
    """Somebody changed the group since the caller looked; nothing was stored."""

    def __init__(self) -> None:
        super().__init__("Meanwhile somebody changed this group.", "Open Groups and look at it again, then decide.")


class Groups:
    """The groups of the newest run over a working file. Threads may share it.

    Args:
        path: of the working file.
        gallery: the catalogue, writable, where names are kept.
        pack: that described the animals.

    Raises:
        UsageError: it is no working file, its pack or catalogue are others, or its animals are not all compared.
        GalleryError, PackError, EngineError, StorageError: something cannot be opened.
    """

    def __init__(self, path: Path, gallery: Gallery, pack: PackChoice) -> None:
        record = RunRecord.read(path)
        if record.gallery and record.gallery != str(resolved_place(gallery.path)):
            raise UsageError(
                f"The discovery was made beside the catalogue {record.gallery}.", f"Give --gallery {record.gallery}."
            )
        identifier = Identifier(open_pack(find_pack(pack.name)), pack.device, pack.threads)
        self.work = Gallery.open(path)
        self._gallery = gallery
        try:
            self._discovery = record.discovery(self.work, gallery, identifier)
            if self._discovery.remaining:
                raise UsageError(
                    "The discovery was stopped before all animals were compared.", "Run the same command again first."
                )
        except BaseException:
            self.work.close()
            raise
        self._places = {each.key: place for place, each in enumerate(self._discovery.seen)}
        self._prior = record.time_place
        self._lock = threading.RLock()
        self._at: tuple[Position, Position] | None = None
        self._state: GroupsState | None = None

    @property
    def state(self) -> GroupsState:
        """The grouping by all that people said so far."""
        with self._lock:
            at = self.work.position(), self._gallery.position()
            if self._state is None or at != self._at:
                seen = seen_now(self._discovery.seen, self._gallery)
                report = self._discovery.with_seen(seen).report(stored_answers(self.work), self._prior)
                self._state = state_of(report, seen, self._discovery.seen, self._gallery.names())
                self._at = at
            return self._state

    def card(self, token: str) -> Card:
        """A group; GroupsChanged where it is no more."""
        found = self.state.cards.get(token)
        if found is None:
            raise GroupsChanged
        return found

    def keypoints(self, key: str) -> Keypoints:
        """What was compared of an animal."""
        return self._discovery.keypoints(self._places[key])

    def is_of_catalogue(self, seen: Seen) -> bool:
        """Whether an animal's sighting is of the catalogue, not of the working file."""
        return bool(self._discovery.seen[self._places[seen.key]].name)

    def found(self, sighting_id: int) -> Seen | None:
        """The animal with this sighting in the working file."""
        return next((each for each in self._discovery.seen if each.sighting.id == sighting_id and not each.name), None)

    def answer(self, first: str, second: str, answer: PairAnswerKind, person: str) -> PairAnswer:
        """Store what a person says of two animals, given by their keys.

        Raises:
            PairConflict, GroupsChanged: somebody else answered, or named them, meanwhile; nothing is stored.
            UsageError, GalleryError, StorageError: it is not stored.
        """
        with self._unchanged():
            seen = {each.key: each for each in self._seen_now()}
            if first not in seen or second not in seen:
                raise UsageError("There is no such pair.", "Open Groups again.")
            pair = seen[first], seen[second]
            if all(each.name for each in pair) or not all(each.is_animal for each in pair):
                raise GroupsChanged
            return self.work.answer_pair(_pair_answer([pair[0]], [pair[1]], answer, person), expected=0)

    def name(self, token: str, name: str, person: str) -> int:
        """Enrol a group as an individual, new or of the catalogue, as one decision; returns the number of photos.

        Raises:
            GroupsChanged: see there; nothing is stored.
            UsageError: the name is none, or the individual is in one of these photos already, as another animal.
            GalleryError, StorageError: nothing is stored.
        """
        gallery = self._gallery
        with self._unchanged():
            card, stored = self.card(token), gallery.stored_name(name)
            batch = gallery.new_batch()
            for number, seen in enumerate(card.members):
                photo = seen.sighting
                if stored and any(each.identity == stored for each in gallery.photo_sightings(photo.photo_sha256)):
                    problem = f"{stored} is another animal of {photo.photo_name}, and two animals of one photo differ."
                    raise UsageError(problem, "Split that photo out first.")
                kind: ReviewKind = "confirmed" if stored or number else "new"
                review = self._review(seen, kind, person, stored or name)
                gallery.review(review, enrol=self._to_enrol(seen, stored or name), batch=batch)
            return len(card.members)

    def split(self, token: str, keys: Collection[str], person: str) -> int:
        """Say that some photos of a group show another animal than the rest of it; returns how many.

        Photos that were joined with a known individual are rejected as this individual.

        Raises:
            GroupsChanged: see there; nothing is stored.
            UsageError: no photo was chosen, or all of a new group.
        """
        with self._unchanged():
            card = self.card(token)
            chosen, rest = self._chosen(card, keys)
            if card.is_known:
                self._review_all(chosen, "rejected", person, card.name)
            elif not rest:
                raise UsageError("These are all photos of the group.", "Tick those that show another animal.")
            else:
                self.work.answer_pair(_pair_answer(chosen, rest, "different", person))
            return len(chosen)

    def not_animals(self, token: str, keys: Collection[str], person: str) -> int:
        """Say that what was found in some photos of a group is no animal; returns how many; errors as `split`."""
        with self._unchanged():
            chosen, _ = self._chosen(self.card(token), keys)
            self._review_all(chosen, "not_an_animal", person, None)
            return len(chosen)

    def undo(self, person: str) -> UndoneBatch:
        """Take back the newest decision of a person, about a pair or in the catalogue; GalleryError where there is none."""
        with self._lock:
            newest = []
            for gallery in (self.work, self._gallery):
                for event in gallery.history(limit=500):
                    if event.kind != "undo" and not event.undone and event.payload.get("person") == person:
                        newest.append((event.at, gallery, event.batch))
                        break
            if not newest:
                raise GalleryError("There is nothing of yours to undo.", "The page History undoes what others decided.")
            _, gallery, batch = max(newest, key=lambda each: each[0])
            return gallery.undo_batch(batch, person)

    def answers(self) -> list[PairAnswer]:
        """What people said of pairs, newest first."""
        return self.work.pair_answers("animals")[::-1]

    def take_back(self, batch: str, person: str) -> UndoneBatch:
        """Take back one answer about a pair; GalleryError where it was taken back already."""
        with self._lock:
            return self.work.undo_batch(batch, person)

    def close(self) -> None:
        """Close the working file."""
        self.work.close()

    @contextmanager
    def _unchanged(self) -> Iterator[None]:
        """One decision at a time, on the groups as they are now in both files."""
        with self._lock, self._gallery.transaction(), self.work.transaction():
            yield

    def _seen_now(self) -> list[Seen]:
        return seen_now(self._discovery.seen, self._gallery)

    def _chosen(self, card: Card, keys: Collection[str]) -> tuple[list[Seen], list[Seen]]:
        chosen = [each for each in card.members if each.key in keys]
        if not chosen:
            raise UsageError("No photo was chosen.", "Tick one.")
        return chosen, [each for each in card.members if each.key not in keys]

    def _review_all(self, chosen: Sequence[Seen], kind: ReviewKind, person: str, identity: str | None) -> None:
        batch = self._gallery.new_batch()
        for each in chosen:
            self._gallery.review(self._review(each, kind, person, identity), batch=batch)

    def _review(self, seen: Seen, kind: ReviewKind, person: str, identity: str | None) -> NewReview:
        sighting = seen.sighting
        return NewReview(
            photo_sha256=sighting.photo_sha256,
            kind=kind,
            person=person,
            identity=identity,
            animal_index=sighting.animal_index,
            box=sighting.box,
            photo_name=sighting.photo_name,
        )

    def _to_enrol(self, seen: Seen, name: str) -> SightingToEnrol:
        sighting = seen.sighting
        facts = {field.name: getattr(sighting, field.name) for field in fields(Observation)}
        new = NewSighting(**{**facts, "identity": name}, thumbnail=self.work.thumbnail(sighting.id))
        new = replace(new, species=self._gallery.species_of(name, sighting.species)[0])
        key = self._discovery.identifier.feature_key
        return SightingToEnrol(new, self.work.features([sighting.id], key).get(sighting.id, {}), key)


def _pair_answer(first: Sequence[Seen], second: Sequence[Seen], answer: PairAnswerKind, person: str) -> NewPairAnswer:
    shown = tuple(each.sighting.photo_name for side in (first, second) for each in side[:2])
    return NewPairAnswer(
        of="animals",
        first=tuple(each.key for each in first),
        second=tuple(each.key for each in second),
        answer=answer,
        person=person,
        shown=shown,
    )
