"""Photos for the page, decoded in processes of their own, so that a file that crashes a decoder cannot take the page down."""

from __future__ import annotations

import os
import queue
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from reid_edge.errors import PhotoError
from reid_edge.photo import Photo
from reid_edge.watch.intake.decoding import Decoder, Refused
from reid_edge.watch.ledger.records import FileStamp

_DECODERS = 2
_SECONDS = 30.0


class PhotoReader:
    """Decoders that threads share; a call waits until one is free."""

    def __init__(self, decoders: int = _DECODERS) -> None:
        self._free: queue.Queue[Decoder] = queue.Queue()
        self._all = [Decoder(_SECONDS) for _ in range(decoders)]
        for decoder in self._all:
            self._free.put(decoder)

    def read(self, path: Path) -> Photo:
        """The photo in a file, upright.

        Raises:
            PhotoError: there is no photo in it, or it is gone.
        """
        try:
            stamp = FileStamp.of(path.stat())
        except OSError as error:
            raise PhotoError(f"{path.name} cannot be read: {error.strerror or error}.", "Check the path.") from error
        with self._decoder() as decoder:
            read = decoder.read(os.fsencode(path), stamp, lambda _: False)
        if isinstance(read, Photo):
            return read
        reason = read.reason if isinstance(read, Refused) else f"{path.name} changed while it was read."
        raise PhotoError(reason, "Give a JPEG, PNG, TIFF, BMP or WebP photo.")

    def find(self, paths: Iterable[Path], sha256: str) -> Photo | None:
        """The photo with this content, from the first of the files that still holds it; None where none does."""
        for path in paths:
            try:
                photo = self.read(path)
            except PhotoError:
                continue
            if photo.sha256 == sha256:
                return photo
        return None

    def close(self) -> None:
        """End the processes."""
        for decoder in self._all:
            decoder.kill()
            decoder.close()

    @contextmanager
    def _decoder(self) -> Iterator[Decoder]:
        decoder = self._free.get()
        try:
            yield decoder
        finally:
            self._free.put(decoder)
