"""The daemon: one loop, whose every round gives each part a little time.

    folders.step()        scan, and let files settle                     found ─► seen ─► settled
    worker.step()         answer the next file that was read             settled ─► decided or quarantined
    follower.step()       bring answers up to date with what people decided in the gallery
    housekeeping.step()   close events, enrol, back up, prune
    files.step()          write messages to the output files; network sinks have threads of their own

Every change of state is a transaction in the ledger (`ledger/states.py` has all of them), so a kill at any moment costs the work on one
photo, which waits as if it had never been begun. Whatever fails waits and is tried again: a full disk, a locked gallery, an engine
without memory.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from reid_edge import __version__
from reid_edge.describe.query import Query
from reid_edge.describe.segmentation import Box
from reid_edge.errors import EngineError, GalleryError, ReidEdgeError, StorageError
from reid_edge.photo import Photo
from reid_edge.storage.durable import make_folder
from reid_edge.storage.errors import file_errors
from reid_edge.watch import outputs
from reid_edge.watch.answer.answering import Answerer, PhotoAnswer
from reid_edge.watch.answer.committing import Committed
from reid_edge.watch.answer.following import GalleryFollower
from reid_edge.watch.answer.in_flight import InFlightMarker
from reid_edge.watch.answer.moving import try_to_move
from reid_edge.watch.answer.replica_worker import ReplicaWorker
from reid_edge.watch.answer.worker import EngineFailingError, Worker
from reid_edge.watch.configuration import Configuration
from reid_edge.watch.delivery import Deliveries
from reid_edge.watch.delivery.backoff import Backoff
from reid_edge.watch.failure_pause import FailurePause
from reid_edge.watch.housekeeping import Housekeeping, picture_bytes
from reid_edge.watch.intake.file_events import file_hints
from reid_edge.watch.intake.folder_watcher import FolderWatcher
from reid_edge.watch.intake.megadetector import read_megadetector
from reid_edge.watch.intake.read_ahead import ReadAhead
from reid_edge.watch.ledger.ledger import LEDGER_NAME, Ledger
from reid_edge.watch.logging import set_up_logging
from reid_edge.watch.monitoring import Monitor
from reid_edge.watch.outputs.file_delivery import FileDelivery
from reid_edge.watch.outputs.thumbnails import THUMBNAILS, Thumbnails
from reid_edge.watch.service.notify import Notifier

log = logging.getLogger(__name__)

IN_FLIGHT = "under-work"
_IDLE_SECONDS = 0.2
_STATUS_SECONDS = 10.0
_FOLLOW_SECONDS = 1.0
_LONGEST_GALLERY_WAIT = 15.0
_ONCE_DELIVERY_SECONDS = 30.0
_ENOUGH_PHOTOS = 20  # of which a fitting MegaDetector file would have some
_ONCE_ENGINE_FAILURES = 6  # in a row, over a quarter of a minute

_Item = TypeVar("_Item")


class Daemon:
    """A daemon for one output folder.

    Attributes:
        configuration: the running one.

    Args:
        configuration: what it is to do.
        reread: reads the configuration again after SIGHUP: the new one, and the keys that need a restart.

    Raises:
        GalleryError: another daemon is at work in the output folder, or the gallery or the ledger cannot be opened.
        PackError, EngineError, UsageError, StorageError: see `Answerer`, `outputs.open_sinks`.
    """

    def __init__(self, configuration: Configuration, reread: Callable[[], tuple[Configuration, list[str]]] | None = None) -> None:
        self.configuration = configuration
        self._reread = reread
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._reloading = threading.Event()
        self._pause = FailurePause()
        self._finished = False  # with `once`: everything is answered
        self._engine_failed: EngineFailingError | None = None  # with `once`: the run ends because of it
        self._status_at = self._follow_at = 0.0
        self._delivering_since: float | None = None
        self._closing = contextlib.ExitStack()
        try:
            self._open(configuration)
        except BaseException:
            self._closing.close()
            raise

    def stop(self) -> None:
        """End soon: the photo that is being answered is committed, or waits. May be called from any thread and from a signal handler."""
        self._stopping.set()
        self._wake.set()
        self._marker.close()  # the end may come in the middle of an answer

    def reload(self) -> None:
        """Read the configuration again. May be called from any thread and from a signal handler."""
        self._reloading.set()
        self._wake.set()

    def run(self) -> int:
        """Work until stopped, or with `once` until everything that was found is answered; returns the exit code.

        That is 1 where, with `once`, some inputs are not answered: something is in quarantine, a folder is absent, or it was stopped
        before the end. Else it is 0.

        Raises:
            EngineError: the gallery cannot be described, or with `once` the engine kept failing; what is not answered waits in the ledger.
            GalleryError, StorageError: with `once`, the gallery cannot be described.
        """
        with self._closing:
            run = self._note_start()
            self._describe_gallery()
            self._notifier.ready()
            log.info("Watching %s.", self._folders.shown())
            with self._hints():
                while not (self._stopping.is_set() or self._finished or self._engine_failed):
                    if not self._round():
                        self._wake.wait(_IDLE_SECONDS)
            self._notifier.stopping()
            with contextlib.suppress(ReidEdgeError):
                if run is not None:
                    self.ledger.end_run(run)
                self._files.finish()
            return self._exit_code()

    def _round(self) -> bool:
        """Once through all parts; returns whether there is more to do at once. A failure is logged, and a pause follows."""
        self._wake.clear()
        self._beat()
        if self._reloading.is_set():
            self._reconfigure()
        if not self._pause.is_over:
            return False
        try:
            busy = self._step()
            if self.configuration.once and not busy:
                self._finished = self._is_all_answered() and self._is_all_delivered()
        except EngineFailingError as error:
            self._pause.after_engine(error)
            if self.configuration.once and error.failures >= _ONCE_ENGINE_FAILURES:
                self._engine_failed = error
            return True
        except (GalleryError, StorageError, OSError) as error:
            self._pause.after_storage(error)
            return True
        except Exception as error:
            log.exception("Something unforeseen happened.")  # a daemon that ends over one photo would answer no other
            self._pause.after_storage(error)
            return True
        self._pause.succeeded()
        return busy or self._finished

    def _step(self) -> bool:
        busy = self._folders.step()
        busy |= self._worker.step()
        busy |= self._follow()
        busy |= self._housekeeping.step()
        idle = not busy and not self._worker.is_reading
        busy |= self._files.step(idle)
        if idle:
            busy |= self._housekeeping.report()
        return busy

    def _follow(self, at_once: bool = False) -> bool:
        """Bring some answers up to date with the gallery, about once in a second; returns whether more wait."""
        if time.monotonic() < self._follow_at and not at_once:
            return False
        more = self._follower.step()
        self._follow_at = 0.0 if more else time.monotonic() + _FOLLOW_SECONDS
        return more

    def _is_all_answered(self) -> bool:
        """With `once`: whether nothing is left to answer in the folders that are present."""
        if not self._folders.is_quiet or not self._worker.is_idle:
            return False
        if self.ledger.is_waiting(self._folders.present_ids):
            self._folders.hint()  # it vanished while it settled: the next scan notes that
            return False
        return True

    def _is_all_delivered(self) -> bool:
        """With `once`: close the events, enrol, deliver, make the reports and end the backup; returns whether all of that is done."""
        self._housekeeping.close_events()
        if self._follow(at_once=True) or self._housekeeping.enrol() or self._files.step(idle=True) or self._housekeeping.report():
            return False
        if self._housekeeping.waits_for_replica or self._housekeeping.is_backing_up:
            return False
        began = self._delivering_since = self._delivering_since or time.monotonic()
        waiting = any(self.ledger.delivered(name) < self.ledger.last_message() for name in self._sink_names())
        if waiting and time.monotonic() - began < _ONCE_DELIVERY_SECONDS:
            return False
        if waiting:
            log.warning("Some messages could not be delivered; the next run delivers them.")
        return True

    def _exit_code(self) -> int:
        unanswered = self.configuration.once and not (self._finished and self._folders.all_present)
        waiting = "What is not answered"
        with self._tolerant("The ledger cannot be asked what is written"):
            behind = [name for name in self._files.names if self.ledger.delivered(name) < self.ledger.last_message()]
            if self.configuration.once and behind:
                log.warning("Not everything is written to %s; the next run writes the rest.", ", ".join(behind))
                unanswered = True
        with self._tolerant("The ledger cannot be asked how far it is"):
            counts = self.ledger.counts()
            log.info(
                "Ended: %d photos answered in this run, %d waiting, %d in quarantine.",
                self._worker.answered,
                counts.waiting,
                counts.quarantined,
            )
            waiting = f"{counts.waiting} photos"
            unanswered |= self.configuration.once and counts.quarantined > 0
        self._report_boxes(is_last=True)
        if self._engine_failed is not None:
            error = self._engine_failed
            raise EngineError(
                f"The engine failed {error.failures} times in a row: {error.message}",
                f"{waiting} not answered wait in {self.ledger.path}; the next run goes on with them.",
            )
        return int(unanswered)

    def _report_boxes(self, is_last: bool = False) -> None:
        """Log for how many photos the MegaDetector file had boxes: none of the first ones is a warning."""
        boxes, path = self._boxes, self.configuration.megadetector
        if boxes is None or not boxes.asked or not (is_last or boxes.asked == _ENOUGH_PHOTOS):
            return
        if not boxes.found:
            log.warning("%s has none of the %d photos so far: its paths are of other files.", path, boxes.asked)
        elif is_last:
            log.info("%s gave the boxes of %d of %d photos.", path, boxes.found, boxes.asked)

    def _open(self, configuration: Configuration) -> None:
        with file_errors(configuration.out):
            make_folder(configuration.out)
        ledger = self.ledger = self._closing.enter_context(Ledger.open(configuration.out / LEDGER_NAME))
        self._answerer = Answerer(
            configuration.gallery,
            configuration.pack,
            configuration.device,
            configuration.threads,
            Query(configuration.species, max_speed=configuration.max_speed),
            partial(ReplicaWorker.start, configuration),
        )
        self._closing.callback(self._answerer.close)
        self._boxes = read_megadetector(configuration.megadetector) if configuration.megadetector else None
        sinks = outputs.open_sinks(configuration, configuration.out, ledger)
        for sink in sinks:
            self._closing.callback(sink.close)
        self._files = FileDelivery(ledger, sinks)
        self._deliveries = Deliveries(configuration, ledger)
        self._closing.callback(self._deliveries.stop)
        self._monitor = Monitor(configuration, self._deliveries.states, self._answerer.replica)
        if configuration.http:
            from reid_edge.watch.monitoring.http_server import MonitoringServer

            server = MonitoringServer(configuration.http, self._monitor)
            self._closing.callback(server.close)
            log.info("Metrics and health are at http://%s.", server.address)
        self._notifier = Notifier()
        self._marker = InFlightMarker(configuration.out / IN_FLIGHT)
        self._closing.callback(self._marker.close)
        self._folders = FolderWatcher(ledger, configuration, self._monitor, self._move)
        self._housekeeping = Housekeeping(ledger, configuration, self._answerer, self._boxes_of, self._sink_names)
        self._thumbnails = Thumbnails(configuration.out / THUMBNAILS)
        read_ahead = ReadAhead(ledger.is_decided, self._wake.set)
        self._closing.callback(read_ahead.close)
        self._follower = GalleryFollower(ledger, self._answerer)
        self._worker = Worker(
            *(ledger, configuration, self._answerer, self._boxes_of, self._folders, read_ahead, self._marker, self._follower),
            self._on_answer,
        )

    def _note_start(self) -> int | None:
        with self._tolerant("The run is not noted"):
            return self.ledger.start_run(__version__, self._answerer.pack, str(self.configuration.gallery))
        return None

    def _describe_gallery(self) -> None:
        """Nothing is answered before: beside a gallery that is described in part, known animals would be strangers."""
        wait = Backoff(longest=_LONGEST_GALLERY_WAIT)
        while not self._stopping.is_set():
            try:
                missing = self._answerer.undescribed()
                if not missing:
                    return
                if self._answerer.is_server_away:
                    log.warning(
                        "The pack has not described %d photos of the gallery; they are compared with nothing.", len(missing)
                    )
                    return
                log.info("The pack has not described %d photos of the gallery yet; describing them now.", len(missing))
                left_out = self._answerer.describe_gallery(self._beating(missing))
                while not (self._answerer.catch_up() or self._stopping.is_set()):
                    self._beat()
            except (GalleryError, StorageError) as error:
                if self.configuration.once:
                    raise
                log.warning("%s It is tried again; photos wait.", error.message)
                self._beat()
                self._stopping.wait(wait.failed())
            else:
                if left_out:
                    log.warning("%d photos of the gallery could not be described and are compared with nothing.", left_out)
                return

    def _on_answer(self, photo: Photo, answer: PhotoAnswer, committed: Committed, seconds: float) -> None:
        self._pause.engine_succeeded()
        self._monitor.answered(seconds)
        if committed.event is not None:
            self._housekeeping.joined(committed.event)
        self._thumbnails.keep(photo, answer, picture_bytes(self.configuration))

    def _move(self, file_id: int) -> None:
        try_to_move(self.ledger, file_id, self.configuration.out)

    def _boxes_of(self, path: bytes, photo: Photo) -> Sequence[Box] | None:
        if self._boxes is None:
            return None
        root = self._folders.root_of(path)
        boxes = self._boxes.boxes(Path(os.fsdecode(path)), Path(os.fsdecode(root)), photo.width, photo.height)
        self._report_boxes()
        return boxes

    def _sink_names(self) -> list[str]:
        return [*self._files.names, *(state.sink for state in self._deliveries.states())]

    def _beat(self) -> None:
        self._monitor.beat()
        self._notifier.watchdog()
        if time.monotonic() < self._status_at:
            return
        self._status_at = time.monotonic() + _STATUS_SECONDS
        with self._tolerant("The ledger cannot be asked how far it is"):
            counts = self.ledger.counts()
            lag = counts.lag_seconds
            self._notifier.status(
                f"{counts.photos_decided} photos answered, {counts.waiting} waiting, {counts.quarantined} in quarantine, "
                f"lag {lag:.0f} s"
            )
            if counts.waiting and self._worker.answered:
                log.info("%d files wait, the oldest for %.0f s.", counts.waiting, lag, extra={"lag": lag})

    def _beating(self, items: Sequence[_Item]) -> Iterator[_Item]:
        for item in items:
            self._monitor.beat()
            self._notifier.watchdog()
            yield item

    @contextlib.contextmanager
    def _tolerant(self, failure: str) -> Iterator[None]:
        try:
            yield
        except ReidEdgeError as error:
            log.warning("%s: %s", failure, error.message)

    def _reconfigure(self) -> None:
        self._reloading.clear()
        if self._reread is None:
            return
        self._notifier.reloading()
        try:
            configuration, fixed = self._reread()
            self._deliveries.reconfigure(configuration)
        except ReidEdgeError as error:
            log.error("The configuration stays as it was: %s %s", error.message, error.hint)
        else:
            self.configuration = configuration
            for part in (self._monitor, self._folders, self._worker, self._housekeeping):
                part.configuration = configuration
            set_up_logging(configuration.log)
            log.info("The configuration was read again.%s", f" A restart is needed for {', '.join(fixed)}." if fixed else "")
        self._notifier.ready()

    def _hints(self) -> contextlib.AbstractContextManager[None]:
        if self.configuration.once:
            return contextlib.nullcontext()
        return file_hints(self._folders.present_paths, self.configuration.out, self.configuration.recursive, self._hint)

    def _hint(self) -> None:
        self._folders.hint()
        self._wake.set()
