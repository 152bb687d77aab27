"""How far a daemon is, read from its folder, whether it is running or not."""

from __future__ import annotations

import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from reid_edge.watch.delivery.rejected import Rejected, all_rejected
from reid_edge.watch.ledger.ledger import LEDGER_NAME, Counts, Ledger, shown

SHOWN_QUARANTINED = 20


@dataclass(frozen=True)
class Folder:
    """A watched folder, and whether it was there when the daemon last looked."""

    path: str
    present: bool


@dataclass(frozen=True)
class Quarantined:
    """A file that cannot be read, why, and how often that was tried."""

    path: str
    reason: str
    tries: int


@dataclass(frozen=True)
class Run:
    """A run of the daemon; `running` says whether it still goes on. Times are ISO 8601 in UTC by the device's clock."""

    started_at: str
    ended_at: str | None
    version: str
    pack: str
    gallery: str
    pid: int
    running: bool


@dataclass(frozen=True)
class Status:
    """How far a daemon is.

    Attributes:
        out: its folder.
        run: the newest one; None before the first.
        counts: of the ledger.
        folders: the watched ones.
        quarantined: the newest files that cannot be read, newest first, at most SHOWN_QUARANTINED of them.
        rejected: messages that a receiver did not take, by sink and in order.
        last_answered_at: when the newest photo was answered, by the device's clock.
        free_bytes: of the disk of `out`.
    """

    out: Path
    run: Run | None
    counts: Counts
    folders: tuple[Folder, ...]
    quarantined: tuple[Quarantined, ...]
    rejected: tuple[Rejected, ...]
    last_answered_at: str | None
    free_bytes: int

    def as_json(self) -> dict[str, Any]:
        """Plain data: what `reid-edge watch status --json` prints."""
        return {
            "out": shown(os.fsencode(self.out)),
            "run": None if self.run is None else asdict(self.run),
            "counts": {**asdict(self.counts), "waiting": self.counts.waiting},
            "folders": [asdict(each) for each in self.folders],
            "quarantined": [asdict(each) for each in self.quarantined],
            "rejected": [
                {"sink": each.sink, "id": each.message.id, "key": each.message.key, "reason": each.reason, "tries": each.tries}
                for each in self.rejected
            ],
            "last_answered_at": self.last_answered_at,
            "free_bytes": self.free_bytes,
        }


def read_status(out: Path) -> Status:
    """How far the daemon with this folder is.

    Raises:
        LedgerError: there is no ledger, or it is damaged.
        StorageError: its disk fails.
    """
    with Ledger.read(out / LEDGER_NAME) as ledger, ledger.snapshot():
        database = ledger.database
        folders = database.rows("SELECT path, present FROM folder ORDER BY id")
        quarantined = database.rows(
            "SELECT path, reason, tries FROM file WHERE state = 'quarantined' ORDER BY id DESC LIMIT ?", (SHOWN_QUARANTINED,)
        )
        runs = database.rows("SELECT started_at, ended_at, version, pack, gallery, pid FROM run ORDER BY id DESC LIMIT 1")
        last = database.rows("SELECT answered_at FROM photo WHERE state = 'decided' ORDER BY id DESC LIMIT 1")
        counts = ledger.counts()
    return Status(
        out=out,
        run=_run(out, *runs[0]) if runs else None,
        counts=counts,
        folders=tuple(Folder(shown(path), bool(present)) for path, present in folders),
        quarantined=tuple(Quarantined(shown(path), reason, tries) for path, reason, tries in quarantined),
        rejected=tuple(all_rejected(out)),
        last_answered_at=last[0][0] if last else None,
        free_bytes=shutil.disk_usage(out).free,
    )


def _run(out: Path, started_at: str, ended_at: str | None, version: str, pack: str, gallery: str, pid: int) -> Run:
    return Run(started_at, ended_at, version, pack, gallery, pid, running=ended_at is None and _is_locked_by(out, pid))


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
