from __future__ import annotations

import os
from pathlib import Path

from reid_edge.watch.intake.settling import Settling, stamp_of
from reid_edge.watch.ledger.records import FileStamp


def _seen(settling: Settling, path: Path, now: float) -> bytes:
    name = os.fsencode(path)
    state = stamp_of(name)
    assert state is not None
    settling.observe(1, name, state, now)
    return name


def test_a_file_settles_when_it_was_still_for_long_enough(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"x")
    settling = Settling()
    _seen(settling, path, 100.0)
    assert settling.settled(101.9, 2.0, 10) == []
    assert [file_id for file_id, _, _ in settling.settled(102.0, 2.0, 10)] == [1]
    assert len(settling) == 0


def test_a_growing_file_is_waited_for_without_limit(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"")
    settling = Settling()
    _seen(settling, path, 0.0)
    for second in range(1, 1000):
        with path.open("ab") as file:
            file.write(b"x" * 1024)
        assert settling.settled(float(second * 2), 2.0, 10) == []
    assert [state.size for _, _, state in settling.settled(2000.0, 2.0, 10)] == [999 * 1024]


def test_a_file_that_is_rewritten_with_the_same_size_is_not_still(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"one")
    settling = Settling()
    _seen(settling, path, 0.0)
    path.write_bytes(b"two")
    os.utime(path, ns=(0, 1))  # a time of 1970 is as good as any
    assert settling.settled(2.0, 2.0, 10) == []
    assert settling.settled(4.0, 2.0, 10)[0][2].mtime_ns == 1


def test_a_file_that_vanishes_while_it_settles_is_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"x")
    settling = Settling()
    _seen(settling, path, 0.0)
    path.unlink()
    assert settling.settled(2.0, 2.0, 10) == []
    assert len(settling) == 0


def test_no_more_settle_at_once_than_asked_for(tmp_path: Path) -> None:
    settling = Settling()
    for number in range(5):
        path = tmp_path / f"{number}.jpg"
        path.write_bytes(b"x")
        settling.observe(number, os.fsencode(path), FileStamp.of(path.stat()), 0.0)
    assert len(settling.settled(2.0, 2.0, 3)) == 3
    assert len(settling.settled(2.0, 2.0, 3)) == 2
