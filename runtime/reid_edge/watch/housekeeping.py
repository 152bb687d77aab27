"""Work between answers: events are closed, new individuals enrolled, the gallery backed up, messages pruned, reports made."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from reid_edge.errors import ReidEdgeError
from reid_edge.watch.answer.answering import Answerer, BoxesOf
from reid_edge.watch.answer.enrolling import enrol_pending
from reid_edge.watch.answer.events import close_event
from reid_edge.watch.configuration import Configuration
from reid_edge.watch.gallery_backups import GalleryBackups
from reid_edge.watch.ledger.ledger import Ledger
from reid_edge.watch.ledger.records import OpenEvent
from reid_edge.watch.outputs import reports
from reid_edge.watch.outputs.reports import Reports

log = logging.getLogger(__name__)

_STRAGGLER_SECONDS = 5.0
_PRUNE_SECONDS = 10.0
_REPLICA_SECONDS = 10.0  # between two looks whether a long copy is done; each holds up the photos a little
# Events are closed together: each transaction waits for the disk several times.
_CLOSE_SECONDS, _CLOSED_TOGETHER = 10.0, 50


class Housekeeping:
    """Everything that follows from answers and from time.

    Attributes:
        configuration: the running one; may be replaced.
        waits_for_replica: whether new individuals wait until the replica has what changed on the server.
    """

    def __init__(
        self,
        ledger: Ledger,
        configuration: Configuration,
        answerer: Answerer,
        boxes_of: BoxesOf,
        sink_names: Callable[[], list[str]],
    ) -> None:
        """Nothing is done yet.

        Args:
            boxes_of: the boxes that a detector gave for the photo at a path.
            sink_names: of all sinks that messages are kept for.
        """
        self.configuration = configuration
        self.waits_for_replica = False
        self._ledger = ledger
        self._answerer = answerer
        self._boxes_of = boxes_of
        self._sink_names = sink_names
        self._joined: dict[int, float] = {}  # when something last joined an open event, on the monotonic clock
        self._backups = GalleryBackups(configuration)
        self._enrol_at = self._report_at = self._prune_at = self._close_at = 0.0
        self._reports: Reports | None = None

    @property
    def is_backing_up(self) -> bool:
        """Whether a backup of the gallery is being made."""
        return self._backups.is_busy

    def joined(self, event: int) -> None:
        """A photo joined an event."""
        self._joined[event] = time.monotonic()

    def step(self) -> bool:
        """A little of everything but reports; returns whether there is more to do at once.

        Raises:
            LedgerError, StorageError: the ledger cannot be written now.
        """
        self._close_quiet_events()
        self._backups.step(self.configuration)
        self._prune()
        return self.enrol()

    def close_events(self) -> None:
        """Close all events: nothing more comes. Errors as `step`."""
        self._close(self._ledger.open_events())

    def enrol(self) -> bool:
        """Enrol the next new individual that waits; returns whether there was one."""
        if time.monotonic() < self._enrol_at:
            return False
        self.waits_for_replica = False
        if self._answerer.is_server_away or not self._ledger.pending_enrolments():
            return False
        try:
            if not self._answerer.catch_up():
                self.waits_for_replica, self._enrol_at = True, time.monotonic() + _REPLICA_SECONDS
                return False
            done = enrol_pending(self._ledger, self._answerer, self._boxes_of)
        except ReidEdgeError as error:
            log.warning("A new individual could not be enrolled: %s It is tried again.", error.message)
            done = False
        if not done:
            self._enrol_at = time.monotonic() + self.configuration.rescan_seconds
        return done

    def report(self) -> bool:
        """Make the next report, where they are asked for; returns whether there may be another one."""
        if not self.configuration.makes_reports or time.monotonic() < self._report_at:
            return False
        try:
            keep = picture_bytes(self.configuration)
            if self._reports is None:
                self._reports = Reports(self._ledger, self._answerer, self.configuration.out, keep)
            self._reports.keep_bytes = keep
            return self._reports.step()
        except ReidEdgeError as error:
            log.warning("A report could not be made: %s It is tried again.", error.message)
            self._report_at = time.monotonic() + self.configuration.rescan_seconds
            return False

    def _prune(self) -> None:
        if time.monotonic() >= self._prune_at:
            self._prune_at = time.monotonic() + _PRUNE_SECONDS
            makes_reports = self.configuration.makes_reports
            self._ledger.prune([*self._sink_names(), *([reports.NAME] if makes_reports else [])])
            if not makes_reports:
                self._ledger.drop_evidence()

    def _close_quiet_events(self) -> None:
        """Close events after which the same camera took a photo, and those that nothing joined for a while."""
        now = time.monotonic()
        if now < self._close_at:
            return
        events = self._ledger.open_events()
        newest = {event.camera: event.id for event in events}
        closing = []
        for event in events:
            since = self._joined.setdefault(event.id, now)
            over = event.id != newest[event.camera] and now - since >= min(_STRAGGLER_SECONDS, self.configuration.event_seconds)
            quiet = now - since >= self.configuration.event_seconds and not self._ledger.is_camera_waiting(event.camera)
            if over or quiet:
                closing.append(event)
        if closing:
            self._close(closing)
            self._close_at = now + min(_CLOSE_SECONDS, self.configuration.event_seconds)

    def _close(self, events: Sequence[OpenEvent]) -> None:
        """Close these events, many in one transaction."""
        for begin in range(0, len(events), _CLOSED_TOGETHER):
            together = events[begin : begin + _CLOSED_TOGETHER]
            with self._ledger.transaction():
                for event in together:
                    close_event(self._ledger, event.id, self._answerer.similarity, self.configuration.enrol_new == "auto")
            for event in together:
                self._joined.pop(event.id, None)


def picture_bytes(configuration: Configuration) -> int:
    """How large the thumbnails may grow, and the reports: half of it each where both are made."""
    return configuration.keep_bytes // 2 if configuration.reports else configuration.keep_bytes
