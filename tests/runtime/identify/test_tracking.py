"""Following boxes: an animal keeps its number while it is clear which one it is, and gets a new one as soon as it is not."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from reid_edge.identify.tracking import Tracker


def box(left: float, width: float = 200, top: float = 100) -> tuple[float, float, float, float]:
    return left, top, left + width, top + 150


def test_an_animal_that_walks_keeps_its_number_also_where_its_boxes_do_not_overlap() -> None:
    tracker = Tracker()
    assert [tracker.step([box(left)]) for left in (0, 140, 280, 430)] == [[0]] * 4


def test_two_that_graze_side_by_side_keep_theirs_whatever_the_order_of_their_boxes() -> None:
    tracker = Tracker()
    assert tracker.step([box(0), box(230)]) == [0, 1]
    assert tracker.step([box(240), box(5)]) == [1, 0]
    assert tracker.step([box(2), box(235)]) == [0, 1]


def test_one_that_leaves_and_comes_back_is_another_track() -> None:
    tracker = Tracker()
    assert tracker.step([box(0)]) == [0]
    assert tracker.step([]) == []
    assert tracker.step([box(0)]) == [1]


def test_one_that_is_suddenly_far_away_or_much_larger_is_another_track() -> None:
    tracker = Tracker()
    assert [tracker.step([each]) for each in (box(0), box(400), (300.0, 0.0, 900.0, 480.0))] == [[0], [1], [2]]


def test_where_two_meet_in_one_box_all_tracks_end_and_the_box_is_noted_to_hold_both() -> None:
    tracker = Tracker()
    for first, second in ((0, 500), (60, 440), (120, 380)):
        assert tracker.step([box(first), box(second)]) == [0, 1]
    assert tracker.step([(180.0, 100.0, 520.0, 250.0)]) == [2]
    assert tracker.merged == {2}
    assert tracker.step([box(160), box(340)]) == [3, 4]


def test_two_that_pass_each_other_between_two_frames_do_not_swap_their_numbers() -> None:
    tracker = Tracker()
    for first, second in ((0, 700), (120, 580), (240, 460)):
        numbers = tracker.step([box(first), box(second)])
    assert numbers == [0, 1]
    after = tracker.step([box(460), box(240)])  # 220 pixels further, each: the first one is at 460
    assert after[0] != 1
    assert after[1] != 0


@given(st.lists(st.lists(st.integers(0, 1000), max_size=5), max_size=8))
def test_no_number_is_twice_in_a_frame_or_comes_again(frames: list[list[int]]) -> None:
    tracker, ended, last = Tracker(), set[int](), set[int]()
    for lefts in frames:
        numbers = tracker.step([box(left) for left in lefts])
        assert len(set(numbers)) == len(lefts)
        ended |= last - set(numbers)
        assert ended.isdisjoint(numbers)
        last = set(numbers)
