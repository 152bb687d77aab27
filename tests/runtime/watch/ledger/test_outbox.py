"""The outbox: messages refer to answers, and those that every sink has taken are pruned."""

from __future__ import annotations

import json
from pathlib import Path

from reid_edge.decide.combining import CombinedAnswer
from reid_edge.watch.ledger.ledger import Ledger
from reid_edge.watch.ledger.outbox import KEPT_MESSAGES
from reid_edge.watch.ledger.records import NewPhoto
from reid_edge.watch.outputs.json_lines import JsonLines


def _answer(ledger: Ledger, number: int) -> None:
    """A photo with one animal and many facts, and a new revision of its event."""
    decision = {
        "verdict": "known",
        "identity": "Löwe",
        "probability": 0.25,
        "animal": {"index": 0},
        "ranking": [],
        "matches": [1] * 50,
    }
    with ledger.transaction():
        event = number // 10 + 1
        if number % 10 == 0:
            event = ledger.add_event("A", None)
        photo = NewPhoto(f"{number:064x}", f"/a/{number}.jpg", "A", None, 4, 3, 5.0, None, "known", event, None, "field 1", "r")
        row = ledger.add_photo(photo)
        ledger.add_animal(row, decision, None)
        ledger.post_photo(row)
        ledger.revise_event(event, [CombinedAnswer("known", "Löwe", 0.25, 0.0, (), (row,))], closed=False)
        ledger.post_event(event)


def test_a_decision_stands_in_the_ledger_once(ledger: Ledger) -> None:
    _answer(ledger, 0)
    (photo, _) = ledger.messages_after(0)
    assert photo.body["photo"] == {
        "sha256": f"{0:064x}", "path": "/a/0.jpg", "camera": "A", "taken_at": None,
        "width": 4, "height": 3, "latitude": 5.0, "longitude": None,
    }  # fmt: skip
    assert (photo.body["animals"][0]["identity"], "matches" in photo.body["animals"][0]) == ("Löwe", False)
    assert list(photo.body) == ["schema", "kind", "photo", "event", "verdict", "animals"]
    assert ledger.database.rows("SELECT kind, body = '' FROM message") == [("photo", 1), ("event", 0)]


def test_messages_that_every_sink_has_taken_are_pruned_and_a_bounded_number_is_kept(ledger: Ledger) -> None:
    for number in range(KEPT_MESSAGES):
        _answer(ledger, number)
    stored = {message.id: json.dumps(message.body) for message in ledger.messages_after(0, 10**6)}
    assert len(stored) == 2 * KEPT_MESSAGES
    ledger.mark_delivered("csv", ledger.last_message())
    assert not ledger.prune(["csv", "webhook"])  # which has taken nothing yet
    while ledger.prune(["csv"]):
        pass
    ((left,),) = ledger.database.rows("SELECT count(*) FROM message")
    assert KEPT_MESSAGES <= left < KEPT_MESSAGES + 500
    late = {message.id: json.dumps(message.body) for message in ledger.messages_after(0, 10**6)}
    pruned = set(stored) - set(late)
    assert late == {number: body for number, body in stored.items() if number not in pruned}
    # Every photo is there, and every event in its newest revision: a sink that starts now gets them all, in order.
    assert list(late) == sorted(late)
    assert sum('"kind": "photo"' in body for body in late.values()) == KEPT_MESSAGES
    assert all('"kind": "event"' in stored[number] and json.loads(stored[number])["revision"] < 10 for number in pruned)
    assert ledger.last_message() == 2 * KEPT_MESSAGES


def test_pages_of_messages_are_the_same_as_all_of_them_across_what_was_pruned(ledger: Ledger) -> None:
    for number in range(60):
        _answer(ledger, number)
    ledger.database.execute("DELETE FROM message WHERE id <= 70")
    everything = ledger.messages_after(0, 10**6)
    last, paged = 0, []
    while page := ledger.messages_after(last, 7):
        assert len(page) <= 7
        paged += page
        last = page[-1].id
    assert paged == everything


def test_a_message_waits_as_long_as_one_sink_has_not_taken_it(ledger: Ledger) -> None:
    for number in range(1000, 4000):
        ledger.post("folder", f"folder:1:{number}", "", {})
    ledger.mark_delivered("csv", 3000)
    ledger.mark_delivered("webhook", 600)
    while ledger.prune(["csv", "webhook"]):
        pass
    assert ledger.messages_after(0, 1)[0].id == 601
    assert ledger.counts().undelivered == {"csv": 0, "webhook": 2400}


def test_a_file_whose_last_message_was_pruned_goes_on_and_one_that_was_deleted_is_made_of_what_is_left(
    ledger: Ledger, memory_folder: Path
) -> None:
    path = memory_folder / "answers.jsonl"
    for number in range(10):
        _answer(ledger, number)
    sink = JsonLines(path, ledger)
    sink.deliver(ledger.messages_after(0, 4))  # the last of which is a revision that later ones replace
    sink.close()
    ledger.mark_delivered("json-lines", 4)
    ledger.database.execute("DELETE FROM message WHERE id <= 12")
    sink = JsonLines(path, ledger)
    sink.deliver(ledger.messages_after(4))
    sink.close()
    ids = [json.loads(line)["id"] for line in path.read_text().splitlines()]
    assert ids == [1, 2, 3, 4, 5, 7, 9, 11, *range(13, 21)]
    path.unlink()
    ledger.mark_delivered("json-lines", 20)
    JsonLines(path, ledger).close()
    assert [json.loads(line)["id"] for line in path.read_text().splitlines()] == [1, 3, 5, 7, 9, 11, *range(13, 21)]
