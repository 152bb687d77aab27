"""Figures for people: right after any change, and asked for without a walk through the rows."""

from __future__ import annotations

from collections import Counter

from reid_edge.watch.ledger.ledger import Ledger
from reid_edge.watch.ledger.records import FileStamp, NewPhoto, SettledFile


def _fill(ledger: Ledger, numbers: range) -> None:
    """A third of the files each seen, settled and decided; closed events, photos and messages."""
    with ledger.transaction():
        folder, stamp = ledger.folder_id(b"/a"), FileStamp(1, 1, 1)
        for number in numbers:
            event = ledger.add_event("A", None)
            ledger.revise_event(event, [], closed=True)
            photo = NewPhoto(str(number), "", "A", None, 1, 1, None, None, "new", event, None, "field 1", "r")
            row = ledger.add_photo(photo)
            ledger.post_photo(row)
            file = ledger.add_file(folder, b"/a/%d" % number, stamp)
            if number % 3:
                ledger.settle_file(file, stamp, "A", None)
            if number % 3 == 2:
                ledger.decide_file(SettledFile(file, folder, b"", stamp, "A", None, 0), row)
        ledger.mark_delivered("csv", 1)


def test_figures_follow_every_change(ledger: Ledger) -> None:
    _fill(ledger, range(30))
    ledger.vanish_file(1)
    counts = ledger.counts()
    states = Counter(file.state.value for file in ledger.files())
    assert {state: getattr(counts, state) for state in states} == states == {"seen": 9, "settled": 10, "decided": 10, "gone": 1}
    assert (counts.verdicts, counts.events, counts.events_open) == ({"new": 30}, 30, 0)
    assert (counts.messages, counts.undelivered) == (30, {"csv": 29})


def test_a_change_that_is_rolled_back_is_not_counted(ledger: Ledger) -> None:
    _fill(ledger, range(3))
    before = ledger.counts()
    try:
        with ledger.transaction():
            ledger.vanish_file(1)
            raise KeyError
    except KeyError:
        pass
    assert (ledger.counts().seen, ledger.counts().gone) == (before.seen, before.gone)


def test_figures_take_as_many_steps_of_sqlite_however_many_rows_there_are(ledger: Ledger) -> None:
    _fill(ledger, range(30))
    few = _steps(ledger)
    _fill(ledger, range(30, 3000))
    assert _steps(ledger) <= few + 20


def _steps(ledger: Ledger) -> int:
    """Instructions of SQLite's virtual machine that the figures take."""
    count = 0

    def one_more() -> None:
        nonlocal count
        count += 1

    connection = ledger.database._connection
    connection.set_progress_handler(one_more, 1)
    ledger.counts()
    ledger.folder_presence()
    connection.set_progress_handler(None, 1)
    return count
