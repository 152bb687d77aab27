"""The replica of a gallery on a server, kept up to date by a thread: photos are answered from it, whether the server is there or not."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
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
_START_SECONDS = 10.0  # that a start waits for what changed since the last run


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
    """Keeps a replica, by a thread that copies; made by `start`. Its methods may be called from any thread, `catch_up` from one."""

    def __init__(self, replica: Replica, state: ReplicaState, every: float) -> None:
        self._replica = replica
        self._state = state
        self._every = every
        self._failure: ReidEdgeError | None = None  # of the last round
        self._stopping = False
        self._begun = self._done = self._wanted = 0  # rounds: looks at the server, with the copy of what changed
        self._awaited = 0  # the round that `catch_up` waits for, also from call to call
        self._turn = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="replica", daemon=True)
        self._thread.start()

    @classmethod
    def start(cls, configuration: Configuration, feature_key: str) -> ReplicaWorker | None:
        """Keep the replica, and make it first where there is none; None where the gallery is a file, or no replica is wanted.

        Raises:
            GalleryError: the server cannot be read, or the disk not written, and there is no replica of earlier.
        """
        gallery = configuration.gallery
        if not isinstance(gallery, ServerAddress) or not configuration.replica_bytes:
            return None
        path = configuration.out / REPLICA_NAME
        replica = Replica(gallery, path, feature_key, configuration.replica_bytes, configuration.disk_reserve_bytes)
        old = read_replica(path, gallery, feature_key)
        if old is None:
            log.info("Copying what is needed of the gallery to %s.", path)
            state = _first_copy(replica, configuration)
            _log_left_out(state)
            return cls(replica, state, configuration.replica_every)
        _log_left_out(old)
        worker = cls(replica, old, configuration.replica_every)
        with contextlib.suppress(GalleryError, StorageError):  # which the thread has logged
            if not worker.catch_up(None if configuration.once else _START_SECONDS):
                log.info(
                    "What changed on the server is being copied; until then photos are answered from that of %s.",
                    old.refreshed_at,
                )
        return worker

    @property
    def status(self) -> ReplicaStatus:
        """How the replica is now."""
        return ReplicaStatus(self._state, age_seconds(self._state), self._replica.is_server_away)

    def open(self) -> Gallery:
        """The replica for reading; errors as `open_replica`."""
        return open_replica(self._replica.path)

    def catch_up(self, seconds: float | None) -> bool:
        """Have the replica level with the server as it is at this moment; returns whether it is so within `seconds`, None for any time.

        The copy goes on where it takes longer. Calls that follow one that returned False are about the moment of that one, so that a copy
        which always takes longer than `seconds` is level at some call.

        Raises:
            GalleryError, StorageError: the server cannot be read, or the replica not written.
        """
        with self._turn:
            self._awaited = self._wanted = self._awaited or self._begun + 1  # a round that has begun may have looked before
            self._turn.notify_all()
            if not self._turn.wait_for(lambda: self._done >= self._awaited, seconds):
                return False
            self._awaited = 0
            if self._failure is not None:
                raise self._failure
            return True

    def close(self) -> None:
        """Stop. A copy that is being made goes on at the next start."""
        with self._turn:
            self._stopping = True
            self._turn.notify_all()
        self._thread.join(0.5)
        if not self._thread.is_alive():
            self._replica.close()

    def _run(self) -> None:
        noted = time.monotonic()
        while True:
            with self._turn:
                is_wanted = self._turn.wait_for(lambda: self._stopping or self._wanted > self._begun, self._every)
                if self._stopping:
                    return
                self._begun += 1
            note = is_wanted or time.monotonic() - noted >= _NOTED_EVERY
            noted = time.monotonic() if note else noted
            failure = self._refresh(note)
            with self._turn:
                self._done, self._failure = self._begun, failure
                self._turn.notify_all()

    def _refresh(self, note: bool) -> ReidEdgeError | None:
        """Bring the replica up to date; returns why that is not possible now. One cause fills one line of the log."""
        try:
            state = self._replica.refresh(note)
        except ReidEdgeError as error:
            if self._failure is None or error.message != self._failure.message:
                _log_failure(error, self._state)
            return error
        except Exception:  # a thread that ends would leave the replica as it is for ever
            log.exception("The replica cannot be refreshed.")
            return GalleryError("The replica cannot be refreshed.", "See the log.")
        if self._failure is not None:
            log.info("The replica is up to date again.")
        if state.individuals_left_out > self._state.individuals_left_out:
            _log_left_out(state)
        self._state = state
        return None


def age_seconds(state: ReplicaState, clock: Callable[[], datetime] = system_clock) -> float:
    """How long ago a replica was last level with its server; 0 where the device's clock was set back since."""
    return max(0.0, (clock() - datetime.fromisoformat(state.refreshed_at)).total_seconds())


def _first_copy(replica: Replica, configuration: Configuration) -> ReplicaState:
    try:
        return replica.refresh()
    except (GalleryError, StorageError) as error:
        raise GalleryError(
            f"{error.message} There is no replica of this gallery for this pack in {configuration.out} yet.", error.hint
        ) from error


def _log_failure(error: ReidEdgeError, state: ReplicaState) -> None:
    log.warning("%s Photos are answered from the replica of %s.", error.message, state.refreshed_at)


def _log_left_out(state: ReplicaState) -> None:
    if state.individuals_left_out:
        log.warning(
            "The replica has no room for any photo of %d individuals, which would be answered as new. Set a larger replica_bytes.",
            state.individuals_left_out,
        )
