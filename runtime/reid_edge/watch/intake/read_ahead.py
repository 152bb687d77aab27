"""Reading ahead: while one photo is answered, the next is read and decoded; never more than that, so that memory stays bounded."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from reid_edge.errors import ReidEdgeError
from reid_edge.watch.intake.decoding import Changed, Decoder, Reading, Refused
from reid_edge.watch.ledger.records import SettledFile, shown
from reid_edge.watch.ledger.states import Reason

log = logging.getLogger(__name__)

AHEAD = 1  # beside the photo that is being answered


@dataclass(frozen=True)
class ReadFile:
    """A file that was read, what came of it, and how many seconds that took."""

    file: SettledFile
    reading: Reading
    seconds: float


class ReadAhead:
    """A thread with a `Decoder`.

    Args:
        is_answered: tells of a hash whether that photo is answered; called in the thread.
        wake: called when something was read.
        decoder: the worker.
    """

    def __init__(self, is_answered: Callable[[str], bool], wake: Callable[[], None], decoder: Decoder | None = None) -> None:
        self._is_answered = is_answered
        self._wake = wake
        self._decoder = decoder or Decoder()
        self._asked: queue.SimpleQueue[tuple[SettledFile, float | None, bool] | None] = queue.SimpleQueue()
        self._read: queue.SimpleQueue[ReadFile] = queue.SimpleQueue()
        self.busy: set[int] = set()  # files asked for and not taken yet; of the daemon's thread
        self._thread = threading.Thread(target=self._run, name="reader", daemon=True)
        self._thread.start()

    def has_room(self) -> bool:
        """Whether another file may be asked for."""
        return len(self.busy) < AHEAD

    def ask(self, file: SettledFile, video_seconds: float | None = None, first: bool = True) -> None:
        """Read this file, or a frame of this video, after those that were asked for before; see `Decoder.read`."""
        self.busy.add(file.id)
        self._asked.put((file, video_seconds, first))

    def take(self) -> ReadFile | None:
        """The next file that was read, in the order they were asked for; None where none is ready."""
        try:
            read = self._read.get_nowait()
        except queue.Empty:
            return None
        self.busy.discard(read.file.id)
        return read

    def close(self) -> None:
        """End the thread and its worker. What was not taken is read again by the next daemon."""
        self._asked.put(None)
        self._decoder.kill()
        self._thread.join(2.0)

    def _run(self) -> None:
        while (asked := self._asked.get()) is not None:
            file, video_seconds, first = asked
            began = time.monotonic()
            try:
                reading = self._decoder.read(file.path, file.stamp, self._is_answered, video_seconds, first)
            except ReidEdgeError:  # the ledger could not be asked; the daemon finds out by itself
                self._decoder.kill()
                reading = Changed()
            except Exception as error:  # a thread that ended would leave the daemon waiting for ever
                log.exception("%s could not be read.", shown(file.path))
                self._decoder.kill()
                reading = Refused(Reason.DECODER_CRASHED, f"{type(error).__name__}: {error}")
            self._read.put(ReadFile(file, reading, time.monotonic() - began))
            self._wake()
        self._decoder.close()
