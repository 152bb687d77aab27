"""File after file: the next one is read ahead, answered, and what becomes of it is noted."""

# File names are bytes here, which pathlib does not take.
# ruff: noqa: PTH120

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Sequence

from reid_edge.decide.decision import Decision
from reid_edge.errors import EngineError, GalleryError, ReidEdgeError, StorageError
from reid_edge.photo import Photo
from reid_edge.photo.video import VIDEO_EXTENSIONS
from reid_edge.watch.answer.answering import Answer, Answerer, BoxesOf
from reid_edge.watch.answer.committing import (
    Committed,
    SettledFile,
    commit_answer,
    commit_known,
    commit_video,
    is_decided,
    put_back,
    quarantine,
)
from reid_edge.watch.answer.in_flight import UnderWork
from reid_edge.watch.answer.moving import move_or_say
from reid_edge.watch.configuration import Configuration
from reid_edge.watch.delivery.backoff import Backoff
from reid_edge.watch.intake.decoding import Changed, End, Frame, Known, Unreadable
from reid_edge.watch.intake.folder_watcher import UNREADABLE, Arrivals
from reid_edge.watch.intake.ordering import next_file, settled_file
from reid_edge.watch.intake.read_ahead import Read, Reader
from reid_edge.watch.intake.scanning import is_missing, note_gone
from reid_edge.watch.ledger.ledger import Ledger, shown

log = logging.getLogger(__name__)

_MOST_TRIES = 3
_LONGEST_WAIT = 300.0
_VIDEO_NAMES = tuple(extension.encode() for extension in sorted(VIDEO_EXTENSIONS))
_DIED = "The daemon died while it answered this photo."


class EngineFailingError(EngineError):
    """Several answers in a row failed: no photo is blamed. `failures`: how many."""

    def __init__(self, reason: str, failures: int) -> None:
        super().__init__(reason, "Look at the log: the device may be out of memory, or the pack unfit for it.")
        self.failures = failures


class Turns:
    """Answers one settled file after another. For one thread.

    Attributes:
        configuration: the running one; may be replaced.
        answered: photos answered so far.
    """

    def __init__(
        self,
        ledger: Ledger,
        configuration: Configuration,
        answerer: Answerer,
        boxes_of: BoxesOf,
        arrivals: Arrivals,
        reader: Reader,
        under_work: UnderWork,
        answered: Callable[[Photo, Answer, Committed, float], None],
    ) -> None:
        """Blame the photo that an earlier process died of, where one did.

        Args:
            boxes_of: the boxes that a detector gave for the photo at a path.
            answered: called with each answer that was noted, and the seconds of work: reading, answering, noting.

        Raises:
            LedgerError, StorageError: that cannot be noted.
        """
        self.configuration = configuration
        self.answered = 0
        self._ledger = ledger
        self._answerer = answerer
        self._boxes_of = boxes_of
        self._arrivals = arrivals
        self._reader = reader
        self._under_work = under_work
        self._tell = answered
        self._last: SettledFile | None = None
        self._ready: Read | None = None
        self._video: SettledFile | None = None  # goes on with its next frame
        self._video_known: str | None = None
        self._waiting: dict[int, float] = {}  # files that failed, until when they wait
        self._waits: dict[int, Backoff] = {}
        self._failures = 0
        death = under_work.left_over()
        file = settled_file(ledger, death.file_id) if death is not None else None
        if file is not None and death is not None and death.blamed:
            self._try_later(file, _DIED)
        elif file is not None:
            self._wait_for(file)
            log.warning("%s: %s It died of another one before: the engine may be at fault.", shown(file.path), _DIED)

    @property
    def is_idle(self) -> bool:
        """Whether no file is being read, or waits for another try."""
        return self._ready is None and not self._reader.busy and not self._waiting

    @property
    def is_reading(self) -> bool:
        """Whether a file is being read."""
        return bool(self._reader.busy)

    def step(self) -> bool:
        """Answer the next photo that was read; returns whether there was one.

        Raises:
            EngineFailingError: not this one, nor the one before.
            GalleryError, StorageError, OSError: it cannot be answered or noted now. The reading is kept for the next step.
        """
        self._ask_ahead()
        if self._ready is None:
            self._ready = self._reader.take()
        if self._ready is None:
            return False
        if not isinstance(self._ready.reading, Frame):
            self._ask_ahead()  # the next one is read while this one is answered
        try:
            self._settle_reading(self._ready)
        except EngineFailingError:
            self._ready = None
            raise
        except (GalleryError, StorageError, OSError):
            raise
        except Exception as error:
            log.exception("%s could not be answered.", shown(self._ready.file.path))
            self._try_later(self._ready.file, f"{type(error).__name__}: {error}")
        self._ready = None
        return True

    def _ask_ahead(self) -> None:
        now = time.monotonic()
        self._waiting = {file_id: until for file_id, until in self._waiting.items() if until > now}
        there = self._arrivals.folders_there
        while there and self._reader.has_room():
            busy = {*self._reader.busy, *self._waiting, *([self._ready.file.id] if self._ready else [])}
            file, self._video = self._video, None
            goes_on = file is not None
            if file is None:
                file = next_file(self._ledger, there, busy, self._last, self.configuration.event_seconds)
            if file is None:
                return
            self._last = file
            if not file.path.lower().endswith(_VIDEO_NAMES):
                self._reader.ask(file)
                continue
            self._video_known = self._video_known if goes_on else None
            self._reader.ask(file, self.configuration.video_seconds, first=not goes_on)

    def _settle_reading(self, read: Read) -> None:
        """What becomes of a file that was read. Where that cannot be noted the reading is kept, and noted later."""
        file, reading = read.file, read.reading
        if isinstance(reading, Photo):
            self._answer(read, reading)
        elif isinstance(reading, Frame):
            self._answer(read, reading.photo)
        elif isinstance(reading, Known):
            self._known(file, reading.sha256, reading.frame)
        elif isinstance(reading, End):
            commit_video(self._ledger, file, self._video_known)
            self._after_decision(file)
        elif not self._arrivals.still_there(file.folder_id):
            put_back(self._ledger, file)
            self._arrivals.hint()
        elif isinstance(reading, Changed):
            if is_missing(file.path) and self._arrivals.still_there(file.folder_id):
                note_gone(self._ledger, file.id)
            else:
                put_back(self._ledger, file)
                self._arrivals.hint()
        elif isinstance(reading, Unreadable):
            self._try_later(file, f"{UNREADABLE} {reading.reason}")
        elif reading.crashed:
            self._try_later(file, reading.reason)
        else:
            self._quarantine(file, reading.reason)

    def _known(self, file: SettledFile, sha256: str, is_frame: bool) -> None:
        """A photo that another file brought, or a frame that was answered before the video was begun anew."""
        if is_frame:
            self._video, self._video_known = file, sha256
            return
        committed = commit_known(self._ledger, file, sha256)
        log.info("%s: the same photo as one before (%s).", shown(file.path), committed.verdict)
        self._after_decision(file)

    def _answer(self, read: Read, photo: Photo) -> None:
        file, is_frame, began = read.file, isinstance(read.reading, Frame), time.monotonic()
        if is_decided(self._ledger, photo.sha256):  # by another file that was read at the same time
            self._known(file, photo.sha256, is_frame)
            return
        self._under_work.begin(file.id)
        answer = None
        try:
            answer = self._answerer.answer(photo, self._boxes_of(file.path, photo))
        except (GalleryError, StorageError):
            raise
        except Exception as error:
            self._failed(file, error)
            return
        finally:
            self._under_work.end(answered=answer is not None)
        self._failures = 0
        committed = commit_answer(
            self._ledger, file, photo, answer, self.configuration.event_seconds, self._answerer.similarity, is_frame
        )
        self._waits.pop(file.id, None)
        self.answered += 1
        seconds = read.seconds + time.monotonic() - began
        log.info(
            "%s: %s (%.2f s)",
            shown(file.path) if not is_frame else f"{shown(os.path.dirname(file.path))}/{photo.name}",
            _in_words(answer.decisions),
            seconds,
            extra={"sha256": photo.sha256, "verdict": answer.verdict, "camera": file.camera, "event": committed.event},
        )
        self._tell(photo, answer, committed, seconds)
        if is_frame:
            self._video, self._video_known = file, photo.sha256
        else:
            self._after_decision(file)

    def _failed(self, file: SettledFile, error: Exception) -> None:
        """The photo may be at fault, or the engine: others go first, and it is tried again."""
        expected = isinstance(error, ReidEdgeError)
        reason = error.message if isinstance(error, ReidEdgeError) else f"{type(error).__name__}: {error}"
        log.warning("%s could not be answered.", shown(file.path), exc_info=not expected)
        self._failures += 1
        if self._failures > 1:  # in a row: the engine is at fault, and no photo is blamed
            self._wait_for(file)
            raise EngineFailingError(reason, self._failures)
        self._try_later(file, reason)

    def _after_decision(self, file: SettledFile) -> None:
        if self.configuration.move:
            move_or_say(self._ledger, file.id, self.configuration.out)

    def _try_later(self, file: SettledFile, reason: str) -> None:
        if file.tries + 1 >= _MOST_TRIES:
            self._quarantine(file, reason)
            return
        self._ledger.database.execute(
            "UPDATE file SET tries = tries + 1, reason = ? WHERE id = ? AND state = 'settled'", (reason, file.id)
        )
        self._wait_for(file)
        log.warning("%s: %s It is tried again.", shown(file.path), reason)

    def _wait_for(self, file: SettledFile) -> None:
        wait = self._waits.setdefault(file.id, Backoff(longest=_LONGEST_WAIT)).failed()
        self._waiting[file.id] = time.monotonic() + wait

    def _quarantine(self, file: SettledFile, reason: str) -> None:
        quarantine(self._ledger, file, reason)
        self._waits.pop(file.id, None)
        log.warning("%s: in quarantine. %s", shown(file.path), reason)


def _in_words(decisions: Sequence[Decision]) -> str:
    if not decisions:
        return "empty"
    return ", ".join(f"{each.verdict} {each.identity or ''}".strip() + f" ({each.probability:.2f})" for each in decisions)
