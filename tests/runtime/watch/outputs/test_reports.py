from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from reid_edge.watch.ledger.ledger import Ledger
from reid_edge.watch.outputs.reports import Reports

Finished = subprocess.CompletedProcess[str]


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
    folder: Path, without_dalila: Path, tmp_path: Path, watch_once: Callable[..., Finished]
) -> None:
    out = tmp_path / "out"
    done = watch_once(folder, out, "--gallery", without_dalila, "--reports")
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
    watch_once(folder, out, "--gallery", without_dalila, "--reports")
    assert sorted((out / "reports").iterdir()) == pages


def test_reports_are_made_from_when_they_are_asked_for_and_not_of_the_whole_past(
    folder: Path, without_dalila: Path, tmp_path: Path, photo: Callable[..., bytes], watch_once: Callable[..., Finished]
) -> None:
    out = tmp_path / "out"
    watch_once(folder, out, "--gallery", without_dalila)
    assert not (out / "reports").exists()
    watch_once(folder, out, "--gallery", without_dalila, "--reports")
    assert list((out / "reports").iterdir()) == []
    (folder / "later.jpg").write_bytes(photo(30, "Dalila", 20000))
    watch_once(folder, out, "--gallery", without_dalila, "--reports")
    assert ["later.jpg" in page.read_text("utf-8") for page in (out / "reports").iterdir()] == [True]


def test_a_photo_that_is_gone_when_its_page_is_due_is_left_out(
    folder: Path,
    without_dalila: Path,
    tmp_path: Path,
    watch_once: Callable[..., Finished],
    start: Callable[..., subprocess.Popen[str]],
    wait_until,
) -> None:
    out = tmp_path / "out"
    process = start(folder, out, "--gallery", without_dalila, "--reports", "--event", "3s")
    wait_until(out, lambda ledger: ledger.counts().decided == 5)
    (folder / "dalila-0.jpg").unlink()
    wait_until(out, lambda ledger: ledger.counts().events_open == 0 and ledger.delivered("reports") == ledger.last_message())
    process.terminate()
    process.wait(timeout=30)
    pages = [page.read_text("utf-8") for page in (out / "reports").iterdir()]
    assert not any("dalila-0.jpg" in page for page in pages)
    assert any("dalila-1.jpg" in page for page in pages)


def test_side_cars_go_below_a_folder_of_their_own(
    folder: Path, without_dalila: Path, tmp_path: Path, watch_once: Callable[..., Finished]
) -> None:
    done = watch_once(folder, tmp_path / "out", "--gallery", without_dalila, "--sidecar-dir", tmp_path / "xmp")
    assert done.returncode == 0, done.stderr
    assert {path.suffix for path in folder.iterdir()} == {".jpg"}
    beside = (tmp_path / "xmp").joinpath(*folder.parts[1:])
    assert {path.name for path in beside.iterdir()} == {path.name + ".xmp" for path in folder.iterdir()}


def test_a_page_about_a_herd_is_bounded_so_that_the_watchdog_of_systemd_does_not_end_it(ledger: Ledger, tmp_path: Path) -> None:
    event = ledger.database.insert("event", camera="c", closed=1, revision=1)
    animals = [{"verdict": "new", "photos": [f"{number}-{photo}" for photo in range(5)]} for number in range(30)]
    reports = Reports(ledger, None, None, tmp_path / "reports", 10**6)  # type: ignore[arg-type]  # nothing is answered here
    ledger.post("event", "event:1:1", "c", {"event": event, "revision": 1, "closed": True, "animals": animals})
    photos = reports._photos(ledger.messages_after(0)[0])
    assert len(photos) == 12
    assert photos[:4] == ["0-0", "0-1", "0-2", "1-0"]
