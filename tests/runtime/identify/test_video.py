"""Videos through the whole way: animals are followed, each is answered once, and two that cross are never mixed up."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from reid_edge.describe.query import Query
from reid_edge.errors import PhotoError
from reid_edge.identify.session import Session
from reid_edge.identify.video import BEST_FRAMES, EmptyVideoError, VideoOptions, tracks_of


@pytest.fixture(scope="module")
def session(sample_gallery, identifier) -> Iterator[Session]:
    from reid_edge.gallery import Gallery

    with Session(Gallery.open(sample_gallery.path, writable=False), identifier) as opened:
        yield opened


@pytest.fixture(scope="module")
def answered(session: Session, crossing):
    """The answers for the crossing, each with the frame that tells it."""
    return list(
        session.identify_video(crossing.path, Query(viewpoint="left", with_evidence=True), VideoOptions(with_pictures=True))
    )


@pytest.fixture
def blank_video(tmp_path: Path) -> Callable[..., Path]:
    """blank_video(name, frames): grey, ten frames a second."""

    def write(name: str, frames: int) -> Path:
        writer = cv2.VideoWriter(str(tmp_path / name), cv2.VideoWriter.fourcc(*"MJPG"), 10, (320, 240))
        for _ in range(frames):
            writer.write(np.full((240, 320, 3), 120, np.uint8))
        writer.release()
        return tmp_path / name

    return write


def test_each_of_two_animals_that_cross_is_known_before_and_after_and_never_as_the_other(answered, crossing) -> None:
    seen = []
    for _, (decision,) in answered:
        who = crossing.nearest(float(decision.photo.name.split(", ")[1].split()[0]), decision.animal.box)
        if decision.verdict == "known" and who:  # nobody where the outline holds much beside one animal, as where the two meet
            assert decision.identity == who
            seen.append((who, decision.track.begin < 2))
    assert set(seen) == {("Asha", False), ("Asha", True), ("Enzi", False), ("Enzi", True)}


def test_the_answer_for_a_track_says_where_it_is_and_what_its_frames_say(answered) -> None:
    for photo, (decision,) in answered:
        track = decision.track
        assert 0 <= track.begin <= track.end <= 6
        assert 1 <= len(track.answers) <= min(BEST_FRAMES, track.frames)
        assert all(track.begin <= each.seconds <= track.end for each in track.answers)
        assert photo.rgb.std() > 0  # the frame's own pixels
        assert (photo.sha256, photo.width, photo.height) == (decision.photo.sha256, 1440, 480)
        assert decision.animal.outline
    numbers = [decision.track.number for _, (decision,) in answered]
    assert numbers == sorted(set(numbers))


def test_no_track_goes_on_with_another_animal(identifier, crossing) -> None:
    tracks = list(tracks_of(crossing.path, identifier, Query()))
    for track in tracks:
        animals = {crossing.nearest(each.seconds, each.animal.box) for each in track.best} - {""}
        assert track.merged or len(animals) <= 1
        assert all(each.jpeg is None and not each.photo.rgb.strides[0] for each in track.best)  # no pixels in memory


def test_a_video_that_is_cut_off_gives_its_animals_and_then_the_reason(session, crossing, tmp_path) -> None:
    cut = tmp_path / "cut.avi"
    cut.write_bytes(crossing.path.read_bytes())
    os.truncate(cut, cut.stat().st_size // 4)
    *animals, (path, failure) = session.identify_each([cut], Query(viewpoint="left"))
    assert path == cut
    assert isinstance(failure, PhotoError)
    assert {decision.identity for _, (_, decisions) in animals for decision in decisions if decision.verdict == "known"} == {
        "Asha",
        "Enzi",
    }


def test_what_has_no_animal_and_what_is_no_video_is_said_so(session, blank_video, tmp_path) -> None:
    empty = blank_video("empty.avi", 11)
    (tmp_path / "text.mp4").write_text("Station 12: two nyala.\n")
    (_, found), (_, refused) = session.identify_each([empty, tmp_path / "text.mp4"])
    assert isinstance(found, EmptyVideoError)
    assert "any of its 3 frames" in found.message
    assert isinstance(refused, PhotoError)
    assert not isinstance(refused, EmptyVideoError)


def test_photos_and_videos_are_answered_in_their_order(session, samples, blank_video) -> None:
    photo, video = samples / "photos/trail_2.jpg", blank_video("a.avi", 1)
    assert [path for path, _ in session.identify_each([photo, video, photo])] == [photo, video, photo]


def test_a_reader_of_a_video_may_stop_early_and_progress_is_shown_by_frames(identifier, crossing) -> None:
    shown = []

    def watch(frames, name: str, count: int):
        shown.append((name, count))
        return frames

    tracks = tracks_of(crossing.path, identifier, Query(), VideoOptions(2.0, watch=watch))
    next(tracks)
    tracks.close()
    assert shown == [("crossing.avi", 3)]
