from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reid_edge.describe.query import Query
from reid_edge.watch.answer.answering import Answerer
from reid_edge.watch.answer.events import close_event
from reid_edge.watch.answer.evidence import join_evidence
from reid_edge.watch.ledger.ledger import Ledger
from reid_edge.watch.outputs.reports import NAME, Reports, photos_to_show

Finished = subprocess.CompletedProcess[str]


@pytest.fixture
def gallery(without_dalila: Path) -> Path:
    """Without Dalila, who is new then."""
    return without_dalila


@pytest.fixture
def folder(tmp_path: Path, photo: Callable[..., bytes]) -> Path:
    """A burst of Dalila, who may be new, one of Amani, who is known, and an empty frame."""
    root = tmp_path / "photos"
    root.mkdir()
    for number in range(2):
        (root / f"dalila-{number}.jpg").write_bytes(photo(number, "Dalila", 10 * number))
        (root / f"amani-{number}.jpg").write_bytes(photo(10 + number, "Amani", 5000 + 10 * number))
    (root / "empty.jpg").write_bytes(photo(20, None, 9000))
    return root


def test_an_event_that_a_person_should_look_at_has_a_page_with_its_photos_beside_the_candidates(
    folder: Path, gallery: Path, tmp_path: Path, watch_once: Callable[..., Finished]
) -> None:
    out = tmp_path / "out"
    done = watch_once(folder, out, "--gallery", gallery, "--reports")
    assert done.returncode == 0, done.stderr
    with Ledger.read(out / "ledger.sqlite") as ledger:
        unsure = [event.id for event in ledger.events() if any(a["verdict"] != "known" for a in event.body["animals"])]
        assert ledger.delivered("reports") == ledger.last_message()
    pages = sorted((out / "reports").iterdir())
    assert [page.name.split("-")[2] for page in pages] == [str(event) for event in unsure]
    (page,) = [page.read_text("utf-8") for page in pages]
    assert "dalila-0.jpg" in page
    assert "dalila-1.jpg" in page
    assert "amani-0.jpg" not in page
    assert page.count("data:image/jpeg;base64,") >= 4  # two photos, their animals, and candidates
    assert len(list((out / "thumbnails").iterdir())) == 4
    watch_once(folder, out, "--gallery", gallery, "--reports")
    assert sorted((out / "reports").iterdir()) == pages


def test_reports_are_made_from_when_they_are_asked_for_and_not_of_the_whole_past(
    folder: Path, gallery: Path, tmp_path: Path, photo: Callable[..., bytes], watch_once: Callable[..., Finished]
) -> None:
    out = tmp_path / "out"
    watch_once(folder, out, "--gallery", gallery)
    assert not (out / "reports").exists()
    watch_once(folder, out, "--gallery", gallery, "--reports")
    assert list((out / "reports").iterdir()) == []
    (folder / "later.jpg").write_bytes(photo(30, "Dalila", 20000))
    watch_once(folder, out, "--gallery", gallery, "--reports")
    assert ["later.jpg" in page.read_text("utf-8") for page in (out / "reports").iterdir()] == [True]


@pytest.fixture
def unreported(folder: Path, gallery: Path, tmp_path: Path, start: Callable[..., subprocess.Popen[str]], wait_until) -> Path:
    """The folder of a daemon that was killed when the events were still open; they are closed since."""
    out = tmp_path / "out"
    process = start(folder, out, "--gallery", gallery, "--reports", "--event", "1h")
    wait_until(out, lambda ledger: ledger.counts().decided == 5 and ledger.knows_sink(NAME))
    process.kill()
    process.wait()
    with Ledger.open(out / "ledger.sqlite") as ledger:
        for event in ledger.open_events():
            close_event(ledger, event.id, None, enrol=False)
    return out


@pytest.fixture
def answerer(light, gallery: Path) -> Iterator[Answerer]:
    made = Answerer(gallery, str(light.pack), "cpu", 1, Query("unspecified"))
    yield made
    made.close()


def test_a_page_shows_the_stored_answers_with_their_evidence_and_no_photo_is_answered_again(
    unreported: Path, answerer: Answerer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(Answerer, "answer")
    with Ledger.open(unreported / "ledger.sqlite") as ledger:
        (stored,) = [photo for photo in ledger.photos() if photo.animals and photo.animals[0]["photo"]["name"] == "dalila-0.jpg"]
        plain = dict(stored.animals[0])
        assert "outline" not in plain["animal"]
        assert not any("matches" in ranked for ranked in plain["ranking"])
        assert join_evidence(plain, ledger.evidence(stored.id)[0]).animal.outline
        assert json.dumps(join_evidence(plain, None).as_json()) == json.dumps(plain)
        make_all(Reports(ledger, answerer, unreported, 10**8))
        assert not ledger.evidence(stored.id)
        assert ledger.database.rows("SELECT * FROM evidence") == []
    page = the_page(unreported)
    assert page.count(f'<p class="reason">{plain["reason"]}') >= 1
    assert "not stored with this answer" not in page


def test_evidence_is_kept_only_of_animals_that_a_person_should_look_at_and_only_while_reports_are_made(
    unreported: Path, folder: Path, gallery: Path, watch_once: Callable[..., Finished]
) -> None:
    with Ledger.read(unreported / "ledger.sqlite") as ledger:
        kept = {photo.animals[0]["verdict"] for photo in ledger.photos() if ledger.evidence(photo.id)}
        assert kept
        assert kept <= {"new", "ask"}
    watch_once(folder, unreported, "--gallery", gallery)
    with Ledger.read(unreported / "ledger.sqlite") as ledger:
        assert ledger.database.rows("SELECT * FROM evidence") == []
    watch_once(folder, unreported, "--gallery", gallery, "--reports")
    assert "Outline and matched points are not stored with this answer." in the_page(unreported)


def test_a_kill_after_the_page_was_written_and_before_it_was_noted_makes_no_second_page(
    unreported: Path, answerer: Answerer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Ledger.open(unreported / "ledger.sqlite") as ledger:
        with monkeypatch.context() as killed:
            killed.setattr(ledger, "mark_delivered", lambda *_: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                make_all(Reports(ledger, answerer, unreported, 10**8))
        page = the_page(unreported)
        assert ledger.database.rows("SELECT * FROM evidence") != []
        make_all(Reports(ledger, answerer, unreported, 10**8))
        assert the_page(unreported) == page
        assert ledger.database.rows("SELECT * FROM evidence") == []


def test_a_photo_that_is_gone_when_its_page_is_due_is_shown_by_its_thumbnail(
    unreported: Path, folder: Path, answerer: Answerer
) -> None:
    (folder / "dalila-0.jpg").unlink()
    with Ledger.open(unreported / "ledger.sqlite") as ledger:
        gone = next(photo.sha256 for photo in ledger.photos() if photo.paths[0].endswith(b"dalila-0.jpg"))
        make_all(Reports(ledger, answerer, unreported, 10**8))
    page = the_page(unreported)
    sections = {name: part for part in page.split("<article")[1:] for name in ("dalila-0.jpg", "dalila-1.jpg") if name in part}
    assert "The photo could not be read" in sections["dalila-0.jpg"]
    assert "The photo could not be read" not in sections["dalila-1.jpg"]
    (thumbnail,) = (unreported / "thumbnails").glob(f"*-{gone[:16]}-0.jpg")
    assert base64.b64encode(thumbnail.read_bytes()).decode() in page


def test_a_candidate_that_the_gallery_no_longer_has_is_reported_as_missing(
    unreported: Path, gallery: Path, answerer: Answerer, run_main: Callable[..., Finished]
) -> None:
    done = run_main("gallery", "remove", "Amani", "--yes", "--gallery", gallery)
    assert done.returncode == 0, done.stderr
    with Ledger.open(unreported / "ledger.sqlite") as ledger:
        make_all(Reports(ledger, answerer, unreported, 10**8))
    page = the_page(unreported)
    assert "The gallery no longer has this photo." in page
    assert "Amani" in page


def make_all(reports: Reports) -> None:
    while reports.step():
        pass


def the_page(out: Path) -> str:
    (page,) = (out / "reports").iterdir()
    return page.read_text("utf-8")


def test_side_cars_go_below_a_folder_of_their_own(
    folder: Path, gallery: Path, tmp_path: Path, watch_once: Callable[..., Finished]
) -> None:
    done = watch_once(folder, tmp_path / "out", "--gallery", gallery, "--sidecar-dir", tmp_path / "xmp")
    assert done.returncode == 0, done.stderr
    assert {path.suffix for path in folder.iterdir()} == {".jpg"}
    beside = (tmp_path / "xmp").joinpath(*folder.parts[1:])
    assert {path.name for path in beside.iterdir()} == {path.name + ".xmp" for path in folder.iterdir()}


def test_a_page_about_a_herd_is_bounded_so_that_the_watchdog_of_systemd_does_not_end_it(ledger: Ledger) -> None:
    animals = [{"verdict": "new", "photos": [f"{number}-{photo}" for photo in range(5)]} for number in range(30)]
    ledger.post("event", "event:1:1", "c", {"event": 1, "revision": 1, "closed": True, "animals": animals})
    photos = photos_to_show(ledger.messages_after(0)[0])
    assert len(photos) == 12
    assert photos[:4] == ["0-0", "0-1", "0-2", "1-0"]
