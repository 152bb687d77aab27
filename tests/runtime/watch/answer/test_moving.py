from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from reid_edge.watch.answer import moving
from reid_edge.watch.answer.moving import move_decided
from reid_edge.watch.intake.settling import stamp_of
from reid_edge.watch.ledger.ledger import Ledger


def _decided(ledger: Ledger, path: Path, content: bytes, identity: str = "Asha", verdict: str = "known") -> int:
    path.write_bytes(content)
    state = stamp_of(os.fsencode(path))
    assert state is not None
    folder = ledger.database.rows("SELECT id FROM folder") or [
        (ledger.database.insert("folder", path=b"/w", present=1, device_id=""),)
    ]
    photo = ledger.database.insert(
        "photo",
        sha256=hashlib.sha256(os.fsencode(path)).hexdigest(),
        state="decided",
        camera="A",
        width=1,
        height=1,
        verdict=verdict,
    )
    ledger.database.insert(
        "animal", photo_id=photo, animal_index=0, verdict=verdict, identity=identity, probability=1.0, decision="{}"
    )
    return ledger.database.insert(
        "file", folder_id=folder[0][0], path=os.fsencode(path), size=state.size, mtime_ns=state.mtime_ns, inode=state.inode,
        state="decided", photo_id=photo, first_seen_at="", changed_at="",
    )  # fmt: skip


@pytest.fixture(params=["same disk", "other disk"])
def out(request: pytest.FixtureRequest, tmp_path: Path, memory_folder: Path) -> Path:
    place = tmp_path / "out" if request.param == "same disk" else memory_folder / "out"
    if request.param == "other disk" and memory_folder.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is one disk only")
    place.mkdir()
    return place


def test_an_answered_photo_is_moved_to_its_individual(ledger: Ledger, tmp_path: Path, out: Path) -> None:
    path = tmp_path / "a.jpg"
    file = _decided(ledger, path, b"photo")
    target = move_decided(ledger, file, out)
    assert target == os.fsencode(out / "done" / "Asha" / "a.jpg")
    assert not path.exists()
    assert (out / "done" / "Asha" / "a.jpg").read_bytes() == b"photo"
    assert [found.moved_to for found in ledger.files()] == [target]
    assert move_decided(ledger, file, out) is None


def test_nothing_is_ever_overwritten(ledger: Ledger, tmp_path: Path, out: Path) -> None:
    for number, content in enumerate((b"one", b"two", b"three")):
        (tmp_path / str(number)).mkdir()
        move_decided(ledger, _decided(ledger, tmp_path / str(number) / "IMG_0001.JPG", content), out)
    found = {path.name: path.read_bytes() for path in (out / "done" / "Asha").iterdir()}
    assert found == {"IMG_0001.JPG": b"one", "IMG_0001-2.JPG": b"two", "IMG_0001-3.JPG": b"three"}


def test_a_file_that_changed_since_it_was_decided_stays(ledger: Ledger, tmp_path: Path, out: Path) -> None:
    path = tmp_path / "a.jpg"
    file = _decided(ledger, path, b"photo")
    path.write_bytes(b"another photo")
    assert move_decided(ledger, file, out) is None
    assert path.read_bytes() == b"another photo"


@pytest.mark.parametrize("at", ["os.link", "os.unlink", "shutil.copyfileobj", "os.rename"])
def test_a_move_that_breaks_off_is_finished_by_the_next(
    ledger: Ledger, tmp_path: Path, out: Path, at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.jpg"
    file = _decided(ledger, path, b"photo")

    def stop(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(f"reid_edge.watch.answer.moving.{at}", stop)
        try:
            move_decided(ledger, file, out)
        except OSError:
            assert path.read_bytes() == b"photo"
    move_decided(ledger, file, out)
    found = {each.name: each.read_bytes() for each in (out / "done" / "Asha").iterdir() if each.suffix != ".part"}
    assert (path.exists(), found) == (False, {"a.jpg": b"photo"})


def test_names_of_individuals_make_safe_folders(ledger: Ledger, tmp_path: Path, out: Path) -> None:
    names = {"../../etc": ".._.._etc", "new": "_new", "..": "_..", "a/b": "a_b"}
    for number, (identity, folder) in enumerate(names.items()):
        move_decided(ledger, _decided(ledger, tmp_path / f"{number}.jpg", b"x", identity), out)
        assert (out / "done" / folder / f"{number}.jpg").is_file()
    move_decided(ledger, _decided(ledger, tmp_path / "e.jpg", b"x", verdict="empty"), out)
    assert (out / "done" / "empty" / "e.jpg").is_file()


def test_whether_a_name_is_taken_is_asked_of_an_index(ledger: Ledger) -> None:
    """With 100,000 files each question took 11 ms without it and 0.04 ms with it, and a name that 200 cards use takes 200 questions."""
    plan = ledger.database.rows("EXPLAIN QUERY PLAN SELECT 1 FROM file WHERE moved_to = ? OR path = ?", (b"a", b"a"))
    assert not any("SCAN" in str(row[-1]) for row in plan), plan


def _card(tmp_path: Path, *names: str) -> Path:
    folder = tmp_path / "card"
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_bytes(name.encode())
    return folder


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


def test_the_companions_of_a_photo_travel_with_it(ledger: Ledger, tmp_path: Path, out: Path) -> None:
    companions = {"IMG_0001.JPG.xmp", "IMG_0001.xmp", "img_0001.JSON", "IMG_0001.wav"}
    card = _card(tmp_path, *companions, "IMG_0002.xmp", "IMG_00010.xmp", "IMG_0001.txt")
    move_decided(ledger, _decided(ledger, card / "IMG_0001.JPG", b"photo"), out)
    assert _names(card) == {"IMG_0002.xmp", "IMG_00010.xmp", "IMG_0001.txt"}
    asha = out / "done" / "Asha"
    assert _names(asha) == {"IMG_0001.JPG", "IMG_0001.JPG.xmp", "IMG_0001.xmp", "IMG_0001.JSON", "IMG_0001.wav"}
    assert (asha / "IMG_0001.wav").read_bytes() == b"IMG_0001.wav"


def test_a_free_name_is_free_for_the_companions_too(ledger: Ledger, tmp_path: Path, out: Path) -> None:
    asha = out / "done" / "Asha"
    asha.mkdir(parents=True)
    (asha / "a.xmp").write_bytes(b"of another photo")
    card = _card(tmp_path, "a.xmp")
    move_decided(ledger, _decided(ledger, card / "a.jpg", b"photo"), out)
    assert _names(asha) == {"a.xmp", "a-2.jpg", "a-2.xmp"}
    assert (asha / "a.xmp").read_bytes() == b"of another photo"


def test_a_companion_of_several_photos_goes_with_the_last_of_them(ledger: Ledger, tmp_path: Path, out: Path) -> None:
    card = _card(tmp_path, "a.xmp", "a.NEF", "a.jpg.xmp")
    move_decided(ledger, _decided(ledger, card / "a.jpg", b"photo"), out)
    assert _names(card) == {"a.xmp", "a.NEF"}
    move_decided(ledger, _decided(ledger, card / "a.NEF", b"raw"), out)
    assert _names(card) == set()
    assert _names(out / "done" / "Asha") == {"a.jpg", "a.jpg.xmp", "a.NEF", "a.xmp"}


def test_all_of_them_move_or_none(ledger: Ledger, tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    card = _card(tmp_path, "a.jpg.xmp", "a.wav")
    file = _decided(ledger, card / "a.jpg", b"photo")
    give_name, given = moving._give_name, []

    def fail_at_the_last(path: bytes, target: bytes) -> None:
        if len(given) == 2:
            raise OSError(28, "No space left on device")
        given.append(path)
        give_name(path, target)

    monkeypatch.setattr(moving, "_give_name", fail_at_the_last)
    with pytest.raises(OSError, match="No space"):
        move_decided(ledger, file, out)
    assert _names(card) == {"a.jpg", "a.jpg.xmp", "a.wav"}
    assert _names(out / "done" / "Asha") == set()
    monkeypatch.undo()
    assert move_decided(ledger, file, out) == os.fsencode(out / "done" / "Asha" / "a.jpg")
    assert _names(out / "done" / "Asha") == {"a.jpg", "a.jpg.xmp", "a.wav"}


def test_a_kill_between_the_names_is_continued(ledger: Ledger, tmp_path: Path, out: Path) -> None:
    card = _card(tmp_path, "a.jpg.xmp")
    file = _decided(ledger, card / "a.jpg", b"photo")
    asha = out / "done" / "Asha"
    asha.mkdir(parents=True)
    ledger.plan_move(file, os.fsencode(asha / "a.jpg"))
    (asha / "a.jpg").write_bytes(b"photo")  # verified copies, and the companion's first name is gone already
    (asha / "a.jpg.xmp").write_bytes(b"a.jpg.xmp")
    assert move_decided(ledger, file, out) == os.fsencode(asha / "a.jpg")
    assert _names(card) == set()
    assert _names(asha) == {"a.jpg", "a.jpg.xmp"}
