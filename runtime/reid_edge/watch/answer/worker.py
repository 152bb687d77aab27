"""The worker: takes one settled file after another, reads the next one ahead, answers it, and stores what becomes of it."""

# File names are bytes here, which pathlib does not take.
# ruff: noqa: PTH120

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from reid_edge.decide.decision import Decision
from reid_edge.errors import EngineError, GalleryError, ReidEdgeError, StorageError
from reid_edge.photo import Photo
from reid_edge.photo.video import VIDEO_EXTENSIONS
from reid_edge.watch.answer.answering import Answerer, BoxesOf, PhotoAnswer
from reid_edge.watch.answer.committing import Committed, commit_answer, commit_known, commit_video
from reid_edge.watch.answer.events import shifted
from reid_edge.watch.answer.following import GalleryFollower
from reid_edge.watch.answer.in_flight import InFlightMarker
from reid_edge.watch.answer.moving import try_to_move
from reid_edge.watch.configuration import Configuration
from reid_edge.watch.delivery.backoff import Backoff
from reid_edge.watch.intake.decoding import AlreadyAnswered, Changed, End, Frame
from reid_edge.watch.intake.folder_watcher import FolderWatcher
from reid_edge.watch.intake.read_ahead import ReadAhead, ReadFile
from reid_edge.watch.intake.scanning import is_missing
from reid_edge.watch.ledger.ledger import Ledger, shown
from reid_edge.watch.ledger.records import SettledFile
from reid_edge.watch.ledger.states import Reason

log = logging.getLogger(__name__)

_MOST_TRIES = 3
_LONGEST_WAIT = 300.0
_VIDEO_NAMES = tuple(extension.encode() for extension in sorted(VIDEO_EXTENSIONS))
_DIED = "The daemon died while it answered this photo."
_TRIED_AGAIN = (Reason.UNREADABLE, Reason.DECODER_CRASHED)  # reading may succeed the next time


class EngineFailingError(EngineError):
    """Several answers in a row failed: no photo is blamed. `failures`: how many."""

    def __init__(self, reason: str, failures: int) -> None:
        super().__init__(reason, "Look at the log: the device may be out of memory, or too small for this pack.")
        self.failures = failures


class Worker:
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
        folders: FolderWatcher,
        read_ahead: ReadAhead,
        marker: InFlightMarker,
        follower: GalleryFollower,
        on_answer: Callable[[Photo, PhotoAnswer, Committed, float], None],
    ) -> None:
        """Blame the photo that an earlier process died of, where one did.

        Args:
            boxes_of: the boxes that a detector gave for the photo at a path.
            follower: adds what people said to a new answer.
            on_answer: called with each answer that was stored, and the seconds of work: reading, answering, storing.

        Raises:
            LedgerError, StorageError: that cannot be noted.
        """
        self.configuration = configuration
        self.answered = 0
        self._ledger = ledger
        self._follower = follower
        self._answerer = answerer
        self._boxes_of = boxes_of
        self._folders = folders
        self._read_ahead = read_ahead
        self._marker = marker
        self._on_answer = on_answer
        self._last: SettledFile | None = None
        self._ready: ReadFile | None = None
        self._video: SettledFile | None = None  # continues with its next frame
        self._video_known: str | None = None
        self._waiting: dict[int, float] = {}  # files that failed, until when they wait
        self._waits: dict[int, Backoff] = {}
        self._failures = 0
        self._note_last_death()

    @property
    def is_idle(self) -> bool:
        """Whether no file is being read, or waits for another try."""
        return self._ready is None and not self._read_ahead.busy and not self._waiting

    @property
    def is_reading(self) -> bool:
        """Whether a file is being read."""
        return bool(self._read_ahead.busy)

    def step(self) -> bool:
        """Answer the next photo that was read; returns whether there was one.

        Raises:
            EngineFailingError: not this one, nor the one before.
            GalleryError, StorageError, OSError: it cannot be answered or noted now. The reading is kept for the next step.
        """
        self._ask_ahead()
        if self._ready is None:
            self._ready = self._read_ahead.take()
        if self._ready is None:
            return False
        if not isinstance(self._ready.reading, Frame):
            self._ask_ahead()  # the next one is read while this one is answered
        try:
            self._handle(self._ready)
        except EngineFailingError:
            self._ready = None
            raise
        except (GalleryError, StorageError, OSError):
            raise
        except Exception as error:
            log.exception("%s could not be answered.", shown(self._ready.file.path))
            self._try_later(self._ready.file, Reason.ANSWER_FAILED, f"{type(error).__name__}: {error}")
        self._ready = None
        return True

    def _note_last_death(self) -> None:
        death = self._marker.last_death()
        file = self._ledger.settled_file(death.file_id) if death is not None else None
        if file is not None and death is not None and death.blamed:
            self._try_later(file, Reason.DAEMON_DIED, _DIED)
        elif file is not None:
            self._wait_for(file)
            log.warning("%s: %s It died of another one before: the engine may be at fault.", shown(file.path), _DIED)

    def _burst(self) -> tuple[str, str, str] | None:
        """The camera of the last file, and the times within which its photos belong to the same event."""
        if self._last is None or self._last.taken_at is None:
            return None
        seconds = self.configuration.event_seconds
        return self._last.camera, shifted(self._last.taken_at, -seconds), shifted(self._last.taken_at, seconds)

    def _ask_ahead(self) -> None:
        now = time.monotonic()
        self._waiting = {file_id: until for file_id, until in self._waiting.items() if until > now}
        folders = self._folders.present_ids
        while folders and self._read_ahead.has_room():
            busy = {*self._read_ahead.busy, *self._waiting, *([self._ready.file.id] if self._ready else [])}
            file, self._video = self._video, None
            continues = file is not None
            if file is None:
                file = self._ledger.next_settled(folders, busy, self._burst())
            if file is None:
                return
            self._last = file
            if not file.path.lower().endswith(_VIDEO_NAMES):
                self._read_ahead.ask(file)
                continue
            self._video_known = self._video_known if continues else None
            self._read_ahead.ask(file, self.configuration.video_seconds, first=not continues)

    def _handle(self, read: ReadFile) -> None:
        """What becomes of a file that was read. Where that cannot be noted the reading is kept, and noted later."""
        file, reading = read.file, read.reading
        if isinstance(reading, Photo):
            self._answer(read, reading)
        elif isinstance(reading, Frame):
            self._answer(read, reading.photo)
        elif isinstance(reading, AlreadyAnswered):
            self._already_answered(file, reading.sha256, reading.frame)
        elif isinstance(reading, End):
            commit_video(self._ledger, file, self._video_known)
            self._after_decision(file)
        elif not self._folders.is_still_present(file.folder_id):
            self._put_back(file)
        elif isinstance(reading, Changed):
            if is_missing(file.path) and self._folders.is_still_present(file.folder_id):
                self._ledger.vanish_file(file.id)
            else:
                self._put_back(file)
        elif reading.code in _TRIED_AGAIN:
            self._try_later(file, reading.code, reading.reason)
        else:
            self._quarantine(file, reading.code, reading.reason)

    def _already_answered(self, file: SettledFile, sha256: str, is_frame: bool) -> None:
        """A photo that another file brought, or a frame that was answered before the video was begun anew."""
        if is_frame:
            self._video, self._video_known = file, sha256
            return
        committed = commit_known(self._ledger, file, sha256)
        log.info("%s: the same photo as one before (%s).", shown(file.path), committed.verdict)
        self._after_decision(file)

    def _answer(self, read: ReadFile, photo: Photo) -> None:
        file, is_frame, began = read.file, isinstance(read.reading, Frame), time.monotonic()
        if photo.taken_at is None and self.configuration.name_time is not None:
            photo = replace(photo, taken_at=self.configuration.name_time.of(Path(os.fsdecode(file.path)).name))
        if self._ledger.is_decided(photo.sha256):  # by another file that was read at the same time
            self._already_answered(file, photo.sha256, is_frame)
            return
        self._marker.begin(file.id)
        answer = None
        try:
            answer = self._answerer.answer(photo, self._boxes_of(file.path, photo), self.configuration.makes_reports, file.camera)
        except (GalleryError, StorageError):
            raise
        except Exception as error:
            self._failed(file, error)
            return
        finally:
            self._marker.end(answered=answer is not None)
        self._failures = 0
        committed = commit_answer(
            self._ledger,
            file,
            photo,
            answer,
            self.configuration.event_seconds,
            self._answerer.similarity,
            is_frame,
            self._follower,
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
        self._on_answer(photo, answer, committed, seconds)
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
        self._try_later(file, Reason.ANSWER_FAILED, reason)

    def _after_decision(self, file: SettledFile) -> None:
        if self.configuration.move:
            try_to_move(self._ledger, file.id, self.configuration.out)

    def _put_back(self, file: SettledFile) -> None:
        self._ledger.put_back_file(file)
        self._folders.hint()

    def _try_later(self, file: SettledFile, code: Reason, reason: str) -> None:
        if file.tries + 1 >= _MOST_TRIES:
            self._quarantine(file, code, reason)
            return
        self._ledger.note_failed_try(file, code, reason)
        self._wait_for(file)
        log.warning("%s: %s It is tried again.", shown(file.path), reason)

    def _wait_for(self, file: SettledFile) -> None:
        wait = self._waits.setdefault(file.id, Backoff(longest=_LONGEST_WAIT)).failed()
        self._waiting[file.id] = time.monotonic() + wait

    def _quarantine(self, file: SettledFile, code: Reason, reason: str) -> None:
        self._ledger.quarantine_file(file, code, reason)
        self._waits.pop(file.id, None)
        log.warning("%s: in quarantine. %s", shown(file.path), reason)


def _in_words(decisions: Sequence[Decision]) -> str:
    if not decisions:
        return "empty"
    return "; ".join(f"{each.verdict} {each.headline}" for each in decisions)
