"""What people ask of a ledger: how far the daemon is, and its runs. No answer takes a walk through a season's rows."""

from __future__ import annotations

import os
from datetime import datetime, timezone

from reid_edge.storage.clock import now
from reid_edge.watch.ledger.outbox import Outbox
from reid_edge.watch.ledger.records import Counts, QuarantinedFile, Run, shown
from reid_edge.watch.ledger.states import FileState, Reason


class Overview(Outbox):
    """Figures and runs."""

    def counts(self) -> Counts:
        """How far the daemon is, all figures of one moment."""
        with self.snapshot():
            amounts = {(what, value): amount for what, value, amount in self.database.rows("SELECT * FROM counter")}
            ((events_open,),) = self.database.rows("SELECT count(*) FROM event WHERE closed = 0")
            ((oldest,),) = self.database.rows(
                "SELECT min(changed_at) FROM file INDEXED BY file_waiting_since WHERE state IN ('seen', 'settled')"
            )
            ((absent,),) = self.database.rows("SELECT count(*) FROM folder WHERE present = 0")
            sinks = self.database.rows("SELECT sink, last_id FROM delivery")
            last = self.last_message()
        files = {state.value: amounts.get(("file", state.value), 0) for state in FileState}
        verdicts = {value: amount for (what, value), amount in amounts.items() if what == "photo"}
        return Counts(
            **files,
            photos_decided=sum(verdicts.values()),
            photos_waiting=files["seen"] + files["settled"],
            photos_quarantined=files["quarantined"],
            events=amounts["event", ""],
            events_open=events_open,
            messages=last,
            undelivered={sink: last - last_id for sink, last_id in sinks},
            verdicts=verdicts,
            lag_seconds=_seconds_since(oldest),
            folders_absent=absent,
        )

    def newest_quarantined(self, limit: int) -> list[QuarantinedFile]:
        """The newest files that cannot be answered, newest first."""
        rows = self.database.rows(
            "SELECT path, reason, reason_code, tries FROM file WHERE state = ? ORDER BY id DESC LIMIT ?",
            (FileState.QUARANTINED, limit),
        )
        return [QuarantinedFile(shown(path), reason, Reason(code), tries) for path, reason, code, tries in rows]

    def last_answered_at(self) -> str | None:
        """When the newest photo was answered, by the device's clock."""
        rows = self.database.rows("SELECT answered_at FROM photo ORDER BY id DESC LIMIT 1")
        return rows[0][0] if rows else None

    def start_run(self, version: str, pack: str, gallery: str) -> int:
        """Note that a daemon began; returns the number of its run."""
        return self.database.insert("run", started_at=now(), version=version, pack=pack, gallery=gallery, pid=os.getpid())

    def end_run(self, run: int) -> None:
        """Note that it ended by itself; a run without an end was killed."""
        self.database.execute("UPDATE run SET ended_at = ? WHERE id = ?", (now(), run))

    def runs(self, newest: int | None = None) -> list[Run]:
        """All runs, or only the newest ones, newest first."""
        columns = "started_at, ended_at, version, pack, gallery, pid"
        rows = self.database.rows(f"SELECT {columns} FROM run ORDER BY id DESC LIMIT ?", (-1 if newest is None else newest,))
        return [Run(*row) for row in rows]


def _seconds_since(text: str | None) -> float:
    if text is None:
        return 0.0
    return max(0.0, (datetime.now(timezone.utc) - datetime.fromisoformat(text)).total_seconds())
