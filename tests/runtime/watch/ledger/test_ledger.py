from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from reid_edge.errors import StorageError
from reid_edge.watch.ledger.ledger import Ledger, LedgerError, shown


def test_a_message_with_the_same_key_is_posted_once(ledger: Ledger) -> None:
    ledger.post("photo", "photo:1", "A", {"verdict": "known"})
    ledger.post("photo", "photo:1", "A", {"verdict": "new"})
    ledger.post("photo", "photo:2", "A", {"verdict": "ask"})
    assert [(message.key, message.body["verdict"]) for message in ledger.messages_after(0)] == [
        ("photo:1", "known"),
        ("photo:2", "ask"),
    ]
    assert [message.key for message in ledger.messages_after(1)] == ["photo:2"]


def test_what_a_sink_delivered_is_remembered(ledger: Ledger) -> None:
    for number in range(3):
        ledger.post("photo", f"photo:{number}", "A", {})
    assert ledger.delivered("csv") == 0
    ledger.mark_delivered("csv", 2)
    ledger.mark_delivered("webhook", 3)
    assert (ledger.delivered("csv"), ledger.counts().undelivered) == (2, {"csv": 1, "webhook": 0})


def test_a_transaction_that_fails_leaves_nothing(ledger: Ledger) -> None:
    with contextlib.suppress(ZeroDivisionError), ledger.transaction():
        ledger.post("photo", "photo:1", "A", {})
        _ = 1 / 0
    assert ledger.messages_after(0) == []


def test_a_second_daemon_is_refused_with_a_clear_sentence_and_readers_are_not(ledger: Ledger) -> None:
    second = subprocess.run(
        [
            sys.executable,
            "-c",
            f"from pathlib import Path; from reid_edge.watch.ledger.ledger import Ledger; Ledger.open(Path({str(ledger.path)!r}))",
        ],
        capture_output=True,
        text=True,
    )
    assert "Another reid-edge watch is at work" in second.stderr
    with Ledger.read(ledger.path) as reader:
        assert reader.counts().waiting == 0
        with pytest.raises(StorageError):
            reader.post("photo", "photo:1", "A", {})


def test_the_lock_ends_with_the_ledger(memory_folder: Path) -> None:
    for _ in range(2):
        Ledger.open(memory_folder / "ledger.sqlite").close()


def test_a_file_that_is_no_ledger_is_refused(memory_folder: Path) -> None:
    other = memory_folder / "other.sqlite"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE thing (id INTEGER)")
    (memory_folder / "text").write_text("photos" * 1000)
    for path in (other, memory_folder / "text"):
        with pytest.raises(LedgerError, match="not a ledger"):
            Ledger.open(path)
    with pytest.raises(LedgerError, match="no ledger"):
        Ledger.read(memory_folder / "missing.sqlite")


def test_a_full_disk_loses_nothing_that_was_committed_and_goes_on_when_there_is_room(small_disk) -> None:
    disk = small_disk("size=400k")
    ballast = disk / "ballast"
    with Ledger.open(disk / "ledger.sqlite") as ledger:
        ballast.write_bytes(b"x" * 100_000)
        committed = 0
        with contextlib.suppress(StorageError):
            for number in range(10_000):
                ledger.post("photo", f"photo:{number}", "A", {"text": "x" * 5000})
                committed += 1
        assert 0 < committed < 10_000
        assert len(ledger.messages_after(0, 10_000)) == committed
        ballast.unlink()
        ledger.post("photo", "photo:after", "A", {})
        assert len(ledger.messages_after(0, 10_000)) == committed + 1
        assert ledger.database.rows("PRAGMA integrity_check") == [("ok",)]


def test_different_paths_are_shown_as_different_texts() -> None:
    paths = [b"/a/\xff.jpg", b"/a/\\xff.jpg", "/a/ÿ.jpg".encode(), b"/a/\n.jpg"]
    assert len({shown(path) for path in paths}) == len(paths)
    assert shown(b"/a/\xff.jpg") == "/a/\\xff.jpg"
