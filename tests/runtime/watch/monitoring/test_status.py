from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from reid_edge.watch.ledger.ledger import LEDGER_NAME, Ledger, LedgerError
from reid_edge.watch.ledger.records import FolderPresence, QuarantinedFile
from reid_edge.watch.ledger.states import Reason
from reid_edge.watch.monitoring.status import read_status


def test_the_ledger_tells_everything_without_a_daemon(out: Path) -> None:
    status = read_status(out)
    assert (status.counts.decided, status.counts.waiting, status.counts.quarantined) == (3, 2, 1)
    assert status.folders == (FolderPresence("/media/card", True), FolderPresence('/media/"away"\n\\xff', False))
    assert status.quarantined == (QuarantinedFile("/media/card/\\xff\n.jpg", "It is cut off.", Reason.BROKEN, 3),)
    assert [(each.sink, each.message.id, each.tries) for each in status.rejected] == [("webhook", 2, 11)]
    assert status.counts.undelivered == {"webhook": 2}
    assert status.last_answered_at == "2026-05-01T06:02:00+00:00"
    assert status.free_bytes > 0
    assert status.run is not None
    assert (status.run.pack, status.run.ended_at) == ("field 1", None)


def test_a_daemon_that_was_killed_is_told_from_one_that_is_at_work(out: Path) -> None:
    """The process that began the run is this one, and it is alive; but it has let the ledger go."""
    assert read_status(out).running is False
    program = (
        "import sys; from pathlib import Path; from reid_edge.watch.ledger.ledger import Ledger\n"
        "ledger = Ledger.open(Path(sys.argv[1])); ledger.start_run('1.0', 'field 1', 'g'); print('open', flush=True)\n"
        "sys.stdin.read()"
    )
    daemon = subprocess.Popen(
        [sys.executable, "-c", program, str(out / LEDGER_NAME)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with daemon:
        assert daemon.stdout is not None
        assert daemon.stdout.readline() == b"open\n"
        status = read_status(out)
        assert status.run is not None
        assert (status.running, status.run.pid) == (True, daemon.pid)
        daemon.kill()
    assert read_status(out).running is False


def test_reading_takes_no_lock_from_a_daemon_that_starts(out: Path) -> None:
    read_status(out)
    with Ledger.open(out / LEDGER_NAME) as ledger:
        ledger.end_run(1)
        status = read_status(out)
    assert status.run is not None
    assert status.run.ended_at is not None
    assert status.running is False


def test_a_folder_without_a_ledger_is_said(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="There is no ledger"):
        read_status(tmp_path)
