"""The states of files, and that only the ledger's own modules know SQL."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import reid_edge
from reid_edge.watch.ledger.ledger import Ledger
from reid_edge.watch.ledger.records import FileStamp, SettledFile
from reid_edge.watch.ledger.states import FileState, Reason, Transition

_STAMP = FileStamp(1, 1, 1)
_MADE = {
    Transition.CHANGE: lambda ledger, file: ledger.change_file(file.id, file.folder_id, _STAMP),
    Transition.SETTLE: lambda ledger, file: ledger.settle_file(file.id, _STAMP, "A", None),
    Transition.PUT_BACK: lambda ledger, file: ledger.put_back_file(file),
    Transition.DECIDE: lambda ledger, file: ledger.decide_file(file, None),
    Transition.QUARANTINE: lambda ledger, file: ledger.quarantine_file(file, Reason.BROKEN, "It is cut off."),
    Transition.REQUEUE: lambda ledger, file: ledger.requeue_files(file.folder_id),
    Transition.VANISH: lambda ledger, file: ledger.vanish_file(file.id),
}


@pytest.mark.parametrize("state", FileState)
@pytest.mark.parametrize("transition", Transition)
def test_a_transition_is_made_from_its_states_and_from_no_other(ledger: Ledger, transition: Transition, state: FileState) -> None:
    folder = ledger.folder_id(b"/a")
    number = ledger.add_file(folder, b"/a/1.jpg", _STAMP)
    ledger.database.execute("UPDATE file SET state = ?, reason_code = ?", (state, Reason.UNREADABLE))
    _MADE[transition](ledger, SettledFile(number, folder, b"/a/1.jpg", _STAMP, "A", None, 0))
    (file,) = ledger.files()
    assert file.state is (transition.target if state in transition.sources else state)


@pytest.mark.parametrize("code", Reason)
def test_only_reasons_that_say_nothing_about_the_content_are_queued_again(ledger: Ledger, code: Reason) -> None:
    folder = ledger.folder_id(b"/a")
    number = ledger.add_file(folder, b"/a/1.jpg", _STAMP)
    ledger.settle_file(number, _STAMP, "A", None)
    ledger.quarantine_file(
        SettledFile(number, folder, b"/a/1.jpg", _STAMP, "A", None, 0), code, "Not readable now: any sentence."
    )
    ledger.requeue_files(folder)
    (file,) = ledger.files()
    assert (file.state is FileState.SEEN) == (code in (Reason.UNREADABLE, Reason.NO_READER))


def test_only_the_ledgers_own_modules_give_it_statements() -> None:
    root = Path(reid_edge.__file__).parent
    sources = [path for folder in ("watch", "cli") for path in (root / folder).rglob("*.py")]
    outside = [path for path in sources if path.parent.name != "ledger"]
    assert len(outside) > 40
    statement = re.compile(r"\b(SELECT|INSERT INTO|UPDATE \w+ SET|DELETE FROM)\b|ledger\.database")
    assert [path.name for path in outside if statement.search(path.read_text(encoding="utf-8"))] == []
