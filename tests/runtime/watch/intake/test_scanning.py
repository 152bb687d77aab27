from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from reid_edge.watch.intake.folders import place_of
from reid_edge.watch.intake.scanning import Scanner


def test_every_photo_file_is_seen_whatever_its_name(watched) -> None:
    names = [
        b"a.jpg",
        b"B.JPEG",
        b"new\nline.jpg",
        b"\xff\xfe.png",
        b"sub/c.TIF",
        "ünïcode 🐆.jpg".encode(),
        b"-rf.jpg",
        b"' or 1=1.jpg",
    ]
    (watched.root / "sub").mkdir()
    for name in [*names, b"note.txt", b".hidden.jpg", b"no_extension"]:
        Path(os.fsdecode(os.fsencode(watched.root) + b"/" + name)).write_bytes(b"x")
    os.mkfifo(watched.root / "pipe.jpg")
    (watched.root / "folder.jpg").mkdir()
    watched.scan()
    found = {os.path.relpath(file.path, watched.folder.path) for file in watched.ledger.files()}
    assert found == set(names)


def test_a_folder_that_has_a_photos_name_is_walked(watched) -> None:
    (watched.root / "2026.jpg").mkdir()
    (watched.root / "2026.jpg" / "a.jpg").write_bytes(b"x")
    watched.scan()
    assert watched.states() == {"2026.jpg/a.jpg": "seen"}


def test_links_are_followed_once_and_loops_end(watched) -> None:
    (watched.root / "a" / "b").mkdir(parents=True)
    (watched.root / "a" / "b" / "1.jpg").write_bytes(b"x")
    os.link(watched.root / "a" / "b" / "1.jpg", watched.root / "hard.jpg")
    (watched.root / "a" / "b" / "up").symlink_to(watched.root)
    (watched.root / "0link").symlink_to(watched.root / "a")
    (watched.root / "self.jpg").symlink_to(watched.root / "self.jpg")
    (watched.root / "link.jpg").symlink_to(watched.root / "hard.jpg")
    watched.scan()
    assert sorted(watched.states()) == ["a/b/1.jpg", "hard.jpg", "link.jpg"]


def test_ten_thousand_files_at_once_are_all_seen_and_settle(watched) -> None:
    for number in range(10_000):
        os.close(os.open(watched.root / f"{number}.jpg", os.O_CREAT | os.O_WRONLY))
    watched.scan()
    watched.settle()
    assert watched.ledger.counts().settled == 10_000


def test_a_file_that_changes_is_seen_again(watched) -> None:
    path = watched.root / "a.jpg"
    path.write_bytes(b"one")
    watched.scan()
    watched.settle()
    assert watched.states() == {"a.jpg": "settled"}
    watched.scan()
    assert watched.states() == {"a.jpg": "settled"}
    status = path.stat()
    (watched.root / "b").write_bytes(b"two")
    os.utime(watched.root / "b", ns=(status.st_atime_ns, status.st_mtime_ns))
    (watched.root / "b").replace(path)  # the same size and time: only the inode tells
    watched.scan()
    assert watched.states() == {"a.jpg": "seen"}


@pytest.mark.parametrize("state", ["seen", "settled", "quarantined"])
def test_a_file_that_vanishes_is_gone_and_may_come_back(watched, state: str) -> None:
    path = watched.root / "a.jpg"
    path.write_bytes(b"x")
    watched.scan()
    watched.ledger.database.execute("UPDATE file SET state = ?", (state,))
    path.unlink()
    watched.scan()
    assert watched.states() == {"a.jpg": "gone"}
    path.write_bytes(b"x")
    watched.scan()
    assert watched.states() == {"a.jpg": "seen"}


def test_a_decided_file_that_vanishes_stays_decided(watched) -> None:
    (watched.root / "a.jpg").write_bytes(b"x")
    watched.scan()
    watched.ledger.database.execute("UPDATE file SET state = 'decided'")
    (watched.root / "a.jpg").unlink()
    watched.scan()
    assert watched.states() == {"a.jpg": "decided"}


def test_a_root_that_is_renamed_away_is_absent_and_its_files_stay_as_they_are(watched, tmp_path: Path) -> None:
    (watched.root / "a.jpg").write_bytes(b"x")
    watched.scan()
    watched.root.rename(tmp_path / "elsewhere")
    watched.scan()
    watched.scan()
    assert watched.states() == {"a.jpg": "seen"}
    (tmp_path / "elsewhere").rename(watched.root)
    watched.scan()
    told = [(message.key, message.body["present"]) for message in watched.ledger.messages_after(0)]
    assert told == [("folder:1:1", False), ("folder:1:2", True)]
    assert watched.states() == {"a.jpg": "seen"}


def test_an_unmounted_card_is_absent_not_empty_and_comes_back(
    watched, mount: Callable[[Path], None], unmount: Callable[[Path], None]
) -> None:
    mount(watched.root)
    (watched.root / "a.jpg").write_bytes(b"x")
    watched.scan()
    content = watched.root / "a.jpg"
    unmount(watched.root)
    assert place_of(watched.folder.path) is not None  # the empty place of the mount is a folder that can be read
    watched.scan()
    assert watched.states() == {"a.jpg": "seen"}
    assert watched.ledger.counts().folders_absent == 1
    mount(watched.root)
    content.write_bytes(b"x")
    watched.scan()
    assert (watched.states(), watched.ledger.counts().folders_absent) == ({"a.jpg": "seen"}, 0)


def test_a_card_that_is_pulled_in_the_middle_of_a_scan_makes_no_file_gone(
    watched, mount: Callable[[Path], None], unmount: Callable[[Path], None]
) -> None:
    mount(watched.root)
    for number in range(5):
        (watched.root / str(number)).mkdir()
        (watched.root / str(number) / "a.jpg").write_bytes(b"x")
    watched.scan()
    steps = Scanner(watched.ledger, watched.settling, watched.folder, recursive=True).steps()
    next(steps)
    unmount(watched.root)
    for _ in steps:
        pass
    assert set(watched.states().values()) == {"seen"}


def test_a_card_put_in_after_the_daemon_started_is_watched(watched, mount: Callable[[Path], None]) -> None:
    watched.scan()
    mount(watched.root)
    (watched.root / "a.jpg").write_bytes(b"x")
    watched.scan()
    assert (watched.states(), watched.ledger.counts().folders_absent) == ({"a.jpg": "seen"}, 0)


def test_a_folder_that_may_not_be_read_makes_none_of_its_files_gone(watched) -> None:
    if os.geteuid() == 0:
        pytest.skip("root reads everything")
    (watched.root / "sub").mkdir()
    (watched.root / "sub" / "a.jpg").write_bytes(b"x")
    watched.scan()
    (watched.root / "sub").chmod(0)
    watched.scan()
    (watched.root / "sub").chmod(0o700)
    assert watched.states() == {"sub/a.jpg": "seen"}


def test_a_name_that_the_camera_uses_again_after_a_move_is_another_file(watched) -> None:
    path = watched.root / "a.jpg"
    path.write_bytes(b"one")
    watched.scan()
    watched.ledger.database.execute("UPDATE file SET state = 'decided', moved_to = ?", (b"/done/a.jpg",))
    path.write_bytes(b"another")
    watched.scan()
    assert [(file.path, file.state) for file in watched.ledger.files()] == [
        (b"/done/a.jpg", "decided"),
        (os.fsencode(path), "seen"),
    ]


@pytest.fixture
def mount() -> Callable[[Path], None]:
    def run(place: Path) -> None:
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"cannot mount here: {done.stderr.strip()}")
        _mounted.append(place)

    yield run
    while _mounted:
        subprocess.run(["umount", "-l", _mounted.pop()], check=False, capture_output=True)


@pytest.fixture
def unmount() -> Callable[[Path], None]:
    return lambda place: subprocess.run(["umount", place], check=True) and None


_mounted: list[Path] = []
