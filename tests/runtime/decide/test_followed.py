"""One answer for an animal that was followed through a video."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reid_edge.decide.apart import resolve_tracks
from reid_edge.decide.decision import Decision
from reid_edge.decide.facts import FrameAnswer, ReviewFacts, TrackFacts
from reid_edge.decide.followed import combine_track

TRACK = TrackFacts(2, 0.5, 3.0, 6, (FrameAnswer(0.5, "known", "Asha", 0.9),))


@pytest.fixture
def frame(answers) -> Decision:
    """A frame that knows Chipo."""
    return answers["trail_2.jpg"]


def test_frames_that_agree_give_their_answer_never_surer_than_the_surest(frame) -> None:
    less = replace(
        frame, probability=0.8, ranking=tuple(replace(each, probability=0.8 * each.probability) for each in frame.ranking)
    )
    combined = combine_track([less, frame], TRACK, 3)
    assert (combined.verdict, combined.identity, combined.track) == ("known", "Chipo", TRACK)
    assert 0.8 * frame.probability < combined.probability <= frame.probability
    assert combined.photo == frame.photo
    assert "2 of 2 frames" in combined.reason
    assert Decision.from_json(combined.as_json()).as_json() == combined.as_json()


def test_frames_that_disagree_are_a_question(frame, answers) -> None:
    other = next(each for each in answers.values() if each.verdict == "known" and each.identity != "Chipo")
    combined = combine_track([frame, other], TRACK, 5)
    assert combined.verdict == "ask"
    assert {each.identity for each in combined.ranking} >= {"Chipo", other.identity}
    assert "do not agree" in combined.reason


def test_what_a_person_said_of_one_frame_holds_for_the_track_and_no_animal_takes_no_part(frame) -> None:
    named = replace(frame, review=ReviewFacts("confirmed", "Asha", "Ana", "2026-01-01T00:00:00Z", "known", "Chipo", 0.9))
    combined = combine_track([frame, named], TRACK, 3)
    assert (combined.verdict, combined.identity, combined.probability) == ("known", "Asha", 1.0)
    stone = replace(frame, review=ReviewFacts("not_an_animal", None, "Ana", "2026-01-01T00:00:00Z", "known", "Chipo", 0.9))
    assert combine_track([stone, frame], TRACK, 3).identity == "Chipo"
    assert combine_track([stone], TRACK, 3).review == stone.review


def test_one_individual_is_not_in_a_video_twice_at_one_time_but_may_come_again(frame) -> None:
    first, again = combine_track([frame], TRACK, 3), combine_track([frame], replace(TRACK, number=3), 3)
    assert resolve_tracks([first, again], []) == [first, again]
    apart = resolve_tracks([first, again], [(0, 1)])
    assert [each.verdict for each in apart] == ["ask", "ask"]
    assert "of this video" in apart[0].reason
    third = resolve_tracks([first, again, first], [(0, 1)])[2]
    assert third == first
