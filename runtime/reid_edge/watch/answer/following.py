"""Following the gallery: what people decide there (reviews, renames, merges, splits, undo) reaches every answer that was given before.

The unit is an event. What its answers have to be follows from the gallery as it is now and from what was computed; where that differs
from what the ledger has, the answers are changed and their messages are posted again, in one transaction. So a kill at any moment loses
and doubles nothing: the next look finds the same difference, or none. The position in the gallery's events only says where to look.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from reid_edge.gallery.changes import Position
from reid_edge.watch.answer.answering import Answerer
from reid_edge.watch.answer.events import revise
from reid_edge.watch.answer.updating import EventUpdate
from reid_edge.watch.ledger.ledger import Ledger

_EVENTS_AT_ONCE = 50


class GalleryFollower:
    """Brings the ledger's answers up to date with the gallery, a few events at a time."""

    def __init__(self, ledger: Ledger, answerer: Answerer) -> None:
        self._ledger = ledger
        self._answerer = answerer
        self._names: Mapping[int, tuple[str, str]] = {}
        self._names_of: Position | None = None
        self._events: Iterator[list[int]] | None = None  # that are left of the changes up to `_target`
        self._target = Position()

    def step(self) -> bool:
        """Update a few events; returns whether there is more to do at once.

        Raises:
            GalleryError, LedgerError, StorageError: not now; the next step continues.
        """
        self._answerer.refresh()
        if self._events is None:
            changes = self._answerer.gallery.changes_since(self._ledger.followed())
            if changes.position == self._ledger.followed():
                return False
            self._target = changes.position
            photos = changes.photos
            self._events = self._all_events() if changes.everything else iter([self._ledger.events_of_photos(photos)])
        page = next(self._events, None)
        for event in page or ():
            self.update(event)
        if page is None:
            self._events = None
            self._ledger.note_followed(self._target)
        return True

    def update(self, event: int, answering: int | None = None) -> None:
        """Make the answers of an event what the gallery says now; where one changes, it and the event are posted again.

        Args:
            answering: the photo that is being answered, and whose message and event are about to be posted.
        """
        with self._ledger.transaction(), self._answerer.gallery.snapshot():
            changed = EventUpdate(self._ledger, self._answerer.gallery, self._current_names(), event).apply()
            for photo in sorted(changed - {answering}):
                self._ledger.post_revised_photo(photo)
            if changed and answering is None:
                revise(self._ledger, event, self._ledger.is_closed(event), reviewed=True)

    def has_reviews(self) -> bool:
        """Whether the gallery holds anything that people said, so that a new answer may differ from what was computed."""
        return self._answerer.gallery.has_reviews()

    def _all_events(self) -> Iterator[list[int]]:
        page = [0]
        while page := self._ledger.event_ids(page[-1], _EVENTS_AT_ONCE):
            yield page

    def _current_names(self) -> Mapping[int, tuple[str, str]]:
        position = self._answerer.gallery.position()
        if position != self._names_of:
            self._names, self._names_of = self._answerer.gallery.current_names(), position
        return self._names
