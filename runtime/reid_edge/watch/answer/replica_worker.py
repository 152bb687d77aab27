"""The replica of a gallery on a server, kept up to date by a thread: photos are answered from it, whether the server is there or not."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from reid_edge.errors import GalleryError, ReidEdgeError, StorageError
from reid_edge.gallery import Gallery
from reid_edge.gallery.replica import Replica, ReplicaState, open_replica, read_replica
from reid_edge.storage.address import ServerAddress
from reid_edge.storage.clock import system_clock
from reid_edge.watch.configuration import Configuration

log = logging.getLogger(__name__)

REPLICA_NAME = "replica.sqlite"
_NOTED_EVERY = 60.0  # seconds: a disk that wears is not written every few of them


@dataclass(frozen=True)
class ReplicaStatus:
    """How a replica is.

    Attributes:
        state: what it holds.
        age_seconds: since it was last level with the server, by the device's clock.
        is_server_away: whether the server could not be asked the last time.
    """

    state: ReplicaState
    age_seconds: float
    is_server_away: bool

    @property
    def warning(self) -> str:
        """What an answer says where the server is away."""
        return f"The server is away; compared with the replica of {self.state.refreshed_at}."


class ReplicaWorker:
    """Keeps a replica; made by `start`. Its methods may be called from any thread."""

    def __init__(self, replica: Replica, state: ReplicaState, every: float, logged: str = "") -> None:
        self._replica = replica
        self._state = state
        self._every = every
        self._logged = logged  # why it cannot be refreshed: one cause fills one line
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="replica", daemon=True)
        self._thread.start()

    @classmethod
    def start(cls, configuration: Configuration, feature_key: str) -> ReplicaWorker | None:
        """Make the replica, or bring it up to date, and keep it so; None where the gallery is a file, or no replica is wanted.

        Raises:
            GalleryError, StorageError: the server cannot be read, and there is no replica of earlier.
        """
        gallery = configuration.gallery
        if not isinstance(gallery, ServerAddress) or not configuration.replica_bytes:
            return None
        path = configuration.out / REPLICA_NAME
        reserve = configuration.disk_reserve_bytes
        replica = Replica(gallery, path, feature_key, configuration.replica_bytes, reserve)
        if not path.exists():
            log.info("Copying what is needed of the gallery to %s.", path)
        try:
            state = replica.refresh()
        except (GalleryError, StorageError) as error:
            old = read_replica(path, gallery, feature_key)
            if old is None:
                raise GalleryError(
                    f"{error.message} There is no replica of this gallery for this pack in {configuration.out} yet.", error.hint
                ) from error
            _log_failure(error, old)
            return cls(replica, old, configuration.replica_every, error.message)
        _log_left_out(state)
        return cls(replica, state, configuration.replica_every)

    @property
    def status(self) -> ReplicaStatus:
        """How the replica is now."""
        return ReplicaStatus(self._state, age_seconds(self._state), self._replica.is_server_away)

    def open(self) -> Gallery:
        """The replica for reading; errors as `open_replica`."""
        return open_replica(self._replica.path)

    def refresh(self, note: bool = True) -> None:
        """Bring the replica up to date now.

        Raises:
            GalleryError, StorageError: the server cannot be read, or the replica not written.
        """
        try:
            state = self._replica.refresh(note)
        except ReidEdgeError as error:
            if error.message != self._logged:
                _log_failure(error, self._state)
            self._logged = error.message
            raise
        if self._logged:
            log.info("The replica is up to date again.")
        if state.individuals_left_out > self._state.individuals_left_out:
            _log_left_out(state)
        self._state, self._logged = state, ""

    def close(self) -> None:
        """Stop. A copy that is being made goes on at the next start."""
        self._stopping.set()
        self._thread.join(0.5)
        if not self._thread.is_alive():
            self._replica.close()

    def _run(self) -> None:
        noted = 0.0
        while not self._stopping.wait(self._every):
            noted += self._every
            note = noted >= _NOTED_EVERY
            noted = 0.0 if note else noted
            try:
                self.refresh(note)
            except ReidEdgeError:
                continue
            except Exception:
                log.exception("The replica cannot be refreshed.")  # a thread that ends would leave it as it is for ever


def age_seconds(state: ReplicaState, clock: Callable[[], datetime] = system_clock) -> float:
    """How long ago a replica was last level with its server; 0 where the device's clock was set back since."""
    return max(0.0, (clock() - datetime.fromisoformat(state.refreshed_at)).total_seconds())


def _log_failure(error: ReidEdgeError, state: ReplicaState) -> None:
    log.warning("%s Photos are answered from the replica of %s.", error.message, state.refreshed_at)


def _log_left_out(state: ReplicaState) -> None:
    if state.individuals_left_out:
        log.warning(
            "The replica has no room for any photo of %d individuals, which would be answered as new. Set a larger replica_bytes.",
            state.individuals_left_out,
        )
