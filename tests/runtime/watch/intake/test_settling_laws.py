"""What starts the wait for a file again, what does not, and what counts as a file at all."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

from reid_edge.watch.intake.settling import Settling, stamp_of
from reid_edge.watch.ledger.records import FileStamp


def observe(settling: Settling, file_id: int, path: Path, now: float) -> None:
    seen = stamp_of(os.fsencode(path))
    assert seen is not None
    settling.observe(file_id, os.fsencode(path), seen, now)


def settled(settling: Settling, now: float, seconds: float = 2.0, most: int = 10) -> list[int]:
    return [file_id for file_id, _, _ in settling.settled(now, seconds, most)]


def test_a_file_that_is_seen_again_unchanged_does_not_wait_anew(tmp_path: Path) -> None:
    path, settling = tmp_path / "a.jpg", Settling()
    path.write_bytes(b"x")
    observe(settling, 1, path, 0.0)
    observe(settling, 1, path, 1.0)
    assert settled(settling, 2.0) == [1]


def test_a_file_that_is_seen_again_changed_waits_from_then_on(tmp_path: Path) -> None:
    path, settling = tmp_path / "a.jpg", Settling()
    path.write_bytes(b"x")
    observe(settling, 1, path, 0.0)
    path.write_bytes(b"more")
    observe(settling, 1, path, 1.0)
    assert settled(settling, 2.5) == []
    assert settled(settling, 3.0) == [1]


def test_a_file_that_is_found_changed_waits_from_then_on(tmp_path: Path) -> None:
    path, settling = tmp_path / "a.jpg", Settling()
    path.write_bytes(b"x")
    observe(settling, 1, path, 0.0)
    path.write_bytes(b"more")
    assert settled(settling, 5.0) == []
    assert settled(settling, 6.9) == []
    ((file_id, name, seen),) = settling.settled(7.0, 2.0, 10)
    assert (file_id, name, seen) == (1, os.fsencode(path), stamp_of(os.fsencode(path)))


def test_a_file_that_still_waits_keeps_no_other_one_waiting(tmp_path: Path) -> None:
    settling = Settling()
    for file_id, now in ((1, 5.0), (2, 0.0)):
        path = tmp_path / f"{file_id}.jpg"
        path.write_bytes(b"x")
        observe(settling, file_id, path, now)
    assert settled(settling, 6.0) == [2]
    assert len(settling) == 1
    assert settled(settling, 7.0) == [1]


def test_a_file_that_vanished_keeps_no_other_one_waiting(tmp_path: Path) -> None:
    settling = Settling()
    for file_id in (1, 2):
        path = tmp_path / f"{file_id}.jpg"
        path.write_bytes(b"x")
        observe(settling, file_id, path, 0.0)
    (tmp_path / "1.jpg").unlink()
    assert settled(settling, 2.0) == [2]
    assert len(settling) == 0


def test_a_forgotten_file_never_settles_and_forgetting_an_unknown_one_is_nothing(tmp_path: Path) -> None:
    path, settling = tmp_path / "a.jpg", Settling()
    path.write_bytes(b"x")
    observe(settling, 1, path, 0.0)
    settling.forget(2)
    assert len(settling) == 1
    settling.forget(1)
    assert len(settling) == 0
    assert settled(settling, 9.0) == []


def test_only_a_file_has_a_state_and_a_link_has_that_of_its_file(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"photo")
    (tmp_path / "link").symlink_to(path)
    os.mkfifo(tmp_path / "pipe")
    seen = stamp_of(os.fsencode(path))
    status = path.stat()
    assert seen is not None
    assert (seen.size, seen.mtime_ns, seen.inode) == (5, status.st_mtime_ns, status.st_ino)
    assert stamp_of(os.fsencode(tmp_path / "link")) == seen
    for other in (tmp_path, tmp_path / "pipe", tmp_path / "missing"):
        assert stamp_of(os.fsencode(other)) is None


def test_an_inode_of_64_bits_becomes_an_integer_that_sqlite_can_keep() -> None:
    status = SimpleNamespace(st_size=1, st_mtime_ns=2, st_ino=2**64 - 2)
    assert FileStamp.of(status) == FileStamp(1, 2, 2**63 - 2)  # type: ignore[arg-type]
