"""The daemon: one loop that scans, lets files settle, answers one photo after another, and tells what it found.

Whatever fails waits and is tried again: a full disk, a locked gallery, an engine without memory. A kill at any moment costs the work on
one photo, which waits in the ledger as if it had never been begun.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from reid_edge import __version__
from reid_edge.describe.segmentation import Box
from reid_edge.errors import EngineError, GalleryError, ReidEdgeError, StorageError
from reid_edge.photo import Photo
from reid_edge.storage.durable import make_folder
from reid_edge.storage.errors import file_errors
from reid_edge.watch import outputs
from reid_edge.watch.answer.answering import Answer, Answerer
from reid_edge.watch.answer.committing import Committed, is_decided
from reid_edge.watch.answer.turns import EngineFailingError, Turns
from reid_edge.watch.answer.under_work import UnderWork
from reid_edge.watch.configuration import Configuration
from reid_edge.watch.delivery import Deliveries
from reid_edge.watch.delivery.backoff import Backoff
from reid_edge.watch.housekeeping import Housekeeping, picture_bytes
from reid_edge.watch.intake.arrivals import Arrivals
from reid_edge.watch.intake.hints import file_hints
from reid_edge.watch.intake.megadetector import read_megadetector
from reid_edge.watch.intake.reading import Reader
from reid_edge.watch.ledger.ledger import LEDGER_NAME, Ledger
from reid_edge.watch.logging import set_up_logging
from reid_edge.watch.monitoring import Monitor
from reid_edge.watch.outputs.file_delivery import FileDelivery
from reid_edge.watch.outputs.thumbnails import Thumbnails
from reid_edge.watch.service.notify import Notifier

log = logging.getLogger(__name__)

THUMBNAILS, UNDER_WORK = "thumbnails", "under-work"
_IDLE_SECONDS = 0.2
_STATUS_SECONDS = 10.0
_LONGEST_STORAGE_WAIT = 15.0
_ONCE_DELIVERY_SECONDS = 30.0
_ONCE_ENGINE_FAILURES = 6  # in a row, over a quarter of a minute

_Item = TypeVar("_Item")


class Daemon:
    """A daemon for one output folder.

    Attributes:
        configuration: the running one.

    Args:
        configuration: what it is told.
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
        self._storage_wait = Backoff(longest=_LONGEST_STORAGE_WAIT)
        self._engine_wait = Backoff()
        self._engine_failed: EngineFailingError | None = None  # for which the run with `once` ends
        self._rest_until = self._status_at = 0.0
        self._said = ""
        self._delivering_since: float | None = None
        self._closing = contextlib.ExitStack()
        try:
            self._open(configuration)
        except BaseException:
            self._closing.close()
            raise

    def _open(self, configuration: Configuration) -> None:
        with file_errors(configuration.out):
            make_folder(configuration.out)
        self.ledger = self._closing.enter_context(Ledger.open(configuration.out / LEDGER_NAME))
        self._answerer = Answerer(
            configuration.gallery, configuration.pack, configuration.device, configuration.threads, configuration.species
        )
        self._closing.callback(self._answerer.close)
        self._boxes = read_megadetector(configuration.megadetector) if configuration.megadetector else None
        sinks = outputs.open_sinks(configuration, configuration.out, self.ledger)
        for sink in sinks:
            self._closing.callback(sink.close)
        self._files = FileDelivery(self.ledger, sinks)
        self._deliveries = Deliveries(configuration, self.ledger)
        self._closing.callback(self._deliveries.stop)
        self._monitor = Monitor(configuration, self._deliveries.states)
        if configuration.http:
            from reid_edge.watch.monitoring.http_server import MonitoringServer

            server = MonitoringServer(configuration.http, self._monitor)
            self._closing.callback(server.close)
            log.info("Metrics and health are at http://%s.", server.address)
        self._notifier = Notifier()
        self._under_work = UnderWork(configuration.out / UNDER_WORK)
        self._closing.callback(self._under_work.close)
        self._arrivals = Arrivals(self.ledger, configuration, self._monitor)
        self._housekeeping = Housekeeping(self.ledger, configuration, self._answerer, self._boxes_of)
        self._thumbnails = Thumbnails(configuration.out / THUMBNAILS)
        reader = Reader(lambda sha256: is_decided(self.ledger, sha256), self._wake.set)
        self._closing.callback(reader.close)
        self._turns = Turns(
            self.ledger,
            configuration,
            self._answerer,
            self._boxes_of,
            self._arrivals,
            reader,
            self._under_work,
            self._answered,
        )

    def stop(self) -> None:
        """End soon: the photo under work is committed, or waits. May be called from any thread and from a signal handler."""
        self._stopping.set()
        self._wake.set()
        self._under_work.close()  # the end may come in the middle of an answer

    def reload(self) -> None:
        """Read the configuration again. May be called from any thread and from a signal handler."""
        self._reloading.set()
        self._wake.set()

    def run(self) -> int:
        """Work until stopped, or with `once` until everything that is there is answered; returns the exit code.

        That is 1 where, with `once`, something is in quarantine or a folder is not there, else 0.

        Raises:
            EngineError: the gallery cannot be described, or with `once` the engine kept failing; what is not answered waits in the ledger.
            GalleryError, StorageError: with `once`, the gallery cannot be described.
        """
        with self._closing:
            run = self._noted_run()
            self._describe_gallery()
            self._notifier.ready()
            log.info("Watching %s.", self._arrivals.shown())
            finished = False
            with self._hints():
                while not self._stopping.is_set() and not finished and self._engine_failed is None:
                    finished = self._turn()
            self._notifier.stopping()
            with contextlib.suppress(ReidEdgeError):
                if run is not None:
                    self.ledger.end_run(run)
                self._files.finish()
            return self._ended(finished)

    def _ended(self, finished: bool) -> int:
        code = int(self.configuration.once)
        waiting = "What is not answered"
        with self._tolerant("The ledger cannot be asked how far it is"):
            counts = self.ledger.counts()
            log.info(
                "Ended: %d photos answered in this run, %d waiting, %d in quarantine.",
                self._turns.answered,
                counts.waiting,
                counts.quarantined,
            )
            waiting = f"{counts.waiting} photos"
            code = int(self.configuration.once and finished and bool(counts.quarantined or not self._arrivals.all_there))
        if self._engine_failed is not None:
            error = self._engine_failed
            raise EngineError(
                f"The engine failed {error.failures} times in a row: {error.message}",
                f"{waiting} not answered wait in {self.ledger.path}; the next run goes on with them.",
            )
        return code

    def _noted_run(self) -> int | None:
        with self._tolerant("The run is not noted"):
            return self.ledger.start_run(__version__, self._answerer.pack, str(self.configuration.gallery))
        return None

    def _describe_gallery(self) -> None:
        """Nothing is answered before: beside a gallery that is described in part, known animals would be strangers."""
        wait = Backoff(longest=_LONGEST_STORAGE_WAIT)
        while not self._stopping.is_set():
            try:
                missing = self._answerer.undescribed()
                if not missing:
                    return
                log.info("The pack has not described %d photos of the gallery yet; describing them now.", len(missing))
                left_out = self._answerer.describe_gallery(self._beating(missing))
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

    def _turn(self) -> bool:
        """Once round; returns whether, with `once`, everything is done."""
        self._wake.clear()
        self._beat()
        if self._reloading.is_set():
            self._reconfigure()
        if time.monotonic() < self._rest_until:
            self._wake.wait(_IDLE_SECONDS)
            return False
        try:
            busy = self._step()
            if self.configuration.once and not busy and self._is_done() and self._finish_once():
                return True
            self._storage_wait.succeeded()
            if time.monotonic() >= self._rest_until:
                self._said = ""
        except EngineFailingError as error:
            self._rest(error, self._engine_wait.failed())
            if self.configuration.once and error.failures >= _ONCE_ENGINE_FAILURES:
                self._engine_failed = error
            return False
        except (GalleryError, StorageError, OSError) as error:
            self._rest(error, self._storage_wait.failed())
            return False
        except Exception as error:
            log.exception("Something unforeseen happened.")  # a daemon that ends over one photo would answer no other
            self._rest(error, self._storage_wait.failed())
            return False
        if not busy:
            self._wake.wait(_IDLE_SECONDS)
        return False

    def _step(self) -> bool:
        """A little of everything; returns whether there is more to do at once."""
        busy = self._arrivals.step()
        busy |= self._turns.step()
        busy |= self._housekeeping.step()
        idle = not busy and not self._turns.is_reading
        busy |= self._files.step(idle)
        if idle:
            busy |= self._housekeeping.report()
        return busy

    def _answered(self, photo: Photo, answer: Answer, committed: Committed, seconds: float) -> None:
        self._engine_wait.succeeded()
        self._monitor.answered(seconds)
        if committed.event is not None:
            self._housekeeping.joined(committed.event)
        self._thumbnails.keep(photo, answer, picture_bytes(self.configuration))

    def _boxes_of(self, path: bytes, photo: Photo) -> Sequence[Box] | None:
        if self._boxes is None:
            return None
        root = self._arrivals.root_of(path)
        return self._boxes.boxes(Path(os.fsdecode(path)), Path(os.fsdecode(root)), photo.width, photo.height)

    def _is_done(self) -> bool:
        if not self._arrivals.is_quiet or not self._turns.is_idle:
            return False
        there = self._arrivals.folders_there
        marks = ", ".join("?" * len(there))
        rows = self.ledger.database.rows(
            f"SELECT 1 FROM file WHERE state IN ('seen', 'settled') AND folder_id IN ({marks}) LIMIT 1", there
        )
        if rows:
            self._arrivals.hint()  # what vanished while it settled: the next scan says so
        return not rows

    def _finish_once(self) -> bool:
        """Close the events, tell them, and make the reports; returns whether all of that is done."""
        self._housekeeping.close_events()
        if self._housekeeping.enrol() or self._files.step(idle=True) or self._housekeeping.report():
            return False
        began = self._delivering_since = self._delivering_since or time.monotonic()
        names = [*self._files.names, *(state.sink for state in self._deliveries.states())]
        waiting = any(self.ledger.delivered(name) < self.ledger.last_message() for name in names)
        if waiting and time.monotonic() - began < _ONCE_DELIVERY_SECONDS:
            return False
        if waiting:
            log.warning("Some messages could not be delivered; the next run delivers them.")
        return True

    def _rest(self, error: Exception, seconds: float) -> None:
        text = f"{error.message} {error.hint}" if isinstance(error, ReidEdgeError) else f"{error}"
        if text != self._said:
            log.warning("%s It is tried again; what is not answered waits.", text.strip())
            self._said = text
        self._rest_until = time.monotonic() + seconds

    def _beat(self) -> None:
        self._monitor.beat()
        self._notifier.watchdog()
        if time.monotonic() < self._status_at:
            return
        self._status_at = time.monotonic() + _STATUS_SECONDS
        with self._tolerant("The ledger cannot be asked how far it is"):
            counts = self.ledger.counts()
            self._notifier.status(
                f"{counts.photos_decided} photos answered, {counts.waiting} waiting, {counts.quarantined} in quarantine, "
                f"lag {counts.lag_seconds:.0f} s"
            )
            if counts.waiting and self._turns.answered:
                log.info(
                    "%d files wait, the oldest for %.0f s.", counts.waiting, counts.lag_seconds, extra={"lag": counts.lag_seconds}
                )

    def _beating(self, items: Sequence[_Item]) -> Iterator[_Item]:
        for item in items:
            self._monitor.beat()
            self._notifier.watchdog()
            yield item

    @contextlib.contextmanager
    def _tolerant(self, what: str) -> Iterator[None]:
        try:
            yield
        except ReidEdgeError as error:
            log.warning("%s: %s", what, error.message)

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
            for part in (self._monitor, self._arrivals, self._turns, self._housekeeping):
                part.configuration = configuration
            set_up_logging(configuration.log)
            log.info("The configuration was read again.%s", f" A restart is needed for {', '.join(fixed)}." if fixed else "")
        self._notifier.ready()

    def _hints(self) -> contextlib.AbstractContextManager[None]:
        if self.configuration.once:
            return contextlib.nullcontext()
        return file_hints(self._arrivals.paths_there, self.configuration.out, self.configuration.recursive, self._hint)

    def _hint(self) -> None:
        self._arrivals.hint()
        self._wake.set()
