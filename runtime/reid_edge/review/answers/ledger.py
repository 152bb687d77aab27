"""The answers of `reid-edge watch`: its ledger, read while the daemon is at work, with the events and groups that it has made."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from reid_edge.decide.decision import Decision
from reid_edge.errors import UsageError
from reid_edge.review.answers.stored import StoredAnswer, summarised
from reid_edge.watch.answer.evidence import join_evidence
from reid_edge.watch.ledger.ledger import LEDGER_NAME, Ledger
from reid_edge.watch.outputs.thumbnails import THUMBNAILS, find_thumbnail


class LedgerAnswers:
    """The answers of a daemon's folder.

    Args:
        out: the folder, as `reid-edge watch --out` was given.

    Raises:
        LedgerError, StorageError: it holds no ledger that can be read.
    """

    def __init__(self, out: Path) -> None:
        self._out = out
        self._ledger = Ledger.read(out / LEDGER_NAME)
        self._lock = threading.Lock()
        self._last_animal = 0
        self._animals: dict[int, StoredAnswer] = {}
        self._answers: tuple[StoredAnswer, ...] = ()
        self.refresh()

    def refresh(self) -> int:
        """Read what the daemon has answered since; returns the id of the newest animal."""
        with self._lock:
            new = self._ledger.answered_animals(self._last_animal)
            if not new:
                return self._last_animal
            events = [animal.event_id for animal in new if animal.event_id is not None]
            for animal in new:
                event = "" if animal.event_id is None else str(animal.event_id)
                facts = {"camera": animal.camera, "taken_at": animal.taken_at, "event": event, "group": f"animal-{animal.id}"}
                self._animals[animal.id] = summarised(animal.decision, **facts)
            if events:  # an event that a photo joins is grouped anew
                self._group(min(events), max(events))
            self._last_animal = new[-1].id
            self._answers = tuple(self._animals.values())
            return self._last_animal

    def answers(self) -> Sequence[StoredAnswer]:
        """All answers, in the order in which they were given."""
        return self._answers

    def decision(self, answer: StoredAnswer) -> Decision:
        """The whole answer; its evidence is there until the daemon has written the report of its event."""
        photo = self._ledger.photo(answer.sha256)
        computed = self._ledger.computed_decisions(photo.id) if photo else []
        plain = next((each for each in computed if each["animal"]["index"] == answer.index), None)
        if photo is None or plain is None:
            raise UsageError(f"The ledger no longer holds the answer for {answer.photo}.", "Open the page again.")
        return join_evidence(plain, self._ledger.evidence(photo.id).get(answer.index))

    def paths(self, answer: StoredAnswer) -> Sequence[Path]:
        """The files that carry the photo, where they are now."""
        photo = self._ledger.photo(answer.sha256)
        return [Path(os.fsdecode(path)) for path in photo.paths] if photo else []

    def thumbnail(self, answer: StoredAnswer) -> bytes | None:
        """The daemon's thumbnail of the animal."""
        folder = self._out / THUMBNAILS
        return find_thumbnail(folder, answer.sha256, answer.index) if folder.is_dir() else None

    def close(self) -> None:
        """Close the ledger."""
        self._ledger.close()

    def _group(self, first: int, last: int) -> None:
        for animal, (event, number) in self._ledger.event_groups(first, last).items():
            if animal in self._animals:
                self._animals[animal] = replace(self._animals[animal], group=f"event-{event}-{number}")
