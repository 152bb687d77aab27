from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from reid_edge.cli.watch import watch
from reid_edge.cli.watch_status import status
from reid_edge.errors import UsageError
from reid_edge.storage.clock import now
from reid_edge.watch.delivery.rejected import RejectedMessages
from reid_edge.watch.ledger.ledger import LEDGER_NAME, Ledger, LedgerError


@pytest.fixture
def out(tmp_path: Path) -> Path:
    with Ledger.open(tmp_path / LEDGER_NAME) as ledger:
        folder = ledger.database.insert("folder", path=b"/media/card", present=0, device_id="")
        ledger.database.insert(
            "photo",
            sha256="0" * 64,
            state="decided",
            camera="c",
            width=4,
            height=3,
            verdict="known",
            answered_at="2026-05-01T06:00:00+00:00",
        )
        ledger.database.insert(
            "file", folder_id=folder, path=b"/media/card/\x1b[31m.jpg", size=1, mtime_ns=1, inode=1, state="quarantined",
            reason="It is cut off.", tries=3, first_seen_at="2026-05-01T06:00:00+00:00", changed_at="2026-05-01T06:00:00+00:00",
        )  # fmt: skip
        ledger.post("photo", "photo:0", "c", {})
        ledger.mark_delivered("mqtt", 0)
        RejectedMessages(tmp_path, "mqtt").put(ledger.messages_after(0)[0], "Not authorized", 11)
        ledger.end_run(ledger.start_run("1.0", "field 1", "g.sqlite"))
    return tmp_path


def test_a_person_reads_how_far_it_is(out: Path) -> None:
    done = CliRunner().invoke(status, ["--out", str(out)], catch_exceptions=False)
    assert done.exit_code == 0
    for line in (
        "Stopped at ", "photos       1 answered: 1 known", "waiting      nothing", "unreadable   1 file,",
        "/media/card/\N{REPLACEMENT CHARACTER}[31m.jpg: It is cut off.", "folder       /media/card: missing",
        "delivery     mqtt: 1 message waiting, 1 rejected", "photo:0, refused 11 times: Not authorized",
    ):  # fmt: skip
        assert line in done.stdout
    assert "\x1b" not in done.stdout


def test_a_program_reads_the_same_as_json(out: Path) -> None:
    done = CliRunner().invoke(status, ["--out", str(out), "--json"], catch_exceptions=False)
    told = json.loads(done.stdout)
    assert told["counts"]["verdicts"] == {"known": 1}
    assert told["counts"]["waiting"] == 0
    assert told["run"]["running"] is False
    assert told["folders"] == [{"path": "/media/card", "present": False}]
    assert told["rejected"] == [{"sink": "mqtt", "id": 1, "key": "photo:0", "reason": "Not authorized", "tries": 11}]


def test_a_folder_that_no_daemon_wrote_into_is_said(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="There is no ledger"):
        CliRunner().invoke(status, ["--out", str(tmp_path)], catch_exceptions=False)


def test_the_lag_is_that_of_the_change_that_waits_and_not_of_the_name_that_was_used_before(out: Path) -> None:
    with Ledger.open(out / LEDGER_NAME) as ledger:
        ledger.database.execute("UPDATE file SET state = 'seen', changed_at = ?", (now(),))
        assert 0 <= ledger.counts().lag_seconds < 60  # it was first seen months ago


def test_a_misspelt_command_starts_no_daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="neither a command nor a folder 'statsu'; the nearest command is 'status'"):
        CliRunner().invoke(watch, ["statsu", "--out", "out"], catch_exceptions=False)
    assert list(tmp_path.iterdir()) == []
