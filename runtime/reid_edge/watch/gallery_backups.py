"""Backups of the gallery in a thread of their own: a large one takes minutes on a memory card, and photos go on being answered."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path

from reid_edge.errors import ReidEdgeError
from reid_edge.gallery.backup import RetentionPolicy, back_up
from reid_edge.watch.configuration import Configuration

log = logging.getLogger(__name__)

BACKUPS = "backups"
_FIRST_SECONDS = 60.0  # a device that is started every morning is backed up, too
_RETRY_SECONDS = 600.0


class GalleryBackups:
    """Makes a backup now and then, where the gallery changed since the last one; a failure is logged. For one thread."""

    def __init__(self, configuration: Configuration) -> None:
        self._next = time.monotonic() + min(configuration.backup_every, _FIRST_SECONDS)
        self._thread: threading.Thread | None = None

    @property
    def is_busy(self) -> bool:
        """Whether a backup is being made. A daemon that is stopped does not wait for it; one that ends by itself does."""
        return self._thread is not None and self._thread.is_alive()

    def step(self, configuration: Configuration) -> None:
        """Begin a backup where it is time for one and none is being made."""
        every = configuration.backup_every
        if not every or not isinstance(configuration.gallery, Path) or time.monotonic() < self._next:
            return
        if self.is_busy:
            return
        self._next = time.monotonic() + every
        self._thread = threading.Thread(
            target=self._back_up, args=(configuration, configuration.gallery), name="backup", daemon=True
        )
        self._thread.start()

    def _back_up(self, configuration: Configuration, gallery: Path) -> None:
        keep = configuration.backup_keep
        try:
            made = back_up(gallery, configuration.out / BACKUPS, RetentionPolicy(keep, keep, keep, keep))
        except (ReidEdgeError, OSError) as error:
            log.warning("The gallery could not be backed up: %s It is tried again.", error)
            self._next = time.monotonic() + min(configuration.backup_every, _RETRY_SECONDS)
        except Exception:
            log.exception("The gallery could not be backed up.")
        else:
            if made is not None:
                log.info("The gallery was backed up to %s.", made.path.name)
