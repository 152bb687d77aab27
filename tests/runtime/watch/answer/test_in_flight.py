from __future__ import annotations

from pathlib import Path

from reid_edge.watch.answer.in_flight import Death, UnderWork


def test_a_file_that_a_process_died_of_is_told_once(tmp_path: Path) -> None:
    UnderWork(tmp_path / "under-work").begin(1234567890)  # and the process is gone
    again = UnderWork(tmp_path / "under-work")
    assert again.left_over() == Death(1234567890, blamed=True)
    assert again.left_over() is None


def test_what_was_ended_or_closed_is_no_death(tmp_path: Path) -> None:
    work = UnderWork(tmp_path / "under-work")
    work.begin(12)
    work.end(answered=True)
    assert UnderWork(tmp_path / "under-work").left_over() is None
    work.begin(13)
    work.close()
    work.begin(14)
    work.end(answered=False)
    work.close()
    assert UnderWork(tmp_path / "under-work").left_over() is None


def test_where_processes_die_of_one_photo_and_of_another_no_photo_is_blamed_until_one_is_answered(tmp_path: Path) -> None:
    def died_of(number: int, answered: bool = False) -> bool:
        """Whether the next process blames the photo, of which this one dies, maybe after it answered another one."""
        work = UnderWork(tmp_path / "under-work")
        work.left_over()
        if answered:
            work.begin(99)
            work.end(answered=True)
        work.begin(number)
        death = UnderWork(tmp_path / "under-work").left_over()
        assert death is not None
        assert death.file_id == number
        return death.blamed

    assert [died_of(1), died_of(1)] == [True, True]
    assert [died_of(2), died_of(1), died_of(3), died_of(3)] == [False] * 4
    assert [died_of(3, answered=True), died_of(3)] == [True, True]


def test_a_power_cut_is_no_death_and_what_it_leaves_is_no_error(tmp_path: Path) -> None:
    path = tmp_path / "under-work"
    for left in (b"", b"\0" * 128, b"another-boot 12".ljust(128), b"\xff\xfe 12"):
        path.write_bytes(left)
        assert UnderWork(path).left_over() is None
