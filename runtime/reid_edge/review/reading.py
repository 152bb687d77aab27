"""Photos for the page, decoded in processes of their own, so that a file that crashes a decoder cannot take the page down."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from pathlib import Path

from reid_edge.errors import PhotoError
from reid_edge.photo import Photo
from reid_edge.watch.intake.decoding import AlreadyAnswered, Decoder, Refused
from reid_edge.watch.ledger.records import FileStamp

_DECODERS = 2
_SECONDS = 30.0


class PhotoReader:
    """Threads with a decoder each, shared by those who call; a call waits until one is free.

    A decoder's process ends with the thread that started it, and those of a web server end when they are idle: hence threads of its own.
    """

    def __init__(self, decoders: int = _DECODERS) -> None:
        self._threads = ThreadPoolExecutor(decoders, "decoder", self._start)
        self._own = threading.local()
        self._decoders: list[Decoder] = []

    def read(self, path: Path) -> Photo:
        """The photo in a file, upright.

        Raises:
            PhotoError: there is no photo in it, or it is gone, or the page is closing.
        """
        return self._in_turn(path)

    def find(self, paths: Iterable[Path], sha256: str) -> Photo | None:
        """The photo with this content, from the first of the files that still holds it; None where none does. No other is decoded."""
        for path in paths:
            try:
                return self._in_turn(path, sha256)
            except PhotoError:
                continue
        return None

    def close(self) -> None:
        """End the processes; what is being read is refused."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for decoder in self._decoders:
            decoder.kill()
        self._threads.shutdown()
        for decoder in self._decoders:
            decoder.close()

    def _in_turn(self, path: Path, sha256: str = "") -> Photo:
        try:
            reading = self._threads.submit(self._read, path, sha256)
        except RuntimeError as error:  # it is shut down
            raise _closing(path) from error
        try:
            return reading.result()
        except CancelledError as error:
            raise _closing(path) from error

    def _start(self) -> None:
        self._own.decoder = Decoder(_SECONDS)
        self._decoders.append(self._own.decoder)

    def _read(self, path: Path, sha256: str) -> Photo:
        """In a thread with a decoder; PhotoError where the file has not the hash `sha256`, or where it is '', no photo."""
        stamp = _stamp_of(path)
        read = self._own.decoder.read(os.fsencode(path), stamp, lambda found: sha256 not in ("", found))
        if isinstance(read, Photo):
            return read
        if isinstance(read, AlreadyAnswered):
            raise PhotoError(f"{path.name} is another photo by now.", "Bring back the one that was answered.")
        reason = read.reason if isinstance(read, Refused) else f"{path.name} changed while it was read."
        raise PhotoError(reason, "Give a JPEG, PNG, TIFF, BMP or WebP photo.")


def _closing(path: Path) -> PhotoError:
    return PhotoError(f"{path.name} is not read: the page is closing.", "Start it again.")


def _stamp_of(path: Path) -> FileStamp:
    """Asked for in a thread of its own, which nothing waits for at the end: a network disk that is gone may never answer."""
    stamp: Future[FileStamp] = Future()

    def ask() -> None:
        try:
            stamp.set_result(FileStamp.of(path.stat()))
        except OSError as error:
            stamp.set_exception(error)

    threading.Thread(target=ask, name="stat", daemon=True).start()
    try:
        return stamp.result(_SECONDS)
    except FutureTimeoutError as error:
        raise PhotoError(f"{path.name} cannot be read: its disk does not answer.", "Check the disk, or the network.") from error
    except OSError as error:
        raise PhotoError(f"{path.name} cannot be read: {error.strerror or error}.", "Check the path.") from error
