"""How far a daemon is, read from its folder, whether it is running or not."""

from __future__ import annotations

import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from reid_edge.gallery.replica import ReplicaState, read_replica
from reid_edge.watch.answer.replica_worker import REPLICA_NAME, age_seconds
from reid_edge.watch.delivery.rejected import Rejected, all_rejected
from reid_edge.watch.ledger.ledger import LEDGER_NAME, Counts, Ledger, shown
from reid_edge.watch.ledger.records import FolderPresence, QuarantinedFile, Run

SHOWN_QUARANTINED = 20


@dataclass(frozen=True)
class Status:
    """How far a daemon is.

    Attributes:
        out: its folder.
        run: the newest one; None before the first.
        running: whether that goes on.
        counts: of the ledger.
        folders: the watched ones.
        quarantined: the newest files that cannot be read, newest first, at most SHOWN_QUARANTINED of them.
        rejected: messages that a receiver did not take, by sink and in order.
        last_answered_at: when the newest photo was answered, by the device's clock.
        free_bytes: of the disk of `out`.
        replica: of the gallery; None where there is none.
    """

    out: Path
    run: Run | None
    running: bool
    counts: Counts
    folders: tuple[FolderPresence, ...]
    quarantined: tuple[QuarantinedFile, ...]
    rejected: tuple[Rejected, ...]
    last_answered_at: str | None
    free_bytes: int
    replica: ReplicaState | None = None

    def as_json(self) -> dict[str, Any]:
        """Plain data: what `reid-edge watch status --json` prints."""
        return {
            "out": shown(os.fsencode(self.out)),
            "run": None if self.run is None else {**asdict(self.run), "running": self.running},
            "counts": {**asdict(self.counts), "waiting": self.counts.waiting},
            "folders": [asdict(each) for each in self.folders],
            "quarantined": [asdict(each) for each in self.quarantined],
            "rejected": [
                {"sink": each.sink, "id": each.message.id, "key": each.message.key, "reason": each.reason, "tries": each.tries}
                for each in self.rejected
            ],
            "last_answered_at": self.last_answered_at,
            "free_bytes": self.free_bytes,
            "replica": None
            if self.replica is None
            else {**asdict(self.replica), "age_seconds": round(age_seconds(self.replica))},
        }


def read_status(out: Path) -> Status:
    """How far the daemon with this folder is.

    Raises:
        LedgerError: there is no ledger, or it is damaged.
        StorageError: its disk fails.
    """
    with Ledger.read(out / LEDGER_NAME) as ledger, ledger.snapshot():
        run = next(iter(ledger.runs(newest=1)), None)
        return Status(
            out=out,
            run=run,
            running=run is not None and run.ended_at is None and _is_locked_by(out, run.pid),
            counts=ledger.counts(),
            folders=tuple(ledger.folder_presence()),
            quarantined=tuple(ledger.newest_quarantined(SHOWN_QUARANTINED)),
            rejected=tuple(all_rejected(out)),
            last_answered_at=ledger.last_answered_at(),
            free_bytes=shutil.disk_usage(out).free,
            replica=read_replica(out / REPLICA_NAME),
        )


def _is_locked_by(out: Path, pid: int) -> bool:
    """Whether this process holds the ledger's lock. The kernel is asked: trying the lock would get into the way of a daemon that starts."""
    try:
        inode = (out / f"{LEDGER_NAME}.lock").stat().st_ino
        # proc_locks(5): "1: FLOCK ADVISORY WRITE 1234 08:01:5678 0 EOF"
        locks = [line.split() for line in Path("/proc/locks").read_text(encoding="ascii").splitlines()]
    except OSError:
        return False
    return any(
        lock[1] == "FLOCK" and lock[4] == str(pid) and lock[5].rpartition(":")[2] == str(inode) for lock in locks if len(lock) > 5
    )
