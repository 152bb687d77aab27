"""The queue: which groups of animals a person is asked about, in which order, and how far the work is.

First come contradictions (an answer that disagrees with the gallery or with a person, the surest first), then questions, the clearest
first, since those take one key; then new animals, then sure answers, the least sure first. The groups of one event stay together.
What was skipped comes last.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace

from reid_edge.gallery import Gallery, Review
from reid_edge.gallery.changes import Position
from reid_edge.review.answers.stored import AnswerSource, StoredAnswer

_CONTRADICTION, _ASK, _NEW, _KNOWN, _SKIPPED = range(5)
_RANKS = {"ask": _ASK, "new": _NEW, "known": _KNOWN}
SHOWS = ("questions", "ask", "new", "known", "all")
"""What the filter of verdicts offers: `questions` are contradictions, `ask` and `new`."""


@dataclass(frozen=True)
class Filter:
    """Which groups a person wants to see; empty fields let all pass. Dates are YYYY-MM-DD, both included."""

    show: str = "questions"
    species: str = ""
    camera: str = ""
    since: str = ""
    until: str = ""

    def passes(self, item: Item) -> bool:
        """Whether an item belongs to what is wanted."""
        answer = item.answer
        day = (answer.taken_at or "")[:10]
        shown = {"questions": item.contradicts or answer.verdict != "known", "all": True}
        return (
            shown.get(self.show, self.show == answer.verdict)
            and (not self.species or item.species.casefold() == self.species.casefold())
            and (not self.camera or answer.camera == self.camera)
            and (not self.since or (day != "" and day >= self.since))
            and (not self.until or (day != "" and day <= self.until))
        )


@dataclass
class Item:
    """One answer with what people said of it.

    Attributes:
        answer: the stored one.
        species: of the likeliest individual, '' where not known.
        reviews: of this animal, oldest first; none that was undone or replaced.
        enrolled: the individual under which the gallery holds this animal of this photo; '' where it does not.
    """

    answer: StoredAnswer
    species: str = ""
    reviews: list[Review] = field(default_factory=list)
    enrolled: str = ""

    @property
    def final(self) -> Review | None:
        """The review that decides what the animal is."""
        return next((each for each in self.reviews if each.is_final), None)

    @property
    def rejected(self) -> frozenset[str]:
        """The individuals that a person said it is not."""
        return frozenset(each.identity or "" for each in self.reviews if each.kind == "rejected")

    @property
    def skipped(self) -> Review | None:
        """The review that put it off."""
        return next((each for each in self.reviews if each.kind == "skipped"), None)

    @property
    def sequence(self) -> int:
        """Of the newest review, 0 for none: what a decision expects to be still the newest."""
        return max((each.sequence for each in self.reviews), default=0)

    @property
    def contradicts(self) -> bool:
        """Whether a sure answer disagrees with the gallery, or names an individual that a person rejected."""
        answer = self.answer
        if self.final or answer.verdict != "known":
            return False
        return bool(self.enrolled and self.enrolled != answer.candidate) or answer.candidate in self.rejected

    @property
    def is_open(self) -> bool:
        """Whether a person may still decide: it has no final review, and is not enrolled as what the answer says."""
        return self.final is None and (not self.enrolled or self.contradicts)

    def rank(self) -> tuple[int, float]:
        """The smaller, the earlier it is asked."""
        answer = self.answer
        if self.skipped:
            return _SKIPPED, self.skipped.sequence
        if self.contradicts:
            return _CONTRADICTION, -answer.probability
        return _RANKS[answer.verdict], answer.probability if answer.verdict == "known" else -answer.lead


@dataclass(frozen=True)
class Group:
    """Animals that are decided together, in the order they were taken; `id` is that of the first one."""

    items: tuple[Item, ...]

    @property
    def id(self) -> str:
        """Names the group in addresses."""
        return self.items[0].answer.id

    @property
    def open_items(self) -> list[Item]:
        """Those that are not decided."""
        return [each for each in self.items if each.is_open]

    @property
    def lead(self) -> Item:
        """The item that is shown first: the open one with the clearest answer."""
        return max(self.open_items or self.items, key=lambda each: each.answer.lead)

    def rank(self) -> tuple[int, float]:
        """Of its open items the smallest."""
        return min(each.rank() for each in self.open_items or self.items)


@dataclass(frozen=True)
class Progress:
    """Of what a filter lets pass: how many animals there are, and how many of them are decided; `skipped` are among the undecided."""

    total: int
    decided: int
    skipped: int

    @property
    def open(self) -> int:
        """Animals that are not decided."""
        return self.total - self.decided


class Queue:
    """The groups of a source of answers with the reviews of a gallery, kept up to date. Threads may share it.

    Args:
        gallery: whose reviews count.
        source: of the answers.
    """

    def __init__(self, gallery: Gallery, source: AnswerSource) -> None:
        self._gallery = gallery
        self._source = source
        self._lock = threading.RLock()
        self._source_state = -1
        self._position = Position()
        self._items: dict[tuple[str, int], Item] = {}
        self._items_of: dict[str, list[Item]] = {}
        self._groups: list[Group] = []
        self._group_of: dict[str, Group] = {}
        self._ordered: list[Group] | None = None

    def refresh(self) -> None:
        """Take in new answers, new reviews, and changes of the gallery by other processes.

        Raises:
            GalleryError, StorageError: the gallery or the answers cannot be read.
        """
        with self._lock:
            state, changes = self._source.refresh(), self._gallery.changes_since(self._position)
            if state != self._source_state or changes.everything:
                self._load()
            elif changes.photos:
                self._reload(changes.photos)
            self._source_state, self._position = state, changes.position

    @property
    def position(self) -> Position:
        """Up to which event of the gallery it is."""
        with self._lock:
            return self._position

    def group(self, answer_id: str) -> Group | None:
        """The group that holds an answer; None where there is none."""
        with self._lock:
            return self._group_of.get(answer_id)

    def groups(self, wanted: Filter, only_open: bool = True) -> list[Group]:
        """The groups with an item that passes, in the order in which they are asked."""
        with self._lock:
            if self._ordered is None:
                self._ordered = _in_order(self._groups)
            return [
                group
                for group in self._ordered
                if any(wanted.passes(item) and (item.is_open or not only_open) for item in group.items)
            ]

    def progress(self, wanted: Filter) -> Progress:
        """How far the work on what passes is."""
        with self._lock:
            items = [item for item in self._items.values() if wanted.passes(item)]
            decided = sum(not item.is_open for item in items)
            return Progress(len(items), decided, sum(item.is_open and item.skipped is not None for item in items))

    def counts(self) -> dict[tuple[str, bool], int]:
        """How many animals there are by verdict, and by whether they are decided."""
        found: dict[tuple[str, bool], int] = {}
        with self._lock:
            for item in self._items.values():
                key = item.answer.verdict, not item.is_open
                found[key] = found.get(key, 0) + 1
        return found

    def choices(self) -> tuple[list[str], list[str]]:
        """The species and the cameras to choose from."""
        with self._lock:
            items = self._items.values()
            species = {item.species for item in items if item.species}
            return sorted(species), sorted({item.answer.camera for item in items if item.answer.camera})

    def _load(self) -> None:
        gallery = self._gallery
        with gallery.snapshot():
            reviews = gallery.reviews()
            species = {one.name: one.species for one in gallery.individuals()}
            sightings = gallery.sightings()
        enrolled = {(each.photo_sha256, each.animal_index): each.identity for each in sightings}
        names = {each.id: each.identity for each in sightings}
        said: dict[tuple[str, int], list[Review]] = {}
        for review in reviews:
            said.setdefault((review.photo_sha256, review.animal_index), []).append(review)
        self._items = {}
        for answer in self._source.answers():
            name = names.get(answer.sighting or 0, answer.candidate)  # as the individual is called now
            now = answer if name == answer.candidate else replace(answer, candidate=name)
            self._items[answer.key] = Item(
                now, species.get(name or "", ""), said.get(answer.key, []), enrolled.get(answer.key, "")
            )
        members: dict[str, list[Item]] = {}
        for item in self._items.values():
            members.setdefault(item.answer.group or item.answer.id, []).append(item)
        self._groups = [Group(tuple(sorted(items, key=_taken))) for items in members.values()]
        self._group_of = {item.answer.id: group for group in self._groups for item in group.items}
        self._items_of = {}
        for item in self._items.values():
            self._items_of.setdefault(item.answer.sha256, []).append(item)
        self._ordered = None

    def _reload(self, photos: Collection[str]) -> None:
        """Read again what people said of the animals of some photos."""
        for sha256 in photos:
            reviews = self._gallery.reviews_of(sha256)
            enrolled = {each.animal_index: each.identity for each in self._gallery.photo_sightings(sha256)}
            for item in self._items_of.get(sha256, ()):
                index = item.answer.index
                item.reviews = [each for each in reviews if each.animal_index == index]
                item.enrolled = enrolled.get(index, "")
        self._ordered = None


def _in_order(groups: Iterable[Group]) -> list[Group]:
    """By rank, the groups of an event one after the other where the first of them stands."""
    ranked = [(group.rank(), group) for group in groups]
    first: dict[str, tuple[int, float]] = {}
    for rank, group in ranked:
        event = _event(group)
        first[event] = min(first.get(event, rank), rank)
    return [group for _, group in sorted(ranked, key=lambda each: (_place(first, each), each[0], each[1].id))]


def _place(first: dict[str, tuple[int, float]], ranked: tuple[tuple[int, float], Group]) -> tuple[tuple[int, float], str]:
    """Where the event of a group stands; a group that comes later by its kind is not drawn forward by it."""
    rank, group = ranked
    event = _event(group)
    return (first[event], event) if first[event][0] == rank[0] else (rank, event)


def _event(group: Group) -> str:
    answer = group.items[0].answer
    return answer.event or answer.id


def _taken(item: Item) -> tuple[str, str, int]:
    answer: StoredAnswer = item.answer
    return answer.taken_at or "", answer.photo, answer.index


def following(groups: Sequence[Group], group_id: str) -> list[Group]:
    """The groups after one, and then those before it, without itself; all where it is not among them."""
    at = next((number for number, group in enumerate(groups) if group.id == group_id), None)
    return list(groups) if at is None else [*groups[at + 1 :], *groups[:at]]
