from __future__ import annotations

from pathlib import Path

from reid_edge.watch.answer.in_flight import Death, InFlightMarker


def test_a_file_that_a_process_died_of_is_told_once(tmp_path: Path) -> None:
    InFlightMarker(tmp_path / "under-work").begin(1234567890)  # and the process is gone
    again = InFlightMarker(tmp_path / "under-work")
    assert again.last_death() == Death(1234567890, blamed=True)
    assert again.last_death() is None


def test_what_was_ended_or_closed_is_no_death(tmp_path: Path) -> None:
    work = InFlightMarker(tmp_path / "under-work")
    work.begin(12)
    work.end(answered=True)
    assert InFlightMarker(tmp_path / "under-work").last_death() is None
    work.begin(13)
    work.close()
    work.begin(14)
    work.end(answered=False)
    work.close()
    assert InFlightMarker(tmp_path / "under-work").last_death() is None


def test_where_processes_die_of_one_photo_and_of_another_no_photo_is_blamed_until_one_is_answered(tmp_path: Path) -> None:
    def died_of(number: int, answered: bool = False) -> bool:
        """Whether the next process blames the photo, of which this one dies, maybe after it answered another one."""
        work = InFlightMarker(tmp_path / "under-work")
        work.last_death()
        if answered:
            work.begin(99)
            work.end(answered=True)
        work.begin(number)
        death = InFlightMarker(tmp_path / "under-work").last_death()
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
        assert InFlightMarker(path).last_death() is None
