"""What a person, Prometheus or a supervisor can see of a daemon while it runs.

What the daemon calls:

    monitor = Monitor(configuration, deliveries.states)
    server = MonitoringServer(configuration.http, monitor)    # from monitoring.http_server, where http is configured
    monitor.beat()                                            # in every turn of the loop, also while it waits for room on the disk
    monitor.answered(seconds)                                 # after each photo: reading, answering and committing it
    monitor.absent(paths)                                     # watched folders that are unmounted or gone, whenever that changes
    monitor.configuration = configuration                     # after SIGHUP
    server.close()                                            # at the end
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from reid_edge import __version__
from reid_edge.errors import ReidEdgeError
from reid_edge.watch.answer.replica_worker import ReplicaStatus, ReplicaWorker
from reid_edge.watch.configuration import Configuration
from reid_edge.watch.delivery.worker import DeliveryState
from reid_edge.watch.ledger.ledger import LEDGER_NAME, Counts, Ledger, shown
from reid_edge.watch.ledger.records import FolderPresence
from reid_edge.watch.monitoring.health import Problem, problems
from reid_edge.watch.monitoring.metrics import Exposition, Histogram

# From a photo without an animal on a GPU to a large gallery on a small computer.
_ANSWER_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Monitor:
    """The daemon's vital signs. The daemon's thread writes them, the server's threads read them.

    Args:
        configuration: the running one.
        deliveries: tells how each network sink is doing.
        replica: that photos are answered from; None where it is the gallery itself.
    """

    def __init__(
        self,
        configuration: Configuration,
        deliveries: Callable[[], Sequence[DeliveryState]],
        replica: ReplicaWorker | None = None,
    ) -> None:
        self.configuration = configuration
        self._replica = replica
        self._deliveries = deliveries
        self._answers = Histogram(_ANSWER_SECONDS)
        self._beat = time.monotonic()
        self._last_answer: float | None = None
        self._absent: frozenset[Path] = frozenset()

    def beat(self) -> None:
        """The loop came round."""
        self._beat = time.monotonic()

    def answered(self, seconds: float) -> None:
        """A photo was answered within so many seconds."""
        self._last_answer = time.monotonic()
        self._answers.observe(seconds)

    def absent(self, folders: Iterable[Path]) -> None:
        """These watched folders are missing: gone, or another disk is mounted in their place."""
        self._absent = frozenset(folders)

    def problems(self) -> list[Problem]:
        """Why the daemon is not healthy; nothing where it is. The ledger is not asked, so that a stuck one cannot hide."""
        absent = [
            shown(os.fsencode(folder))
            for folder in self.configuration.folders
            if folder in self._absent or not _is_folder(folder)
        ]
        return problems(
            self.configuration, time.monotonic() - self._beat, _free_bytes(self.configuration.out), absent, self._deliveries()
        )

    def metrics(self) -> str:
        """The page for Prometheus; without the ledger's figures while that cannot be read."""
        page = Exposition()
        page.gauge("info", "The running version.", ({"version": __version__, "pack": self.configuration.pack}, 1))
        page.gauge("healthy", "1 while /healthz reports no problem.", ({}, not self.problems()))
        page.gauge("loop_age_seconds", "Since the last round of the loop.", ({}, time.monotonic() - self._beat))
        if self._last_answer is not None:
            page.gauge("last_photo_age_seconds", "Since the last answer of this run.", ({}, time.monotonic() - self._last_answer))
        page.histogram("answer_seconds", "Reading a photo, answering and committing it.", self._answers)
        states = self._deliveries()
        page.gauge(
            "delivery_failing_seconds",
            "Since the first of the current failures in a row; 0 while deliveries succeed.",
            *(({"sink": state.sink}, state.failing_seconds) for state in states),
        )
        page.gauge(
            "delivery_rejected",
            "Messages that the receiver rejected.",
            *(({"sink": state.sink}, state.rejected) for state in states),
        )
        if self._replica is not None:
            _replica_metrics(page, self._replica.status)
        free = _free_bytes(self.configuration.out)
        if free is not None:
            page.gauge("disk_free_bytes", "Free space on the disk of the output folder.", ({}, free))
        resident = _resident_bytes()
        if resident is not None:
            page.resident_memory(resident)
        try:
            with Ledger.read(self.configuration.out / LEDGER_NAME) as ledger:
                counts, folders = ledger.counts(), ledger.folder_presence()
        except (ReidEdgeError, OSError):
            page.gauge("ledger_readable", "Whether the ledger could be read for this page.", ({}, 0))
        else:
            page.gauge("ledger_readable", "Whether the ledger could be read for this page.", ({}, 1))
            _ledger_metrics(page, counts, folders)
        return page.text()


def _replica_metrics(page: Exposition, replica: ReplicaStatus) -> None:
    page.gauge("replica_age_seconds", "Since the replica was last level with the gallery's server.", ({}, replica.age_seconds))
    page.gauge("replica_server_away", "1 while the server cannot be read.", ({}, replica.is_server_away))
    page.gauge("replica_bytes", "Features in the replica.", ({}, replica.state.bytes))
    page.gauge(
        "replica_photos",
        "Photos of the gallery by whether the replica has room for their features.",
        ({"state": "kept"}, replica.state.photos),
        ({"state": "left_out"}, replica.state.photos_left_out),
    )
    page.gauge("replica_individuals_left_out", "Individuals of which it has no photo.", ({}, replica.state.individuals_left_out))


def _ledger_metrics(page: Exposition, counts: Counts, folders: Sequence[FolderPresence]) -> None:
    page.gauge(
        "files",
        "Files by state.",
        *(({"state": state}, getattr(counts, state)) for state in ("seen", "settled", "decided", "quarantined", "gone")),
    )
    page.gauge(
        "photos",
        "Photos by state; several files may hold the same photo.",
        *(({"state": state}, getattr(counts, f"photos_{state}")) for state in ("waiting", "decided", "quarantined")),
    )
    verdicts = {"known": 0, "new": 0, "ask": 0, "empty": 0, **counts.verdicts}
    page.counter(
        "answers_total", "Answered photos by verdict, ever.", *(({"verdict": key}, value) for key, value in verdicts.items())
    )
    page.gauge(
        "events",
        "Events by state.",
        ({"state": "open"}, counts.events_open),
        ({"state": "closed"}, counts.events - counts.events_open),
    )
    page.gauge("lag_photos", "Files that are still to be answered.", ({}, counts.waiting))
    page.gauge("lag_seconds", "How long the oldest of them has waited, by the device's clock.", ({}, counts.lag_seconds))
    page.gauge(
        "delivery_backlog",
        "Messages that wait for a sink.",
        *(({"sink": sink}, waiting) for sink, waiting in counts.undelivered.items()),
    )
    page.gauge(
        "folder_present",
        "1 where the watched folder was present at the last scan.",
        *(({"folder": folder.path}, folder.present) for folder in folders),
    )


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a disk that fails, a folder on the way that may not be entered
        return False


def _free_bytes(path: Path) -> int | None:
    try:
        return shutil.disk_usage(path).free
    except OSError:
        return None


def _resident_bytes() -> int | None:
    """Resident memory of this process; None where the system does not tell (proc(5): VmRSS in kB)."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:")), None)
