from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from reid_edge.decide.decision import Decision, RankedIdentity
from reid_edge.decide.facts import AnimalFacts, EngineFacts, PackFacts, PhotoFacts, Thresholds
from reid_edge.errors import StorageError
from reid_edge.photo import Photo
from reid_edge.watch.answer.answering import PhotoAnswer
from reid_edge.watch.answer.committing import Committed, commit_answer, commit_known
from reid_edge.watch.answer.events import close_event, shifted
from reid_edge.watch.ledger.ledger import Ledger
from reid_edge.watch.ledger.records import FileStamp, SettledFile
from reid_edge.watch.ledger.states import Reason


def _decision(index: int, verdict: str, identity: str | None, probability: float) -> Decision:
    ranking = (RankedIdentity(identity, probability, 1, 1, 1, "p.jpg", ()),) if identity else ()
    unknown = 1 - probability if identity else probability
    thresholds, photo, animal = (
        Thresholds(0.5, 0.4, 0.6),
        PhotoFacts(None, "p", "", 1, 1, None),
        AnimalFacts(index, (0, 0, 1, 1), 1.0, True),
    )
    pack, engine = PackFacts("field", "1", ""), EngineFacts("", "", "cpu", 1)
    return Decision(
        verdict, identity, probability, unknown, "", ranking, thresholds, "generic", photo, animal, "r", pack, engine, {}, ()
    )  # type: ignore[arg-type]


def _file(ledger: Ledger, name: str, camera: str = "A", taken_at: str | None = None, state: str = "settled") -> SettledFile:
    folder = ledger.database.rows("SELECT id FROM folder") or [
        (ledger.database.insert("folder", path=b"/w", present=1, device_id=""),)
    ]
    number = ledger.database.insert(
        "file", folder_id=folder[0][0], path=name.encode(), size=1, mtime_ns=1, inode=1, state=state, camera=camera,
        taken_at=taken_at, first_seen_at="", changed_at="",
    )  # fmt: skip
    return SettledFile(number, folder[0][0], name.encode(), FileStamp(1, 1, 1), camera, taken_at, 0)


def _commit(ledger: Ledger, name: str, camera: str, taken_at: str | None, *decisions: Decision) -> Committed:
    photo = Photo(np.zeros((1, 1, 3), np.uint8), hashlib.sha256(name.encode()).hexdigest(), name, Path(name), taken_at)
    verdict = decisions[0].verdict if decisions else "empty"
    vectors = tuple(np.eye(2, dtype=np.float32)[0] for _ in decisions)
    answer = PhotoAnswer(verdict, decisions, vectors, (), "pack 1", "r")
    return commit_answer(ledger, _file(ledger, name, camera, taken_at), photo, answer, 60.0, None)


def test_a_decision_comes_with_its_event_and_its_messages(ledger: Ledger) -> None:
    done = _commit(ledger, "a.jpg", "A", "2026-03-01T06:00:00", _decision(0, "known", "Asha", 0.9))
    assert done.fresh
    (photo,) = ledger.photos()
    assert (photo.verdict, photo.paths, photo.event_id) == ("known", (b"a.jpg",), done.event)
    assert [(message.kind, message.key) for message in ledger.messages_after(0)] == [
        ("photo", f"photo:{photo.sha256}"),
        ("event", f"event:{done.event}:1"),
    ]
    (told, _) = ledger.messages_after(0)
    assert (told.body["animals"][0]["identity"], told.body["photo"]["path"]) == ("Asha", "a.jpg")


def test_when_any_write_of_a_decision_fails_there_is_nothing_of_it(ledger: Ledger) -> None:
    """The disk is full at every statement in turn."""
    real, at, failed = ledger.database._execute, 0, 0
    while True:
        count = 0

        def full(sql: str, parameters: tuple[object, ...] = (), at: int = at) -> object:
            nonlocal count
            count += not sql.startswith(("BEGIN", "SELECT"))
            if count == at + 1:
                raise StorageError("The disk is full.")
            return real(sql, parameters)

        name = f"{at}.jpg"
        file = _file(ledger, name, "A", None)
        photo = Photo(np.zeros((1, 1, 3), np.uint8), hashlib.sha256(name.encode()).hexdigest(), name)
        answer = PhotoAnswer("known", (_decision(0, "known", "Asha", 0.9),), (None,), (), "pack 1", "r")
        before = _everything(ledger)
        ledger.database._execute = full  # type: ignore[method-assign]
        try:
            commit_answer(ledger, file, photo, answer, 60.0, None)
            break
        except StorageError:
            failed += 1
        finally:
            ledger.database._execute = real  # type: ignore[method-assign]
        assert _everything(ledger) == before
        at += 1
    assert failed >= 8  # photo, animal, event and its animals, file, two messages, the commit
    assert ledger.is_decided(photo.sha256)


def _everything(ledger: Ledger) -> list[object]:
    tables = ("photo", "animal", "event", "event_animal", "message", "file")
    return [ledger.database.rows(f"SELECT * FROM {table}") for table in tables]


def test_a_content_is_answered_once_whatever_files_carry_it(ledger: Ledger) -> None:
    first = _commit(ledger, "a.jpg", "A", None)
    sha256 = next(iter(ledger.photos())).sha256
    again = commit_known(ledger, _file(ledger, "copy.jpg"), sha256)
    assert (again.photo, again.fresh) == (first.photo, False)
    assert next(iter(ledger.photos())).paths == (b"a.jpg", b"copy.jpg")
    assert sum(message.kind == "photo" for message in ledger.messages_after(0)) == 1


def test_a_file_that_changed_while_it_was_answered_waits_again(ledger: Ledger) -> None:
    file = _file(ledger, "a.jpg")
    ledger.database.execute("UPDATE file SET state = 'seen', size = 2")
    for change in (lambda: ledger.quarantine_file(file, Reason.BROKEN, "broken"), lambda: ledger.put_back_file(file)):
        change()
        assert [found.state for found in ledger.files()] == ["seen"]
    assert ledger.messages_after(0) == []


def test_a_burst_is_one_event_with_one_verdict(ledger: Ledger) -> None:
    for second, probability in (("00", 0.9), ("40", 0.7)):
        _commit(ledger, f"{second}.jpg", "A", f"2026-03-01T06:00:{second}", _decision(0, "known", "Asha", probability))
    _commit(ledger, "late.jpg", "A", "2026-03-01T06:02:00", _decision(0, "known", "Asha", 0.9))
    _commit(ledger, "b.jpg", "B", "2026-03-01T06:00:00", _decision(0, "known", "Asha", 0.9))
    events = list(ledger.events())
    assert [(event.camera, len(event.body["animals"]), event.revision) for event in events] == [
        ("A", 1, 2),
        ("A", 1, 1),
        ("B", 1, 1),
    ]
    (animal,) = events[0].body["animals"]
    assert (animal["verdict"], animal["identity"], len(animal["photos"])) == ("known", "Asha", 2)
    assert 0.7 < animal["probability"] < 0.9
    assert (events[0].first_taken_at, events[0].last_taken_at) == ("2026-03-01T06:00:00", "2026-03-01T06:00:40")


def test_the_rest_of_a_burst_that_comes_later_joins_it_with_a_new_revision(ledger: Ledger) -> None:
    done = _commit(ledger, "1.jpg", "A", "2026-03-01T06:00:00", _decision(0, "new", None, 0.9))
    assert done.event is not None
    close_event(ledger, done.event, None, enrol=False)
    assert ledger.open_events() == []
    assert ledger.event(done.event).body["closed"] is True
    assert ledger.database.rows("SELECT vector FROM animal") == [(None,)]  # kept no longer
    late = _commit(ledger, "0.jpg", "A", "2026-03-01T05:59:30", _decision(0, "new", None, 0.9))
    event = ledger.event(done.event)
    assert (late.event, event.revision, event.closed, event.first_taken_at) == (done.event, 3, False, "2026-03-01T05:59:30")
    keys = [message.key for message in ledger.messages_after(0) if message.kind == "event"]
    assert keys == [f"event:{done.event}:{revision}" for revision in (1, 2, 3)]


def test_photos_without_a_clock_are_as_many_events_whatever_came_before(ledger: Ledger) -> None:
    _commit(ledger, "clock.jpg", "A", "2026-03-01T06:00:00")
    done = [
        _commit(ledger, f"{camera}{n}.jpg", camera, None, _decision(0, "known", "Asha", 0.9)) for camera in "AB" for n in range(3)
    ]
    assert len({each.event for each in done}) == 6
    assert [len(event.body["animals"]) for event in ledger.events()] == [0, 1, 1, 1, 1, 1, 1]


def test_the_frames_of_a_video_are_one_event_and_not_without_end(ledger: Ledger) -> None:
    files = [_file(ledger, name) for name in ("a.mp4", "b.mp4")]
    answer = PhotoAnswer("empty", (), (), (), "pack 1", "r")
    events: dict[int, list[int | None]] = {file.id: [] for file in files}
    for number in range(101):
        for file in files if number < 3 else files[:1]:
            photo = Photo(np.zeros((1, 1, 3), np.uint8), hashlib.sha256(f"{file.id} {number}".encode()).hexdigest(), "frame")
            events[file.id].append(commit_answer(ledger, file, photo, answer, 60.0, None, is_frame=True).event)
    assert [events[files[0].id].count(event) for event in sorted({each or 0 for each in events[files[0].id]})] == [100, 1]
    assert len(set(events[files[1].id])) == 1
    assert not set(events[files[0].id]) & set(events[files[1].id])


def test_a_herd_that_stays_all_day_is_not_one_event(ledger: Ledger) -> None:
    done = [_commit(ledger, f"{n}.jpg", "A", f"2026-03-01T{6 + n // 60:02}:{n % 60:02}:00") for n in range(130)]
    sizes = [len([each for each in done if each.event == event]) for event in sorted({each.event or 0 for each in done})]
    assert sizes == [100, 30]


@pytest.mark.parametrize("text", ["0001-01-01T00:00:10", "9999-12-31T23:59:50"])
def test_a_clock_at_the_end_of_the_calendar_is_no_error(ledger: Ledger, text: str) -> None:
    _commit(ledger, "a.jpg", "A", text)
    assert shifted("2026-03-01T06:00:00", 0.5) == "2026-03-01T06:00:00"


def test_two_animals_of_a_frame_are_two_animals_of_the_event(ledger: Ledger) -> None:
    for number in range(3):
        pair = (_decision(0, "known", "Asha", 0.9), _decision(1, "known", "Baraka", 0.8))
        _commit(ledger, f"{number}.jpg", "A", f"2026-03-01T06:00:0{number}", *pair)
    (event,) = ledger.events()
    assert [(animal["identity"], len(animal["photos"])) for animal in event.body["animals"]] == [("Asha", 3), ("Baraka", 3)]


def test_a_quarantined_file_is_told_with_its_reason(ledger: Ledger) -> None:
    ledger.quarantine_file(_file(ledger, "broken.jpg"), Reason.BROKEN, "It is cut off.")
    (message,) = ledger.messages_after(0)
    assert (message.key, message.body["reason"]) == ("quarantine:1:1:1", "It is cut off.")
    assert ledger.counts().quarantined == 1


def _burst(file: SettledFile | None) -> tuple[str, str, str] | None:
    if file is None or file.taken_at is None:
        return None
    return file.camera, shifted(file.taken_at, -60.0), shifted(file.taken_at, 60.0)


def test_photos_are_answered_camera_by_camera_and_oldest_first(ledger: Ledger) -> None:
    files = [
        ("b2", "B", "2026-03-01T06:00:30"), ("a3", "A", "2026-03-01T09:00:00"), ("a1", "A", "1970-01-01T00:00:00"),
        ("b1", "B", "2026-03-01T06:00:00"), ("a-no-clock", "A", None), ("b3", "B", "2026-03-01T08:00:00"),
        ("a2", "A", "1970-01-01T00:00:10"),
    ]  # fmt: skip
    for name, camera, taken_at in files:
        _file(ledger, name, camera, taken_at)
    order, last = [], None
    while (file := ledger.next_settled([1], [], _burst(last))) is not None:
        order.append(file.path.decode())
        ledger.vanish_file(file.id)
        last = file
    # B waits longest; its burst is answered in one go, then A's turn comes, whose clock says 1970.
    assert order == ["b1", "b2", "a1", "a2", "a3", "a-no-clock", "b3"]


def test_files_of_an_absent_folder_and_files_under_work_are_not_taken(ledger: Ledger) -> None:
    file = _file(ledger, "a.jpg")
    assert ledger.next_settled([file.folder_id], [file.id], None) is None
    assert ledger.next_settled([99], [], None) is None
    assert ledger.next_settled([file.folder_id], [], None) == file


def test_the_ledger_tells_the_photos_in_the_order_they_were_answered(ledger: Ledger) -> None:
    for number in range(3):
        _commit(ledger, f"{number}.jpg", "A", None, _decision(0, "new", None, 0.9))
    names = [json.dumps([path.decode() for path in photo.paths]) for photo in ledger.photos()]
    assert names == ['["0.jpg"]', '["1.jpg"]', '["2.jpg"]']
    assert [photo.id for photo in ledger.photos(after=1)] == [2, 3]
    assert ledger.counts().verdicts == {"new": 3}
