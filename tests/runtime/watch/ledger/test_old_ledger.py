"""A ledger of the first version, as its daemon left it when it was killed: it opens, keeps all it held, and is continued.

`before_reason_codes.sql` is its dump: 6 photos answered, 7 files in quarantine with every sentence that there was, one that waits for
another try, and messages that a webhook has taken in part.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from reid_edge.watch.ledger.ledger import Ledger, LedgerError
from reid_edge.watch.ledger.schema import LEDGER
from reid_edge.watch.ledger.states import FileState, Reason

_DUMP = Path(__file__).with_name("before_reason_codes.sql")


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "out" / "ledger.sqlite"
    path.parent.mkdir()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA application_id = {LEDGER.application_id}")
        connection.executescript(_DUMP.read_text())
    return path


@pytest.fixture
def bodies(old: Path) -> list[tuple[int, str, str]]:
    """Id, key and body of the messages as they were stored."""
    with contextlib.closing(sqlite3.connect(old)) as connection:
        return connection.execute("SELECT id, key, body FROM message ORDER BY id").fetchall()


def test_reason_codes_are_derived_from_the_sentences(old: Path) -> None:
    with Ledger.open(old) as ledger:
        codes = {os.path.basename(file.path): file.reason_code for file in ledger.files() if file.reason}  # noqa: PTH119
    assert codes == {
        b"cut.jpg": Reason.BROKEN,
        b"a.jpg": Reason.UNREADABLE,
        b"b.heic": Reason.NO_READER,
        b"c.jpg": Reason.DECODER_CRASHED,
        b"d.jpg": Reason.DAEMON_DIED,
        b"e.jpg": Reason.DECODER_CRASHED,
        b"f.jpg": Reason.ANSWER_FAILED,
        b"g.jpg": Reason.DECODER_CRASHED,  # waits for another try
    }


def test_files_whose_reason_may_have_passed_are_queued_again(old: Path) -> None:
    with Ledger.open(old) as ledger:
        ledger.requeue_files(2)
        names = {os.path.basename(file.path) for file in ledger.files(FileState.SEEN)}  # noqa: PTH119
        assert names == {b"a.jpg", b"b.heic"}
        assert len(list(ledger.files(FileState.QUARANTINED))) == 5


def test_figures_are_those_of_the_rows(old: Path) -> None:
    with Ledger.open(old) as ledger:
        counts = ledger.counts()
    assert (counts.decided, counts.quarantined, counts.settled, counts.waiting, counts.events) == (7, 7, 1, 1, 4)
    assert counts.verdicts == {"known": 4, "empty": 1, "new": 1}
    assert counts.undelivered == {"json-lines": 6, "csv": 6, "webhook": 13}


@pytest.mark.parametrize("pruned", [False, True])
def test_messages_are_to_the_byte_what_they_were_also_after_pruning(
    old: Path, bodies: list[tuple[int, str, str]], pruned: bool
) -> None:
    with Ledger.open(old) as ledger:
        if pruned:
            ledger.database.execute("DELETE FROM message WHERE id < 23")
            # What photos and events hold no more: notices of files, and earlier revisions of events.
            bodies = [each for each in bodies if each[0] == 23 or re.match(r"photo:|event:1:4|event:[234]:2", each[1])]
        found = [(each.id, each.key, json.dumps(each.body, ensure_ascii=False)) for each in ledger.messages_after(0)]
    assert found == bodies
    assert len(found) == (11 if pruned else 23)


def test_a_quarantined_file_is_posted_once_also_after_its_message_was_pruned(old: Path) -> None:
    with Ledger.open(old) as ledger:
        ledger.database.execute("DELETE FROM message WHERE id < 23")
        ledger.requeue_files(2)
        (file,) = [file for file in ledger.files(FileState.SEEN) if file.path.endswith(b"a.jpg")]
        stamp = ledger.found_files([file.path])[file.path].stamp
        ledger.settle_file(file.id, stamp, "B", None)
        settled = ledger.settled_file(file.id)
        assert settled is not None
        ledger.quarantine_file(settled, Reason.UNREADABLE, "Not readable now: it failed again.")
        assert ledger.last_message() == 23


def test_a_reader_brings_it_up_to_date(old: Path) -> None:
    with Ledger.read(old) as ledger:
        assert ledger.counts().decided == 7
    with Ledger.open(old) as ledger, Ledger.read(old) as reader:
        assert reader.counts().verdicts == ledger.counts().verdicts


def test_a_reader_waits_for_the_daemon_of_an_earlier_version_to_end(old: Path) -> None:
    import fcntl

    with old.with_name("ledger.sqlite.lock").open("ab") as lock:  # as that daemon holds it
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(LedgerError, match="earlier version"):
            Ledger.read(old)


def test_the_daemon_goes_on_with_it(
    old: Path,
    tmp_path: Path,
    photo: Callable[..., bytes],
    watch_once: Callable[..., subprocess.CompletedProcess[str]],
    run_cli: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    root = tmp_path / "photos"
    root.mkdir()
    (root / "copy.jpg").write_bytes(photo(1, "Amani", 10))  # A/1.jpg of the old season
    (root / "new.jpg").write_bytes(photo(99, "Bahati", 70_000))
    done = watch_once(root, old.parent)
    assert done.returncode == 1  # the old quarantine
    assert "copy.jpg: the same photo as one before (known)" in done.stderr
    with Ledger.read(old) as ledger:
        counts = ledger.counts()
        assert (counts.decided, counts.photos_decided, counts.quarantined) == (9, 7, 7)
        assert ledger.database.rows("PRAGMA integrity_check") == [("ok",)]
        assert ledger.database.rows("PRAGMA foreign_key_check") == []
    lines = [json.loads(line) for line in (old.parent / "answers.jsonl").read_text().splitlines()]
    assert [line["id"] for line in lines] == list(range(1, 27))
    assert "7 answered" in run_cli("watch", "status", "--out", old.parent).stdout
